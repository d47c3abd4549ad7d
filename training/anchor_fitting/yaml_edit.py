"""One block of a YAML text replaced: every other byte, comments and order among them, stays.

A library that writes YAML with its comments (ruamel.yaml) lays out the whole file anew. Here
pyyaml's parser only tells where the block is; `recipe_file` reads the outcome back before it is
kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .bands import LevelAnchors

SECTION, KEY = "network", "anchors"
STEP = "  "


def anchors_section(anchors: Sequence[LevelAnchors], note: str) -> str:
    """Return the recipe's section as YAML, with `note` as a comment."""
    return f"{SECTION}:\n{_entry(anchors, note, STEP)}"


def replace_anchors(text: str, anchors: Sequence[LevelAnchors], note: str) -> str:
    """Return a recipe's YAML with other anchors: in the place of the old, else where they belong.

    Comments inside the old block go with it. Raises yaml.YAMLError where the text is not YAML.
    """
    if 0 < text.count("\n") == text.count("\r\n"):
        return replace_anchors(text.replace("\r\n", "\n"), anchors, note).replace("\n", "\r\n")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None or _is_null(root):
        return _ended(text) + anchors_section(anchors, note)
    found = _find(root, SECTION)
    if found is None:
        if _is_flow(root):
            return _into_braces(text, root, f"{SECTION}: {{{KEY}: {_flow(anchors)}}}")
        return _insert(text, _end_of(root), "\n" + anchors_section(anchors, note))
    key, section = found
    if _is_null(section):
        rest = text[: section.start_mark.index].rstrip(" ") + text[section.end_mark.index :]
        return _insert(rest, key.end_mark.index, _entry(anchors, note, STEP))
    old = _find(section, KEY)
    if old is not None:
        return _exchange(text, *old, anchors, note)
    if _is_flow(section):
        return _into_braces(text, section, f"{KEY}: {_flow(anchors)}")
    indent = " " * section.start_mark.column
    return _insert(text, _end_of(section), _entry(anchors, note, indent))


def _exchange(text: str, key: Node, value: Node, anchors: Sequence[LevelAnchors], note: str) -> str:
    """Replace the value of the key `anchors`."""
    start, stop = value.start_mark.index, _end_of(value)
    if value.start_mark.line == key.start_mark.line or _is_flow(value):
        # What stands behind it on its last line, a comment or a bracket, stays.
        gap = " " * (text[start - 1] == ":")  # the key had no value
        return text[:start] + gap + _flow(anchors) + text[stop:]
    indent = " " * key.start_mark.column + STEP
    head = text[: _line_end(text, key.end_mark.index)]
    return head + _block(anchors, note, indent) + text[_line_end(text, stop) :]


def _entry(anchors: Sequence[LevelAnchors], note: str, indent: str) -> str:
    return f"{indent}{KEY}:\n{_block(anchors, note, indent + STEP)}"


def _block(anchors: Sequence[LevelAnchors], note: str, indent: str) -> str:
    """Return the lines of a block sequence, a level a line."""
    lines = [f"# {note}"] * bool(note) + [f"- {_level(level)}" for level in anchors]
    return "".join(f"{indent}{line}\n" for line in lines)


def _flow(anchors: Sequence[LevelAnchors]) -> str:
    return "[" + ", ".join(_level(level) for level in anchors) + "]"


def _level(level: LevelAnchors) -> str:
    return "[" + ", ".join(f"[{w}, {h}]" for w, h in level) + "]"


def _into_braces(text: str, node: Node, entry: str) -> str:
    at = node.start_mark.index + 1
    return text[:at] + entry + (", " if node.value else "") + text[at:]


def _insert(text: str, index: int, lines: str) -> str:
    """Put whole lines behind the line of an index."""
    at = _line_end(text, index)
    return _ended(text[:at]) + lines + text[at:]


def _find(node: Node, key: str) -> tuple[Node, Node] | None:
    """Return key and value of an entry of a mapping, None where it has no such entry."""
    entries = node.value if isinstance(node, MappingNode) else []
    return next((entry for entry in entries if entry[0].value == key), None)


def _is_flow(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and bool(node.flow_style)


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _end_of(node: Node) -> int:
    """Return where a node's own text ends: the parser's end of a block is where the next begins."""
    children: list[Node] = []
    if isinstance(node, MappingNode) and not node.flow_style:
        children = [child for entry in node.value for child in entry]
    elif isinstance(node, SequenceNode) and not node.flow_style:
        children = list(node.value)
    return max((_end_of(child) for child in children), default=int(node.end_mark.index))


def _line_end(text: str, index: int) -> int:
    """Return where the line of an index ends, behind its line break; a text may end in a line."""
    if text[index - 1 : index] == "\n":
        return index
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
