"""Annotation files that are texts: their lines, and the numbers in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import DataError


def filled(pattern: str, split: str) -> str:
    """Return a path of a recipe with its `{split}` replaced."""
    return pattern.replace("{split}", split)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number, from 1, and text of each line that is not blank, without blanks around it.

    Raises DataError where the file cannot be read or is no UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line.strip()
    except (OSError, ValueError) as error:
        raise DataError(f"the annotations {path} cannot be read: {error}") from error


def numbers(words: Sequence[str]) -> list[float] | None:
    """Return the words as numbers, None where one of them is none."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def stem_of(path: str) -> str:
    """Return a relative path without its suffix: what an image is called."""
    plain = path.replace("\\", "/")
    head, dot, suffix = plain.rpartition(".")
    return head if dot and "/" not in suffix else plain
