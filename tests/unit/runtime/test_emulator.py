"""The emulator's process, played by small modules: every way to fail is one error, and is over."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hexdet.errors import ArtifactError, NotRunError, ToolError
from hexdet.runtime.emulator import EmulatorProcess
from hexdet.runtime.signature import Port, Signature
from hexdet.runtime.targets import target_of_arch

LIMIT_S = 30.0
IMAGE = (1, 400, 400, 3)
"""More bytes than a socket holds: sending it waits for the other end."""
SHAPES = {"scores": (1, 2, 3, 4), "boxes": (1, 5)}

HEAD = """
import sys, time
from multiprocessing.connection import Connection
import numpy as np
from hexdet.errors import NotRunError, ToolError
from hexdet.runtime.htp_worker import answer, refuse
from hexdet.runtime.signature import Port, Signature
connection = Connection(int(sys.argv[3]))
IMAGE = (1, 400, 400, 3)
BOXES, SCORES = (1, 5), (1, 2, 3, 4)
OUTPUTS = {"boxes": BOXES, "scores": SCORES}  # not in the contract's order
SIGNATURE = Signature(
    inputs=(Port(name="image", shape=IMAGE, kind="uint8"),),
    outputs=tuple(Port(name=n, shape=s, kind="uint8") for n, s in OUTPUTS.items()),
)

def run(pixels):
    yield np.full(BOXES, pixels[0, 0, 0, 0], np.uint8)
    yield np.full(SCORES, pixels[0, 0, 0, 1], np.uint8)

"""
GOOD = "answer(connection, IMAGE, OUTPUTS, run, SIGNATURE)"

Open = Callable[..., EmulatorProcess]


@pytest.fixture
def open_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Return a function that opens a process whose worker is a piece of source text."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    opened: list[EmulatorProcess] = []

    def run(
        source: str, limit_s: float = LIMIT_S, expected: Signature | None = None
    ) -> EmulatorProcess:
        (tmp_path / "hexdet_worker_double.py").write_text(HEAD + textwrap.dedent(source))
        process = EmulatorProcess(
            Path("int8.onnx"), target_of_arch(73), SHAPES, limit_s, "hexdet_worker_double",
            expected=expected,
        )  # fmt: skip
        opened.append(process)
        return process

    yield run
    for process in opened:
        process.close()


@pytest.fixture
def open_files() -> Callable[[], set[str]]:
    """Return a function that names the sockets and files that this process has open."""

    def names() -> set[str]:
        found = set()
        for path in Path("/proc/self/fd").iterdir():
            try:
                found.add(str(path.readlink()))
            except OSError:  # the folder's own
                continue
        return {name for name in found if "socket" in name or "/tmp/" in name}

    return names


def picture(blue: int, green: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    pixels = np.zeros(IMAGE, np.uint8)
    pixels[..., 0], pixels[..., 1] = blue, green
    return pixels


def test_pictures_are_answered_in_the_contracts_order(open_with: Open) -> None:
    process = open_with(GOOD)
    for value in (3, 200):
        found = process.run(picture(value, value + 1))
        assert list(found) == list(SHAPES)
        assert (found["boxes"] == value).all() and found["boxes"].shape == (1, 5)
        assert (found["scores"] == value + 1).all()


def test_a_worker_that_refuses_says_why_and_leaves_nothing_open(
    open_with: Open, open_files: Callable[[], set[str]]
) -> None:
    before = open_files()
    for kind in (NotRunError, ToolError):
        with pytest.raises(ToolError, match="no such chip") as caught:
            open_with(f"refuse(connection, {kind.__name__}('no such chip'))")
        assert type(caught.value) is kind
        assert open_files() == before


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("print('bad graph', flush=True); sys.exit(3)", ToolError, "exit code 3: bad graph"),
        ("import os; os.abort()", ToolError, "ended by SIGABRT"),
        ("connection.send_bytes(b'no JSON')", ValueError, "Expecting value"),  # a bug of ours
    ],
    ids=["exit", "abort", "no JSON"],
)
def test_a_failed_opening_leaves_nothing_open(
    open_with: Open,
    open_files: Callable[[], set[str]],
    source: str,
    error: type[Exception],
    words: str,
) -> None:
    """Bug: the connection stayed open where receiving the opening raised."""
    before = open_files()
    with pytest.raises(error, match=words):
        open_with(source)
    assert open_files() == before


def test_an_opening_that_does_not_come_ends_the_process(
    open_with: Open, open_files: Callable[[], set[str]]
) -> None:
    before = open_files()
    begun = time.monotonic()
    with pytest.raises(ToolError, match=r"v73\) on int8.onnx gave no answer in 0\.5 s"):
        open_with("time.sleep(600)", limit_s=0.5)
    assert time.monotonic() - begun < 60
    assert open_files() == before


HUNG = {
    "it does not read the picture": "time.sleep(600)",
    "it reads and says nothing": "connection.recv_bytes(); time.sleep(600)",
    "it stops within an output": (
        "connection.recv_bytes(); import os; os.write(connection.fileno(), bytes([0, 0, 0, 5, 1]));"
        " time.sleep(600)"
    ),
}
OPENING = """
import json
connection.send_bytes(
    json.dumps({"image": IMAGE, "outputs": OUTPUTS, "signature": None}).encode()
)
"""


@pytest.mark.parametrize("source", HUNG.values(), ids=HUNG.keys())
def test_a_worker_that_hangs_is_ended_at_the_limit(
    open_with: Open, open_files: Callable[[], set[str]], source: str
) -> None:
    """Bug: sending had no time limit, so that a worker that did not read blocked for ever."""
    before = open_files()
    process = open_with(OPENING + source, limit_s=3.0)
    begun = time.monotonic()
    with pytest.raises(ToolError, match="gave no answer in 3 s"):
        process.run(picture(1, 2))
    assert time.monotonic() - begun < 60
    assert open_files() == before
    with pytest.raises(ToolError):  # it is over, and says so
        process.run(picture(1, 2))


def test_a_worker_that_dies_is_named(open_with: Open) -> None:
    process = open_with(OPENING + "print('out of memory', flush=True); sys.exit(9)")
    with pytest.raises(ToolError, match="exit code 9: out of memory"):
        process.run(picture(1, 2))


def test_a_run_that_is_broken_off_is_no_answer_to_the_next_picture(
    open_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = open_with(GOOD)

    def interrupted(self: EmulatorProcess) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EmulatorProcess, "_receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            process.run(picture(1, 2))
    with pytest.raises(ToolError):
        process.run(picture(3, 4))


def test_a_picture_of_another_size_is_refused_and_does_no_harm(open_with: Open) -> None:
    process = open_with(GOOD)
    with pytest.raises(ArtifactError, match=r"its input is \(1, 400, 400, 3\), it was given"):
        process.run(np.zeros((1, 300, 300, 3), np.uint8))
    assert (process.run(picture(7, 8))["boxes"] == 7).all()


def test_other_outputs_than_the_contracts_are_refused(
    open_with: Open, open_files: Callable[[], set[str]]
) -> None:
    before = open_files()
    with pytest.raises(ArtifactError, match=r"detector\.json says"):
        open_with("answer(connection, IMAGE, {'scores': SCORES}, run)")
    assert open_files() == before


def test_a_graph_that_is_not_the_contracts_is_refused_by_its_difference(open_with: Open) -> None:
    def signature(kind: str) -> Signature:
        return Signature(
            inputs=(Port(name="image", shape=IMAGE, kind=kind),),
            outputs=tuple(Port(name=n, shape=s, kind="uint8") for n, s in SHAPES.items()),
        )

    open_with(GOOD, expected=signature("uint8"))
    with pytest.raises(ArtifactError, match=r"image is uint8 .*, detector\.json says float"):
        open_with(GOOD, expected=signature("float"))


def test_close_twice_does_no_harm(open_with: Open, open_files: Callable[[], set[str]]) -> None:
    before = open_files()
    process = open_with(GOOD)
    process.close()
    process.close()
    assert open_files() == before
