"""The two files of a release: those of HEXDET_DIST, else built here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from release.build_dist import Dist
from release.picture import write_picture

BUILD = Path(__file__).with_name("build_dist.py")


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    """Return wheel and sdist; HEXDET_DIST names the folder of those that are to be released."""
    named = os.environ.get("HEXDET_DIST")
    folder = Path(named) if named else tmp_path_factory.mktemp("dist")
    if not named:
        done = subprocess.run(
            [sys.executable, str(BUILD), str(folder)], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("hexdet-*.whl")
    (sdist,) = folder.glob("hexdet-*.tar.gz")
    return Dist(wheel=wheel, sdist=sdist)


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with heads in it."""
    return write_picture(tmp_path_factory.mktemp("images"))
