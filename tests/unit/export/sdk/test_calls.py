"""Running a tool: what is probed, recorded, ended, and printed for a shell."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from hexdet.errors import ToolError
from hexdet.export.sdk.calls import Toolbox
from hexdet.export.sdk.discovery import Sdk
from hexdet.export.sdk.judging import disagreement


def make_box(tmp_path: Path, script: str, limit_s: float = 20.0) -> Toolbox:
    """A tool of an SDK in a folder with a space and a quote."""
    root = tmp_path / "an SDK's root"
    root.mkdir()
    path = root / "snpe-dlc-quant"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    sdk = Sdk(root=root, version="2.25.0", number=(2, 25), python=None, tools={path.name: path})
    return Toolbox(sdk=sdk, environ=dict(os.environ), time_limit_s=limit_s, work=work)


HELP = """cat <<'E'
usage: snpe-dlc-quant [-h] --input_dlc=<file>
  -h, --help
  -i <f>, --input_dlc=<f>   not--a-flag
  [ --override_params ]
        default: minus-one, see --htp_socs=<a,b>
E"""


def test_the_flags_are_those_that_the_help_names(tmp_path: Path) -> None:
    box = make_box(tmp_path, f'[ "$1" = --help ] && {HELP}')
    known = box.flags("snpe-dlc-quant")
    assert known == {"-i", "--input_dlc", "--override_params", "--htp_socs"}
    assert box.spelling("snpe-dlc-quant", "--no", "--override_params") == "--override_params"
    assert box.spelling("snpe-dlc-quant", "--no") is None
    assert box.calls == []  # a question is no step


def test_a_tool_without_flags_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"names no flag: .*libSNPE"):
        make_box(tmp_path, "echo libSNPE.so: cannot open >&2; exit 127").flags("snpe-dlc-quant")


def test_everything_of_a_call_is_recorded(tmp_path: Path) -> None:
    box = make_box(tmp_path, 'echo "$1|$QAIRT_SDK_ROOT"; echo "[ERROR] no" >&2; exit 3')
    call = box.run("snpe-dlc-quant", ["a 'b' $HOME"])
    assert (call.exit_code, box.calls) == (3, [call])
    assert f"a 'b' $HOME|{box.sdk.root}" in call.log  # nothing went through a shell
    assert call.error_lines == ["[ERROR] no"] and "exit code 3" in disagreement(call)
    pasted = subprocess.run(["sh", "-c", call.to_paste()], capture_output=True, text=True)
    assert pasted.stdout + pasted.stderr == call.log


def test_past_the_limit_the_whole_group_is_ended(tmp_path: Path) -> None:
    box = make_box(tmp_path, "sleep 300 & echo $! > child; wait", limit_s=1.0)
    with pytest.raises(ToolError, match=r"gave no answer in 1 s and was ended \(export\.sdk"):
        box.run("snpe-dlc-quant", [])
    child = int((tmp_path / "work" / "child").read_text())
    for _ in range(50):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or " Z " in state.read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the tool's child lives on")
    assert box.calls[-1].exit_code is None


def test_a_tool_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    box = make_box(tmp_path, "")
    box.sdk.tools["snpe-dlc-quant"].write_bytes(b"\x7fELF of another machine")
    with pytest.raises(ToolError, match="cannot be run"):
        box.run("snpe-dlc-quant", [])
