"""The images, really built from their Dockerfiles, and used as their user would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from docker.conftest import Engine

FIRST_STEPS = Path(__file__).parents[1] / "release" / "first_steps.sh"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runtime(engine: Engine) -> str:
    return engine.build("runtime.Dockerfile")


@pytest.fixture(scope="module")
def toolchain(engine: Engine) -> str:
    return engine.build("toolchain.Dockerfile", "TORCH_INDEX=")


def open_folder(path: Path) -> Path:
    """Return a new folder in which the container's user may write."""
    path.mkdir()
    path.chmod(0o777)
    return path


def test_the_runtime_does_the_first_steps(
    engine: Engine, runtime: str, heads: Path, pictures: Path, tmp_path: Path
) -> None:
    out = open_folder(tmp_path / "out")
    volumes = (f"{heads}:/bundle:ro", f"{pictures}:/media:ro", f"{out}:/work/build",
               f"{FIRST_STEPS}:/first_steps.sh:ro")  # fmt: skip
    printed = engine.run(
        runtime, "sh", "/first_steps.sh", "hexdet", "/bundle", "/media/hall.png", "build/found",
        volumes=volumes,
    )  # fmt: skip
    assert "first steps: ok" in printed
    (row,) = json.loads((out / "found" / "detections.json").read_text())["images"]
    assert row["detections"]


def test_the_runtime_is_bare_and_runs_as_nobody_special(engine: Engine, runtime: str) -> None:
    assert engine.run(runtime, "id", "-u").strip() == "1000"
    for absent in ("torch", "onnx", "pip"):
        code = f"import importlib.util as u, sys; sys.exit(u.find_spec({absent!r}) is not None)"
        engine.run(runtime, "python3", "-c", code)
    engine.run(runtime, "sh", "-c", "! touch /opt/hexdet/x 2>/dev/null && touch /work/x")
    # What is left behind is carried to every board.
    for left in ("/src", "/root/.cache", "/var/lib/apt/lists/*_Packages", "/tmp/*"):
        engine.run(runtime, "sh", "-c", f"! ls -d {left} 2>/dev/null")


def test_the_image_says_how_it_is_started_and_watched(engine: Engine, runtime: str) -> None:
    seen = json.loads(engine.call("inspect", runtime))["Docker"]["config"]
    assert seen["Entrypoint"] == ["hexdet"]
    assert seen["User"] == "1000:1000"
    assert seen["Healthcheck"]["Test"] == ["CMD", "/setup/healthy.sh"]
    engine.run(runtime, "/setup/healthy.sh", "/proc/self/cmdline")


def test_the_toolchain_does_the_main_job(engine: Engine, toolchain: str, tmp_path: Path) -> None:
    out = open_folder(tmp_path / "build")
    content = json.loads(
        engine.run(toolchain, "hexdet", "doctor", "--json", volumes=(f"{out}:/work/build",))
    )
    assert content["jobs"] == {"detect": True, "export": True}
    printed = engine.run(
        toolchain, "hexdet", "export", "heads", "--check", "2", "--set", "calibration.images=16",
        volumes=(f"{out}:/work/build",),
    )  # fmt: skip
    assert "int8.dlc" in printed
    assert (out / "heads" / "int8.dlc").stat().st_size > 10**6
