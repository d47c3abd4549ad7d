"""Two processes at one bundle: one goes on, the other refuses and says so, nothing is damaged."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from survival.tiny import NAME, World, contents, kill, last_line, wait_for

WRITERS = ("export", "quantize", "dlc", "report", "parity")


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """second: what was started while an export ran. code, said: how that ended."""

    second: str
    code: int
    said: str
    faults: tuple[str, ...]


def arguments_of(verb: str, world: World, build: Path) -> list[str]:
    """Return the command that lets a verb write into the bundle."""
    if verb == "export":
        return world.export_arguments(build, 1)
    more = {"report": ["--limit", "1"], "parity": ["--limit", "1"]}
    return [verb, str(build / NAME), *more.get(verb, [])]


def meet(world: World, finished: Path, seconds: tuple[str, ...] = WRITERS) -> Iterator[Meeting]:
    """Start other writers while an export runs; the export's result shall be as if alone.

    finished: the bundle that the export gives where nothing disturbs it.
    """
    build = world.folder / "crowded"
    shutil.rmtree(build, ignore_errors=True)
    log = world.folder / "first.log"
    process = world.start(world.export_arguments(build, 0), log)
    assert wait_for(log, "export: PyTorch to ONNX", process), log.read_text()
    told = []
    for verb in seconds:
        # Held in place: the others shall meet it, however slow they are.
        with stopped(process):
            done = world.run_forked(arguments_of(verb, world, build))
        told.append((verb, done.returncode, last_line(done.stderr), "Traceback" in done.stderr))
    code = process.wait()
    faults = [] if code == 0 else [f"the first export failed: {last_line(log.read_text())}"]
    found, expected = contents(build / NAME), contents(finished)
    faults += [f"{n} differs" for n in sorted(expected) if found.get(n) != expected[n]]
    for verb, code, said, crashed in told:
        own = ("it crashed",) if crashed else ()
        yield Meeting(second=verb, code=code, said=said, faults=(*faults, *own))


@contextlib.contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let a process and its children stand still meanwhile."""
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)


def after_a_kill(world: World, finished: Path) -> Meeting:
    """Kill an export that holds the bundle, and start another at once."""
    build = world.folder / "orphaned"
    shutil.rmtree(build, ignore_errors=True)
    log = world.folder / "first.log"
    process = world.start(world.export_arguments(build, 1), log)
    assert wait_for(log, "quantize: calibrating", process), log.read_text()
    kill(process)
    done = world.run(world.export_arguments(build, 0))
    found, expected = contents(build / NAME), contents(finished)
    faults = tuple(f"{n} differs" for n in sorted(expected) if found.get(n) != expected[n])
    said = "nothing: it exported" if done.returncode == 0 else last_line(done.stderr)
    return Meeting(
        second="export, the first one killed", code=done.returncode, said=said, faults=faults
    )


def beside(world: World, finished: Path) -> Meeting:
    """Export into one bundle while another export writes into its neighbour: both go on."""
    build = world.folder / "crowded"
    shutil.rmtree(build, ignore_errors=True)
    log = world.folder / "first.log"
    process = world.start(world.export_arguments(build, 0), log)
    assert wait_for(log, "export: PyTorch to ONNX", process), log.read_text()
    second = world.run([*world.export_arguments(build, 0), "--set", "name=neighbour"])
    code = process.wait()
    faults = [] if code == 0 else [f"the first export failed: {last_line(log.read_text())}"]
    for folder in (NAME, "neighbour"):
        found = contents(build / folder)
        different = found.get("int8.dlc") != contents(finished)["int8.dlc"]
        faults += [f"{folder}/int8.dlc differs"] if different else []
    said = "nothing: both exported" if second.returncode == 0 else last_line(second.stderr)
    return Meeting(
        second="export of another name", code=second.returncode, said=said, faults=tuple(faults)
    )
