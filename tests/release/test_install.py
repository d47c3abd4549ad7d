"""The wheel in an environment that has nothing: here for real, for ARM64 by its wheels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from release.build_dist import Dist

import hexdet

ROOT = Path(hexdet.__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
FIRST_STEPS = Path(__file__).with_name("first_steps.sh")
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
BOARDS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_27_aarch64",
          "manylinux_2_28_aarch64")  # fmt: skip
"""Up to glibc 2.28, of 2018: what Qualcomm's Linux, Ubuntu 20.04 and Debian 10 have or exceed."""

pytestmark = pytest.mark.slow


def run(
    *command: str | Path, code: int = 0, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True, text=True, cwd=cwd, env=clean, timeout=600,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def empty(dist: Dist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of an environment into which pip installed the wheel, as a user does."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", *PIP, "install", "-c", CONSTRAINTS, dist.wheel)
    return folder / "bin"


def test_the_first_steps_of_a_user(empty: Path, heads: Path, photo: Path, tmp_path: Path) -> None:
    done = run("sh", FIRST_STEPS, empty / "hexdet", heads, photo, tmp_path / "out", cwd=tmp_path)
    assert "first steps: ok" in done.stdout


def test_the_doctor_knows_the_base_install(empty: Path, tmp_path: Path) -> None:
    done = run(empty / "hexdet", "doctor", "--json", code=1, cwd=tmp_path)
    content = json.loads(done.stdout)
    assert content["jobs"] == {"detect": True, "export": False}
    found = {finding["what"]: finding for finding in content["findings"]}
    assert found["base packages"]["status"] == "ok"
    for what in ("toolchain", "QNN pair", "HTP emulator", "DLC writing"):
        assert found[what]["status"] == "missing"
        assert "hexdet[toolchain]" in found[what]["advice"]


def test_nothing_of_the_environment_is_broken(empty: Path) -> None:
    run(empty / "python", *PIP, "check")


def test_the_base_install_has_wheels_for_arm64(dist: Dist, tmp_path: Path) -> None:
    """All of the base install, pinned, without compiling: a board has no compiler."""
    platforms = [part for name in BOARDS for part in ("--platform", name)]
    command = (*PIP, "download", "--only-binary=:all:", "--python-version", "3.11",
               "--implementation", "cp", *platforms, "-c", CONSTRAINTS,
               "--dest", tmp_path, dist.wheel)  # fmt: skip
    run(sys.executable, *command)
    names = {path.name.partition("-")[0] for path in tmp_path.glob("*.whl")}
    assert {"numpy", "onnxruntime", "opencv_python_headless", "typer", "rich"} <= names
    assert [path for path in tmp_path.iterdir() if "x86_64" in path.name] == []
    assert [path for path in tmp_path.iterdir() if path.suffix != ".whl"] == []
    compiled = [path.name for path in tmp_path.iterdir() if "none-any" not in path.name]
    assert compiled
    assert all("aarch64" in name for name in compiled)
