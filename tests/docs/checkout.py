"""A folder that looks like a checkout after `make`, in which the commands of one page are run.

The sources are links, the bundle `build/heads` is a copy of a small one, and `hexdet` is the real
one behind a line of shell that appends sizes: each verb runs as the page has it, on less.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
from docs.pages import ROOT

from hexdet.datasets.scenes import Scenes

SIZES = {
    # verb (and subverb): what is appended. A later option of the same name wins, so that a size
    # which the page gives is replaced too. Sizes only: nothing here chooses what is done.
    "export": "--check 1 --set calibration.images=16",
    "quantize": "--set calibration.images=16",
    "report": "--limit 2",
    "parity": "--limit 1",
    "evaluate": "--limit 2",
    "diagnose": "--limit 1",
    "anchors": "--limit 8 --augmented 8",
    "train": "--set training.epochs=1 --set training.workers=0 --set training.cache_mib=0",
    "bench host": "--rounds 3 --images 1",
    "bench call": "--images 1",
    "bench emulator": "--runs 1 --no-sizes",
    "bench compare": "--images 1",
    "bench postprocess": "--repeat 1 --images 1",
    "bench video": "--frames 20 --rounds 1",
    "bench evaluation": "--images 2",
    "bench metrics": "--images 50",
    "bench loading": "--images 8",
    "bench hard-cases": "--limit 1",
    "bench stress": "--limit 1",
}
"""How much less of it a verb does here than in the page."""

COPIED = ("docs",)
"""Folders of the checkout that a page's commands write into."""
OWN = (".git", ".venv", "build", "data")
PHOTOGRAPH, VIDEO = "street.jpg", "street.mp4"
"""What a page takes for granted that its reader has."""


def make_checkout(folder: Path, bundle: Path) -> Path:
    """Make the folder and return it. bundle: what becomes its build/heads."""
    folder.mkdir()
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in sorted({Path(path).parts[0] for path in tracked if path} - set(OWN)):
        if name in COPIED:
            shutil.copytree(ROOT / name, folder / name)
        elif (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    shutil.copytree(bundle, folder / "build" / "heads")
    _make_tools(folder / ".venv" / "bin")
    for name in ("ready", "ready-dev"):
        (folder / ".venv" / name).touch()
    _make_own_files(folder)
    return folder


def _make_tools(folder: Path) -> None:
    """Write the commands of the virtual environment; `hexdet` appends its sizes."""
    folder.mkdir(parents=True)
    real = Path(sys.executable).parent
    for name in ("python", "pytest", "torchrun"):
        _write_script(folder / name, f'exec "{real / name}" "$@"')
    cases = "\n".join(
        f'    "{verb}") exec "{real / "hexdet"}" "$@" {sizes} ;;' for verb, sizes in SIZES.items()
    )
    _write_script(
        folder / "hexdet",
        'for word in "$@"; do case "$word" in --help|-h) exec '
        f'"{real / "hexdet"}" "$@" ;; esac; done\n'
        'verb="${1:-}"; [ "$verb" = bench ] && verb="bench ${2:-}"\n'
        f'case "$verb" in\n{cases}\n    *) exec "{real / "hexdet"}" "$@" ;;\nesac',
    )


def _write_script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def _make_own_files(folder: Path) -> None:
    """Write a photograph and a video of three frames, as a page's reader has them."""
    scenes = Scenes(split="test", count=3)
    images = [scenes[index].image for index in range(3)]
    assert cv2.imwrite(str(folder / PHOTOGRAPH), images[0])
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(
        str(folder / VIDEO), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (width, height)
    )
    for image in images:
        writer.write(image)
    writer.release()
