"""Build sdist and wheel from a copy of the checkout's files: python build_dist.py OUT

A copy, because setuptools would take stale files out of a checkout's own build folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Dist:
    """What is released."""

    wheel: Path
    sdist: Path


def tracked_files() -> list[str]:
    """Return the paths of what git keeps, or would keep if it were added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = filter(None, listed.stdout.split("\0"))
    return sorted(name for name in names if (ROOT / name).is_file())


def copy_tracked(copy: Path) -> None:
    """Copy what git keeps into a folder, so that a build leaves the checkout as it is."""
    for file in tracked_files():
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, copy / file)


def build(out: Path) -> None:
    """Build both into `out`: the wheel from the sdist, as who downloads the sdist does."""
    with tempfile.TemporaryDirectory(prefix="hexdet-dist-") as name:
        copy_tracked(Path(name))
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), name]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]).absolute())
