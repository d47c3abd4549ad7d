"""A recipe that exports in seconds, and its bundle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from survival.tiny import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("survival") / "world")


@pytest.fixture(scope="session")
def bundle(world: World) -> Path:
    """Return a finished bundle; no test may change it."""
    return world.export(world.folder / "finished")
