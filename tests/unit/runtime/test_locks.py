"""Locks end with their holder; what a killed process left is cleared away or written over."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hexdet.errors import ArtifactError
from hexdet.runtime import locks
from hexdet.runtime.files import replacing, replacing_set, write_text
from hexdet.runtime.locks import held
from hexdet.runtime.scratch import PREFIX, scratch_folder

HOLD = """
import sys, time
from pathlib import Path
from hexdet.runtime.files import replacing
from hexdet.runtime.locks import held
from hexdet.runtime.scratch import scratch_folder
with {what}:
    print("holding", flush=True)
    time.sleep(60)
"""


class Holder:
    """Another process that holds something until it is killed."""

    def __init__(self, what: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD.format(what=what)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "holding\n"

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "GRACE_S", 0.1)


def test_a_folder_is_held_against_another_process_until_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    with (
        Holder(f"held(Path({str(folder)!r}), 'x')"),
        pytest.raises(ArtifactError, match="taken"),
        held(folder, "taken"),
    ):
        pass
    with held(folder, "taken"), pytest.raises(ArtifactError, match="twice"), held(folder, "twice"):
        pass
    assert folder.is_dir()


def test_a_new_folder_goes_again_where_nothing_came_into_it(tmp_path: Path) -> None:
    with held(tmp_path / "a" / "b", ""):
        assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "a" / "b").exists()
    with held(tmp_path / "c", ""):
        (tmp_path / "c" / "file").touch()
    assert (tmp_path / "c" / "file").exists()


def test_a_linked_folder_can_be_held(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with (
        held(tmp_path / "link", ""),
        pytest.raises(ArtifactError, match="taken"),
        held(tmp_path / "real", "taken"),
    ):
        pass


def test_a_file_is_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with Holder(f"replacing(Path({str(path)!r}))"):
        with pytest.raises(ArtifactError, match=r"a\.json: another process is writing it"):
            write_text(path, "mine")
        assert path.read_text() == "old"
    # What the killed one left is written over.
    assert [p.name for p in tmp_path.iterdir() if p != path] == [".a-part.json"]
    write_text(path, "mine")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "mine"


def test_the_longer_leftover_of_a_killed_process_leaves_no_end(tmp_path: Path) -> None:
    (tmp_path / ".a-part.json").write_text("a long half-written file")
    with replacing(tmp_path / "a.json") as temporary, temporary.open("r+") as stream:
        stream.write("short")
    assert (tmp_path / "a.json").read_text() == "short"


def test_scratch_folders_of_killed_processes_are_cleared_away(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}users").write_text("a file is no folder of ours")
    with Holder(f"scratch_folder(Path({str(tmp_path)!r}))"), scratch_folder(tmp_path) as mine:
        assert len(list(tmp_path.glob(f"{PREFIX}*"))) == 3
        (mine / "file").touch()
    assert len(list(tmp_path.glob(f"{PREFIX}*"))) == 2
    with scratch_folder(tmp_path) as mine:
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([mine.name, f"{PREFIX}users"])


def test_where_nobody_can_tell_no_scratch_folder_is_taken_for_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(handle: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", unknown)
    with scratch_folder(tmp_path) as outer:
        with scratch_folder(tmp_path) as inner:
            (inner / "file").touch()
        assert outer.is_dir()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "names", "free", "said"),
    [
        (errno.ENOSPC, (), 0, "set TMPDIR|make room"),
        (errno.EDQUOT, (), 2**30, "set TMPDIR|make room"),
        (errno.ENOSPC, ("{scratch}/a",), 2**30, "set TMPDIR|make room"),
        (errno.ENOSPC, ("/bundle/a", "{scratch}/a"), 2**30, "set TMPDIR|make room"),
        (errno.ENOSPC, (), 2**30, None),
        (errno.ENOSPC, ("/bundle/a",), 0, None),
        (errno.ENOSPC, ("{scratch}/a", "/bundle/a"), 0, None),
        (errno.EACCES, ("{scratch}/a",), 0, None),
    ],
)
def test_a_full_disk_is_told_from_another_one(
    number: int,
    names: tuple[str, ...],
    free: int,
    said: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    kind, text = (OSError, None) if said is None else (ArtifactError, said)

    def fail() -> None:
        with scratch_folder(tmp_path) as folder:
            paths = [name.format(scratch=folder) for name in names]
            first, second = (*paths, None, None)[:2]
            raise OSError(number, os.strerror(number), first, None, second)

    with pytest.raises(kind, match=text):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_set_changes_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    for content in ("old", "new"):
        with replacing_set(folder, seal="detector.json") as staged:
            for name in ("detector.json", "int8.onnx"):
                write_text(staged / name, content)
            before = sorted(p.read_text() for p in folder.glob("*.*"))
            assert before == ([] if content == "old" else ["old", "old"])
    assert {p.name: p.read_text() for p in folder.iterdir()} == {
        "detector.json": "new", "int8.onnx": "new",
    }  # fmt: skip


def test_a_set_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "detector.json").write_text("old")

    def half() -> None:
        with replacing_set(tmp_path, seal="detector.json") as staged:
            write_text(staged / "detector.json", "new")
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        half()
    assert [p.name for p in tmp_path.iterdir()] == ["detector.json"]
    assert (tmp_path / "detector.json").read_text() == "old"


def test_the_seal_goes_before_the_others_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, a set has no seal: nobody takes its files for one."""
    for name in ("a.onnx", "detector.json"):
        (tmp_path / name).write_text("old")
    seen = []
    usual = Path.replace

    def replace(self: Path, target: Path) -> Path:
        seen.append((target.name, (tmp_path / "detector.json").exists()))
        return usual(self, target)

    with replacing_set(tmp_path, seal="detector.json") as staged:
        for name in ("detector.json", "a.onnx"):
            (staged / name).write_text("new")
        monkeypatch.setattr(Path, "replace", replace)
    assert seen == [("a.onnx", False), ("detector.json", False)]


def test_a_message_names_the_file_by_its_last_name(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()

    def fail() -> None:
        with replacing_set(tmp_path / "bundle", seal="x") as staged:
            (staged / "a.json").mkdir()
            write_text(staged / "a.json", "x")

    with pytest.raises(ArtifactError, match=r"bundle/a\.json: Is a directory"):
        fail()
