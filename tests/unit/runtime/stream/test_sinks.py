"""What is kept of a stream: complete lines and pictures, whatever happens."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hexdet.errors import ArtifactError
from hexdet.runtime.stream import sinks
from hexdet.runtime.stream.frames import FrameResult
from hexdet.runtime.stream.sinks import Document, Images, JsonLines, to_row

MakeResult = Callable[..., FrameResult]


def named(result: FrameResult, name: str) -> FrameResult:
    return replace(result, frame=replace(result.frame, name=name))


def test_a_row_says_it_all(make_result: MakeResult) -> None:
    row = to_row(replace(make_result(7, count=2), identities=np.array([4, 9])))
    box = {"class": "head", "label": 1, "score": 0.5}
    assert row == {
        "index": 7,
        "seconds": 0.28,
        "width": 64,
        "height": 48,
        "detections": [
            {**box, "box": [8.0, 8.0, 18.0, 18.0], "id": 4},
            {**box, "box": [12.0, 12.0, 22.0, 22.0], "id": 9},
        ],
        "times": {"capture_ms": 1.0, "pre_ms": 2.0, "net_ms": 3.0, "post_ms": 4.0},
    }
    assert to_row(named(make_result(count=0), "a.png")) | {"times": None} == {
        "index": 0, "seconds": 0.0, "image": "a.png", "width": 64, "height": 48,
        "detections": [], "times": None,
    }  # fmt: skip


def test_lines_are_in_the_file_at_once_and_named_at_the_end(
    make_result: MakeResult, tmp_path: Path
) -> None:
    path, part = tmp_path / "new" / "a.jsonl", tmp_path / "new" / "a.jsonl.part"
    with JsonLines(path) as sink:
        assert not path.parent.exists()
        for index in range(3):
            sink.take(make_result(index), None)
            lines = part.read_text().splitlines()
            assert [json.loads(line)["index"] for line in lines] == list(range(index + 1))
        assert not path.exists()
    assert sink.written == [path]
    assert len(path.read_text().splitlines()) == 3
    assert not part.exists()


def test_an_early_end_keeps_the_lines(make_result: MakeResult, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with contextlib.suppress(KeyboardInterrupt), JsonLines(path) as sink:
        sink.take(make_result(), None)
        raise KeyboardInterrupt
    assert len(path.read_text().splitlines()) == 1


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    for sink in (JsonLines(tmp_path / "a.jsonl"), Document(tmp_path / "d.json", "cpu", {})):
        with sink:
            pass
        assert sink.written == []
    assert list(tmp_path.iterdir()) == []


def test_lines_that_cannot_be_written_are_an_error(make_result: MakeResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with JsonLines(tmp_path / "file" / "a.jsonl") as sink, pytest.raises(ArtifactError):
        sink.take(make_result(), None)


def test_a_full_disk_is_an_error_for_lines(make_result: MakeResult, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    sink = JsonLines(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl.part").symlink_to(full)
    with pytest.raises(ArtifactError, match="No space left"), sink:
        sink.take(make_result(), None)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_finds_no_room_is_left_out_whole(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Small(FileIO):
        def write(self, data: Any) -> int:
            left = 1000 - self.tell()
            if left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data[:left])

    monkeypatch.setattr(sinks, "FileIO", Small)

    def write() -> None:
        with JsonLines(tmp_path / "a.jsonl") as sink:
            for index in range(100):
                sink.take(make_result(index), None)

    with pytest.raises(ArtifactError, match="No space left"):
        write()
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(len(lines)))
    assert 0 < len(lines) < 100


def test_pictures_are_called_after_their_image_or_their_index(
    make_result: MakeResult, tmp_path: Path
) -> None:
    picture = np.full((48, 64, 3), 70, np.uint8)
    with Images(tmp_path / "street", {"x/a.png": tmp_path / "a.png.jpg"}) as sink:
        sink.take(named(make_result(0), "x/a.png"), picture)
        sink.take(make_result(12), picture)
    names = [path.name for path in sink.written]
    assert names == ["a.png.jpg", "street-000012.jpg"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    image = cv2.imread(str(sink.written[0]))
    assert image is not None and image.shape == (48, 64, 3)


def test_a_document_lists_the_images(make_result: MakeResult, tmp_path: Path) -> None:
    path = tmp_path / "detections.json"
    with Document(path, "a backend", {"a.png": tmp_path / "a.png.jpg"}) as sink:
        sink.take(named(make_result(0, count=1), "a.png"), None)
    content = json.loads(path.read_text())
    assert content == sink.content
    assert content["backend"] == "a backend"
    row = content["images"][0]
    assert (row["image"], row["width"], row["height"]) == ("a.png", 64, 48)
    assert row["annotated"] == str(tmp_path / "a.png.jpg")
    assert len(row["detections"]) == 1
