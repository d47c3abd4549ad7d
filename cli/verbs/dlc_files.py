"""What DLC files hold, read from them alone, and what differs between two."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ...export.dlc_file import read_dlc
from ...export.dlc_file.diff import compare
from ...export.dlc_file.info import tabulate
from ..terminal import console


def dlc_info(path: Path, as_json: bool, as_csv: bool) -> None:
    """Show what a DLC holds, computed from the file alone."""
    info = tabulate(read_dlc(path))
    if as_json or as_csv:
        console.out.out(info.to_json() if as_json else info.to_csv(), end="")
    else:
        console.dlc_table(info)


def dlc_diff(first: Path, second: Path, as_json: bool) -> bool:
    """Show what differs between two DLCs and return whether nothing does."""
    result = compare(read_dlc(first), read_dlc(second))
    if as_json:
        console.print_json([dataclasses.asdict(d) for d in result.differences])
    else:
        console.difference_table(result)
    return result.identical
