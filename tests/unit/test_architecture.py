"""The table of allowed imports is the architecture; the runtime must run on a bare device."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hexdet

ROOT = Path(hexdet.__file__).parent

# A folder may import itself and what stands behind it here; 'errors' is a root module.
ALLOWED = {
    "errors": set(),
    "recipe": {"errors"},
    "runtime": {"errors"},
    "datasets": {"errors", "recipe", "runtime"},
    "calibration_data": {"errors", "datasets", "runtime"},
    "evaluation": {"errors", "datasets", "runtime"},
    "training": {"errors", "recipe", "runtime", "datasets", "evaluation"},
    "quantization": {"errors", "recipe", "runtime", "datasets", "evaluation"},
    "export": {
        "errors", "recipe", "runtime", "datasets", "evaluation", "calibration_data",
        "training", "quantization",
    },
    "benchmarks": {
        "errors", "recipe", "runtime", "datasets", "evaluation", "calibration_data",
        "training", "quantization", "export",
    },
    "doctor": {"errors", "recipe", "runtime", "datasets", "export", "benchmarks"},
}  # fmt: skip
DOOR = {"__main__", "cli"}
FORBIDDEN_ON_DEVICE = ("torch", "onnx", "yaml", "pydantic", "onnxsim", "safetensors", "pycocotools")


def _stage(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else path.stem


def _imports(path: Path) -> set[str]:
    """Return the stages that a file imports, by resolving its relative imports."""
    package = ["hexdet", *path.relative_to(ROOT).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = [*base, *(node.module.split(".") if node.module else [])]
            names = [target[1]] if len(target) > 1 else [alias.name for alias in node.names]
            found |= set(names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hexdet":
            found.add("an absolute import of hexdet")
    return found - {"__version__"}


SOURCES = sorted(
    p
    for p in ROOT.rglob("*.py")
    if not {"tests", "build", ".venv"} & set(p.relative_to(ROOT).parts)
)


def test_the_walk_sees_every_stage() -> None:
    assert {_stage(p) for p in SOURCES} >= set(ALLOWED) | DOOR


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    stage = _stage(path)
    if stage in DOOR:
        return
    if stage == "__init__":
        assert _imports(path) == set()
        return
    assert _imports(path) <= ALLOWED[stage] | {stage}


def test_every_folder_is_packaged() -> None:
    import tomllib

    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(content["tool"]["setuptools"]["packages"])
    folders = {p.parent.relative_to(ROOT).parts for p in SOURCES}
    assert listed == {".".join(("hexdet", *parts)) for parts in folders}


def test_the_runtime_imports_without_the_toolchain() -> None:
    modules = [
        ".".join(["hexdet", *p.relative_to(ROOT).with_suffix("").parts])
        for p in SOURCES
        if _stage(p) in ("runtime", "__main__")
        or p.parent == ROOT / "cli" / "commands"
        or (p.parent == ROOT / "cli" / "terminal" and p.stem != "tables")
        or p == ROOT / "cli" / "verbs" / "detect.py"
    ]
    code = (
        "import sys, importlib\n"
        f"for name in {FORBIDDEN_ON_DEVICE!r}: sys.modules[name] = None\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
