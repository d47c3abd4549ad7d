"""The base install, as on a board: no torch, no onnx, no yaml, and `hexdet detect` works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import cv2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from release.build_dist import copy_tracked

from hexdet.datasets.scenes import Scenes

TOOLCHAIN = (
    "torch", "onnx", "onnxsim", "onnxruntime_qnn", "yaml", "safetensors", "pycocotools", "jinja2",
    "hypothesis", "pytest",
)  # fmt: skip
NOT_LOADED = (*TOOLCHAIN, "typer", "pydantic")
"""What the embedded detector leaves alone. Typer 0.29 needs pydantic, so that it is installed."""


def run(*command: str | Path, cwd: Path, code: int = 0) -> str:
    """Return what a command printed; it must end with `code`."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True, text=True, cwd=cwd, env=clean, timeout=300,
    )  # fmt: skip
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy: the checkout stays as it is."""
    copy_tracked(folder / "copy")
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        "--disable-pip-version-check", "--wheel-dir", folder, folder / "copy", cwd=folder,
    )  # fmt: skip
    (wheel,) = folder.glob("hexdet-*.whl")
    return wheel


def requirements(found: Distribution) -> list[str]:
    """Return the names that a distribution needs here, without its extras."""
    parsed = [Requirement(text) for text in found.requires or ()]
    return [r.name for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})]


def closure(names: list[str]) -> dict[str, Distribution]:
    """Return the distributions of names and of all that they need, as they are installed here."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found[name] = distribution(name)
            waiting += requirements(found[name])
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of an environment with the wheel and what its metadata asks for, no more.

    The dependencies are this environment's own, linked: the versions of constraints.txt, without
    a network.
    """
    folder = tmp_path_factory.mktemp("bare")
    wheel = build_wheel(folder)
    venv.create(folder / "venv", with_pip=False)
    binaries = folder / "venv" / "bin"
    run(
        sys.executable, "-m", "pip", "--python", binaries / "python", "install", "--quiet",
        "--no-deps", "--disable-pip-version-check", wheel, cwd=folder,
    )  # fmt: skip
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (own,) = site.glob("hexdet-*.dist-info")
    for needed in closure(requirements(Distribution.at(own))).values():
        for path in needed.files or ():
            top = path.parts[0]
            if top != ".." and not (site / top).exists():
                (site / top).symlink_to(Path(str(needed.locate_file(top))))
    return binaries


@pytest.mark.parametrize("module", TOOLCHAIN)
def test_the_toolchain_is_not_there(bare: Path, module: str) -> None:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)"
    run(bare / "python", "-c", code, cwd=bare)


def test_detect_works_in_the_base_install(bare: Path, heads: Path, tmp_path: Path) -> None:
    photo = tmp_path / "hall.png"
    cv2.imwrite(str(photo), Scenes(split="test", count=200, seed=0)[1].image)
    printed = run(
        bare / "hexdet", "detect", heads, photo, "--out", tmp_path / "out", "--json", cwd=tmp_path
    )
    (row,) = json.loads(printed)["images"]
    assert row["detections"]
    assert cv2.imread(row["annotated"]) is not None


def test_the_package_is_the_installed_one_and_embeds(
    bare: Path, heads: Path, tmp_path: Path
) -> None:
    code = f"""
import sys, numpy, hexdet
from hexdet.runtime.detector import Detector
assert {str(bare.parent)!r} in hexdet.__file__, hexdet.__file__
with Detector.load({str(heads)!r}) as detector:
    found = detector.batch([numpy.zeros((40, 60, 3), numpy.uint8)])
assert detector.backend.name == "int8 on onnxruntime CPU", detector.backend.name
assert len(found) == 1 and not set({NOT_LOADED!r}) & set(sys.modules)
"""
    run(bare / "python", "-c", code, cwd=tmp_path)


def test_a_verb_of_the_toolchain_says_what_to_install(
    bare: Path, heads: Path, tmp_path: Path
) -> None:
    result = subprocess.run(
        [str(bare / "hexdet"), "report", str(heads)], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 1
    assert "pip install 'hexdet[toolchain]'" in result.stderr
    assert "Traceback" not in result.stderr
