"""`hexdet doctor` on the machine that runs the tests: the whole of it, nothing imitated."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_this_machine_can_do_the_main_job(hexdet_cli: Run, tmp_path: Path) -> None:
    content = json.loads(hexdet_cli("doctor", "--json", cwd=tmp_path).stdout)
    assert content["jobs"] == {"detect": True, "export": True}
    status = {finding["what"]: finding["status"] for finding in content["findings"]}
    wanted = ("Python", "base packages", "toolchain", "QNN pair", "HTP emulator", "DLC writing")
    assert [status[what] for what in wanted] == ["ok"] * len(wanted)
    assert list(tmp_path.iterdir()) == []


def test_it_is_one_screen_and_says_what_stops_the_job(hexdet_cli: Run, tmp_path: Path) -> None:
    """A broken onnx is shadowed onto the path: the doctor lives, and export is said not to run."""
    (tmp_path / "onnx.py").write_text("raise ImportError('libonnx.so: cannot open')\n")
    env = {"PYTHONPATH": str(tmp_path), "COLUMNS": "80"}
    printed = hexdet_cli("doctor", cwd=tmp_path, code=1, env=env).stdout
    assert "libonnx.so: cannot open" in " ".join(printed.split())
    assert "hexdet export: cannot run: toolchain" in printed
    assert "hexdet detect: can run" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert len(printed.splitlines()) <= 45
