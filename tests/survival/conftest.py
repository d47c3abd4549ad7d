"""A recipe that exports in seconds, and its bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
from survival.tiny import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("survival") / "world")


@pytest.fixture(scope="session")
def bundle(world: World) -> Path:
    """Return a finished bundle; no test may change it."""
    return world.export(world.folder / "finished")
