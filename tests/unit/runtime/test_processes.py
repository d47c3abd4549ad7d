"""A module run as a process: every bad end is one error that says how it ended."""

from __future__ import annotations

import contextlib
import gc
import os
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hexdet.errors import ToolError
from hexdet.runtime.processes import SHOWN_LINES, ModuleProcess

LIMIT_S = 30.0

Start = Callable[..., ModuleProcess]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a function that runs source text as a module of its own."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started: list[ModuleProcess] = []

    def run(source: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> ModuleProcess:
        (tmp_path / "hexdet_throwaway.py").write_text(textwrap.dedent(source))
        process = ModuleProcess("hexdet_throwaway", list(arguments), pass_fds)
        started.append(process)
        return process

    yield run
    for process in started:
        process.close()


def test_a_good_end_is_no_error(start: Start) -> None:
    process = start("import sys; print('did', sys.argv[1:])", "a", "b c")
    process.wait("the work", LIMIT_S)
    assert process.last_lines() == "did ['a', 'b c']"


def test_a_process_that_printed_nothing_says_so(start: Start) -> None:
    process = start("raise SystemExit(3)")
    with pytest.raises(ToolError, match=r"^the work ended with exit code 3: \(it printed nothing"):
        process.wait("the work", LIMIT_S)


def test_a_bad_exit_code_comes_with_the_last_lines_of_both_streams(start: Start) -> None:
    process = start(
        """
        import sys
        for i in range(20):
            print("line", i, flush=True)
        print("   ", file=sys.stderr)
        print("  the reason  ", file=sys.stderr, flush=True)
        sys.exit(7)
        """
    )
    with pytest.raises(ToolError) as caught:
        process.wait("the work", LIMIT_S)
    lines = [*(f"line {i}" for i in range(21 - SHOWN_LINES, 20)), "the reason"]
    assert str(caught.value) == "the work ended with exit code 7: " + " | ".join(lines)


def test_an_uncaught_exception_is_in_the_error(start: Start) -> None:
    process = start("raise RuntimeError('no such chip')")
    with pytest.raises(ToolError, match=r"exit code 1: .*RuntimeError: no such chip"):
        process.wait("the work", LIMIT_S)


def test_what_c_code_prints_is_in_the_error(start: Start) -> None:
    process = start("import os; os.write(2, b'from C \\xff'); os._exit(1)")
    with pytest.raises(ToolError, match="from C \N{REPLACEMENT CHARACTER}"):
        process.wait("the work", LIMIT_S)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ],
    ids=["aborted", "killed", "segmentation fault"],
)
def test_a_signal_is_named(source: str, name: str, start: Start) -> None:
    process = start(f"print('before', flush=True)\n{source}")
    with pytest.raises(ToolError, match=f"^the work was ended by {name}: before"):
        process.wait("the work", LIMIT_S)


def test_past_the_time_limit_the_process_is_gone(start: Start) -> None:
    process = start("import time; print('waiting', flush=True); time.sleep(600)")
    while process.last_lines() != "waiting":  # until it is up
        time.sleep(0.02)
    begun = time.monotonic()
    with pytest.raises(ToolError, match=r"^the work gave no answer in 0\.2 s: waiting$"):
        process.wait("the work", 0.2)
    assert time.monotonic() - begun < 60  # of its 600 s
    assert process.process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.process.pid, 0)


def test_close_ends_a_running_process_and_twice_does_no_harm(start: Start) -> None:
    process = start("import time; time.sleep(600)")
    process.close()
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process.process.pid, 0)
    assert process.last_lines() == "(it printed nothing)"


def test_what_was_printed_can_be_asked_for_after_close(start: Start) -> None:
    process = start("print('hello')")
    process.wait("the work", LIMIT_S)
    process.close()
    assert process.last_lines() == "hello"


@pytest.mark.parametrize(
    "source", ["", "raise SystemExit(1)", "import time; time.sleep(600)"],
    ids=["good", "bad", "late"],
)  # fmt: skip
def test_no_file_stays_open(source: str, start: Start) -> None:
    """Bug: the log was left to the garbage collector, a ResourceWarning for whoever watches."""
    gc.collect()
    before = len(list(Path("/dev/fd").iterdir()))
    process = start(source)
    with contextlib.suppress(ToolError):
        process.wait("the work", LIMIT_S if "sleep" not in source else 0.1)
    process.close()
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_stdin_is_empty_and_cannot_block(start: Start) -> None:
    start("import sys; sys.exit(len(sys.stdin.read()))").wait("the work", LIMIT_S)


def test_a_passed_file_is_open_in_the_process(start: Start) -> None:
    ours, theirs = os.pipe()
    try:
        process = start(
            "import os, sys; os.write(int(sys.argv[1]), b'through')",
            str(theirs),
            pass_fds=(theirs,),
        )
        process.wait("the work", LIMIT_S)
        assert os.read(ours, 100) == b"through"
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_module_that_is_not_there_is_an_error(start: Start) -> None:
    del start  # for its PYTHONPATH only
    process = ModuleProcess("hexdet_nowhere", [])
    with pytest.raises(ToolError, match="No module named hexdet_nowhere"):
        process.wait("the work", LIMIT_S)
