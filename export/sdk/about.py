"""What a bundle's manifest and `sdk/<chip>/about.json` say of the DLCs that an SDK made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...runtime.json_object import read_object
from ..bundle import Bundle

SDK_STAGE = "sdk "
"""What the name of a stage begins with in which an SDK made the DLC of one chip."""
FOLDER, FLOAT_DLC, INT8_DLC, FILE_NAME = "sdk", "float.dlc", "int8.dlc", "about.json"
_KEYS = ("sdk", "stand_in", "flow", "target", "preparation", "encodings", "held_summary")


def sdk_folders(bundle: Bundle) -> list[Path]:
    """Return `sdk/<chip>` of every chip whose DLC an SDK made and that is part of the bundle."""
    names = [Path(name) for name in bundle.outputs(SDK_STAGE)]
    return [bundle.folder / name.parent for name in names if name.name == INT8_DLC]


def read_about(folder: Path) -> dict[str, Any]:
    """Return what is known of the DLCs in a chip's folder; ArtifactError where it is damaged."""
    again = f"hexdet dlc {folder.parents[1]} --toolchain sdk --target {folder.name}"
    return read_object(folder / FILE_NAME, _KEYS, f"write it again with `{again}`")


def deliveries(bundle: Bundle) -> list[dict[str, str]]:
    """Return a row a chip for the report: who made the DLC, with whose encodings, what it holds.

    stand_in: `yes` where no SDK of Qualcomm's made it.
    """
    rows = []
    for folder in sdk_folders(bundle):
        about = read_about(folder)
        rows.append(
            {
                "chip": folder.name,
                "file": f"{FOLDER}/{folder.name}/{INT8_DLC}",
                "made_by": f"{about['sdk']} ({about['flow']})",
                "encodings": about["encodings"],
                "preparation": about["preparation"],
                "held": about["held_summary"],
                "stand_in": "yes" if about["stand_in"] else "no",
            }
        )
    return rows
