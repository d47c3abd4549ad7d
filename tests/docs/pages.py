"""The pages of the documentation as the tests read them: fences to execute, links, headings.

A page may put `<!-- needs: adb, sdk -->` before a fence of shell or Python whose commands cannot
run everywhere; what may stand there, and when it is met, is in `needs.py`.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
EXECUTED = ("sh", "python")
"""Languages of the fences that are run, in order, in one folder a page."""
SHOWN = ("text", "yaml", "json")
"""Languages of the fences that are only read."""
_NEEDS = re.compile(r"<!--\s*needs:\s*([a-z, ]+?)\s*-->\s*", re.ASCII)
_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A fence: its language, what stands in it, its line in the page, and what it needs."""

    page: Path
    line: int
    language: str
    code: str
    needs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return page and line, for people."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return README.md and every page of docs/, those that git does not ignore."""
    found = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard", "--", "README.md", "docs/*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return [ROOT / name for name in sorted(found) if name and (ROOT / name).is_file()]


def fences(page: Path) -> list[Fence]:
    """Return the fences of a page in their order."""
    found, needs = [], ()
    for token in _tokens(page):
        if token.type == "fence":
            found.append(
                Fence(
                    page=page,
                    line=(token.map or [0])[0] + 1,
                    language=token.info.strip(),
                    code=token.content,
                    needs=needs,
                )
            )
        marker = _NEEDS.fullmatch(token.content) if token.type == "html_block" else None
        needs = tuple(word.strip() for word in marker[1].split(",")) if marker else ()
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    for title in headings(page):
        plain = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = 0
        while (anchor := plain if not count else f"{plain}-{count}") in found:
            count += 1
        found.add(anchor)
    return found


def headings(page: Path) -> list[str]:
    """Return the headings of a page as text."""
    tokens = _tokens(page)
    return [
        "".join(child.content for child in inline.children or ())
        for token, inline in itertools.pairwise(tokens)
        if token.type == "heading_open"
    ]


def links(page: Path) -> list[str]:
    """Return where the links and pictures of a page lead."""
    return [
        str(child.attrGet("href") or child.attrGet("src"))
        for token in _tokens(page)
        for child in _flat(token.children or ())
        if child.type in ("link_open", "image")
    ]


def _flat(tokens: list[Token] | tuple[Token, ...]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or ())


def _tokens(page: Path) -> list[Token]:
    return _MARKDOWN.parse(page.read_text(encoding="utf-8"))
