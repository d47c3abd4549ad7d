"""What the converter says about itself: `key=value` lines before 2.3, JSON from then on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .container import Archive
from .limits import MAX_DEPTH, MAX_METADATA_BYTES, MAX_METADATA_KEYS, Ledger

PREFIX = "dlc.metadata"
_HISTORY = "history."
_GENERATIONS = "dlcGenerationInfo."


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The texts by key (of JSON: dotted path), and of them the converter's version and command."""

    values: dict[str, str]
    converter_version: str
    converter_command: str


def read_metadata(archive: Archive, ledger: Ledger) -> Metadata:
    """Read every metadata entry of a DLC; a file without any has none. Raises ArtifactError."""
    values: dict[str, str] = {}
    for name in archive.entries:
        if not name.startswith(PREFIX):
            continue
        raw = archive.read(name)
        if raw is None or len(raw) > MAX_METADATA_BYTES:
            raise ledger.damaged(f"its entry {name!r} is too large")
        text = bytes(raw).decode("utf-8", "replace")
        section = _HISTORY if ".history" in name else ""
        pairs = _json(text, ledger) if text.lstrip().startswith("{") else _lines(text)
        for key, value in pairs:
            ledger.text(len(section) + len(key) + len(value))
            values[section + key] = value
            if len(values) > MAX_METADATA_KEYS:
                raise ledger.damaged(f"it has more than {MAX_METADATA_KEYS} metadata")
    return Metadata(
        values=values,
        converter_version=values.get("converter-version") or _last(values, "converterVersion"),
        converter_command=values.get("converter-command") or _command(values),
    )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip(), value.strip()


def _json(text: str, ledger: Ledger) -> Iterator[tuple[str, str]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ledger.damaged(f"its metadata are not JSON: {error}") from None
    yield from _flatten("", content, MAX_DEPTH, ledger)


def _flatten(path: str, content: Any, depth: int, ledger: Ledger) -> Iterator[tuple[str, str]]:
    if depth == 0:
        raise ledger.damaged("its metadata are nested too deeply")
    if isinstance(content, dict):
        items: Any = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    else:
        yield path, str(content)
        return
    for key, value in items:
        yield from _flatten(f"{path}.{key}" if path else str(key), value, depth - 1, ledger)


def _last(values: dict[str, str], key: str) -> str:
    """Return what the last step of the history says under a key."""
    found = ""
    for name, value in values.items():
        if name.startswith(_HISTORY + _GENERATIONS) and name.endswith(f".{key}"):
            found = value
    return found


def _command(values: dict[str, str]) -> str:
    """Return the last tool of the history and that step's arguments, as `tool key=value ...`."""
    tool, step = "", _HISTORY + _GENERATIONS
    for name, value in values.items():
        if name.startswith(_HISTORY + _GENERATIONS) and name.endswith(".tool"):
            tool, step = value, name.removesuffix("tool")
    arguments = [
        f"{name.partition('.args.')[2]}={value}"
        for name, value in values.items()
        if name.startswith(step) and ".args." in name
    ]
    return " ".join([tool, *arguments]).strip()
