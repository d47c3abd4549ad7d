"""The trees: folders of each release, scripts, the Python they want, how they say who they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sdk_standin import make_sdk
from sdk_standin.layout import make_python, make_tree, tool_environment
from sdk_standin.versions import HOST, VERSIONS, tools_of

EXPECTED = [
    # Facts 1.1 and 1.2: version, what is there, what is not.
    ("1.68", "lib/dsp", "sdk.yaml", "snpe-dlc-quantize", "snpe-dlc-quant"),
    ("2.10", "lib/dsp", "lib/hexagon-v68", "snpe-dlc-graph-prepare", "qairt-converter"),
    ("2.25", "lib/hexagon-v68/unsigned", "lib/dsp", "qairt-quantizer", "qairt-dlc-info"),
    ("2.48", "benchmarks/SNPE/snpe_bench.py", "models", "qairt-dlc-info", "snpe-dlc-reorder"),
]


@pytest.mark.parametrize(("version", "there", "absent", "tool", "no_tool"), EXPECTED)
def test_layout(
    version: str, there: str, absent: str, tool: str, no_tool: str, tmp_path: Path
) -> None:
    root = make_tree(VERSIONS[version], tmp_path / "an sdk")
    assert (root / there).exists() and not (root / absent).exists()
    assert (root / "bin" / HOST / tool).stat().st_mode & 0o111
    assert not (root / "bin" / HOST / no_tool).exists()
    assert (root / "bin" / "envsetup.sh").is_file()
    for path in root.rglob("*"):
        if path.is_file() and path.suffix in (".so", ".yaml", ".sh"):
            assert "stand-in" in path.read_text(encoding="utf-8").lower(), path


def test_sdk_yaml(tmp_path: Path) -> None:
    root = make_tree(VERSIONS["2.25"], tmp_path)
    content = yaml.safe_load((root / "sdk.yaml").read_text(encoding="utf-8"))
    assert content["version"] == "2.25.0" and content["stand_in"] is True
    assert content["build_id"].endswith("-stand-in")


def run(root: Path, *words: str | Path, path: Path | None = None, **changed: str):
    env = tool_environment(root, path=[path] if path else []) | changed
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=60)


def test_scripts_want_their_python(tmp_path: Path) -> None:
    root = make_tree(VERSIONS["2.25"], tmp_path / "an sdk")
    tool = root / "bin" / HOST / "snpe-onnx-to-dlc"
    right, wrong = make_python(tmp_path / "p", 10), make_python(tmp_path / "p", 8)
    good = run(root, right, tool, "--help")
    assert good.returncode == 0 and "--input_network <file>" in good.stdout, good.stderr
    assert run(root, "python3.10", tool, "--version", path=tmp_path / "p").stdout == (
        "SNPE v2.25.0.240728000000_00000-stand-in\n"
    )
    bad = run(root, wrong, tool, "--help")
    assert bad.returncode == 1 and "is built for Python 3.10, this is 3.8" in bad.stderr
    bare = run(root, right, tool, "--help", PYTHONPATH="")
    assert bare.returncode == 1 and "ModuleNotFoundError" in bare.stderr


def test_the_interpreter_reports_its_minor(tmp_path: Path) -> None:
    python = make_python(tmp_path / "a folder", 6)
    code = "import sys, platform; print(*sys.version_info[:2], sys.version_info.minor, sys.argv[1])"
    result = subprocess.run([python, "-I", "-c", code, "x"], capture_output=True, text=True)
    assert result.stdout == "3 6 6 x\n", result.stderr
    told = subprocess.run([python, "--version"], capture_output=True, text=True)
    assert told.stdout == "Python 3.6.0\n"


def test_executables_want_their_libraries(tmp_path: Path) -> None:
    root = make_tree(VERSIONS["2.10"], tmp_path)
    tool = root / "bin" / HOST / "snpe-dlc-quant"
    assert run(root, tool, "--version").stdout == "SNPE v2.10.0.0-stand-in\n"
    bare = run(root, tool, "--version", LD_LIBRARY_PATH="")
    assert bare.returncode == 127 and "libSNPE.so: cannot open shared object" in bare.stderr


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["make_sdk.py", "--version", "2.48", "--to", str(tmp_path / "sdk")]
    words += ["--python-to", str(tmp_path / "p"), "--misbehave", "snpe-dlc-quant=hang"]
    monkeypatch.setattr(sys, "argv", words)
    assert make_sdk.main() == 0
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["python3.10", "python3.12"]
    told = (tmp_path / "sdk" / "stand-in" / "misbehaves").read_text(encoding="utf-8")
    assert told == "snpe-dlc-quant hang\n"


def test_a_refused_command_ends_as_its_kind_does(tmp_path: Path) -> None:
    root, python = make_tree(VERSIONS["2.25"], tmp_path), make_python(tmp_path / "p", 10)
    script, executable = (root / "bin" / HOST / n for n in ("qairt-converter", "snpe-dlc-quant"))
    for words, code in (([python, script, "--nonsense"], 2), ([executable, "--nonsense"], 1)):
        result = run(root, *words)
        assert result.returncode == code and result.stderr.startswith("usage: "), result.stderr
        assert result.stderr.endswith("error: unrecognized arguments: --nonsense\n")
    calls = (root / "stand-in" / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["refused"] for line in calls] == [["--nonsense"]] * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_every_tool_can_be_run(version: str) -> None:
    from sdk_standin.run_tool import MODULES

    assert {tool.name for tool in tools_of(VERSIONS[version])} <= set(MODULES)
