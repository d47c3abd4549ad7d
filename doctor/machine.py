"""The data folder with its datasets, the disk, the cores and the memory."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from ..runtime.cores import available_cores
from .finding import Finding

LEAST_FREE = 2**30
"""Bytes: a bundle takes some 40 MB, the files between graphs and DLCs as much again and again."""
HELD = 6
"""Subfolders of the data folder that are named, at most."""


def data() -> Finding:
    """Look at the data folder and at which shipped recipes find their dataset in it; optional."""
    said = os.environ.get("HEXDET_DATA")
    root = Path(said or "data")
    named = f"HEXDET_DATA={said}" if said else f"HEXDET_DATA is not set, {root.absolute()}"
    if not root.is_dir():
        return Finding(
            what="data",
            status="broken" if said else "missing",
            found=f"{named}: no such folder",
            advice="optional, the rendered scenes need none: set HEXDET_DATA to your datasets",
        )
    if importlib.util.find_spec("yaml") is None:
        folders = sorted(path.name for path in root.iterdir() if path.is_dir())
        more = f" and {len(folders) - HELD} more" if len(folders) > HELD else ""
        return Finding(
            what="data", status="ok", found=f"{named}: {', '.join(folders[:HELD])}{more}"
        )
    there, absent = _datasets(root)
    found = f"{named}: {', '.join(there) if there else 'of no shipped recipe'}"
    advice = f"not there: {', '.join(absent)}" if absent else ""
    return Finding(what="data", status="ok" if there else "missing", found=found, advice=advice)


def _datasets(root: Path) -> tuple[list[str], list[str]]:
    """Return the dataset folders of the shipped recipes that are there, and those that are not."""
    from ..recipe import load_recipe, shipped_recipes
    from ..recipe.data import ImagesData

    folders: set[str] = set()
    for name in shipped_recipes():
        section = load_recipe(name, ()).data
        if isinstance(section, ImagesData):
            folders |= {section.train, section.test}
        elif hasattr(section, "folder"):
            folders.add(section.folder)
    there = sorted(folder for folder in folders if (root / folder).is_dir())
    return there, sorted(folders - set(there))


def results() -> Path:
    """Return where results go unless told otherwise: `build`, or where it would be made."""
    build = Path("build").absolute()
    return build if build.is_dir() else build.parent


def disk(folder: Path, least_free: int = LEAST_FREE) -> Finding:
    """Look whether results can be written into a folder, and how much."""
    if not os.access(folder, os.W_OK):
        advice = "go to a folder of your own, or give --build or --out"
        return Finding(
            what="disk",
            status="broken",
            found=f"{folder} cannot be written",
            advice=advice,
            jobs=("export",),
        )
    free = shutil.disk_usage(folder).free
    scarce = free < least_free
    return Finding(
        what="disk",
        status="broken" if scarce else "ok",
        found=f"{free / 2**30:.1f} GiB free in {folder}",
        advice=f"free some: {least_free / 2**30:g} GiB are needed" if scarce else "",
        jobs=("export",),
    )


def cores() -> Finding:
    """Tell how many cores this process may use, and the machine's memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.machine()}"
    return Finding(
        what="machine",
        status="ok",
        found=f"{system}, {len(available_cores())} cores, {memory:.1f} GiB memory",
    )
