"""A small bundle of the shipped `heads` checkpoint, made through the door, for all tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The tests' own packages (adb, release, sdk, ...) are imported by name from all of their folders.
sys.path.insert(0, str(Path(__file__).parent))

Run = Callable[..., subprocess.CompletedProcess[str]]

BCCD = Path(os.environ.get("HEXDET_DATA") or "data") / "bccd" / "BCCD"


def pytest_configure() -> None:
    """Heed the signals that the tests send: started in the background, a shell has them ignored."""
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let what takes minutes be asked for."""
    parser.addoption("--slow", action="store_true", help="also the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, and say so, what needs data that is not here, or time that nobody gave."""
    missing = pytest.mark.skip(reason=f"no BCCD images at {BCCD}: set HEXDET_DATA")
    slow = pytest.mark.skip(reason="takes minutes: make test SLOW=1, or pytest --slow")
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(slow)
        if item.get_closest_marker("bccd") and not BCCD.is_dir():
            item.add_marker(missing)


@pytest.fixture(scope="session")
def hexdet_cli() -> Run:
    """Return a function that runs `hexdet ...` as a user would, output captured."""

    def run(
        *arguments: str | os.PathLike[str],
        cwd: Path | None = None,
        code: int | None = 0,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [str(Path(sys.executable).with_name("hexdet")), *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "120", **(env or {})},
            timeout=600,
        )
        if code is not None:
            assert result.returncode == code, result.stdout + result.stderr
        return result

    return run


@pytest.fixture(scope="session")
def heads_build(hexdet_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build folder that holds the bundle `heads`, checked on two images."""
    build = tmp_path_factory.mktemp("build")
    hexdet_cli(
        "export", "heads", "--build", build, "--check", "2", "--set", "calibration.images=16"
    )
    return build


@pytest.fixture(scope="session")
def heads(heads_build: Path) -> Path:
    """Return the bundle `heads`."""
    return heads_build / "heads"
