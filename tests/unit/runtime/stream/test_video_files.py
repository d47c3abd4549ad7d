"""Videos with an end: every frame, its true time, and what is said about damaged ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.errors import DataError
from hexdet.runtime.stream.video_files import VideoFile, is_text

MakeVideo = Callable[..., Path]


def read(path: Path) -> tuple[list[int], list[float], list[str]]:
    """Return indices, seconds and remarks of a video."""
    remarks: list[str] = []
    with VideoFile(path, remark=remarks.append) as source:
        frames = list(source)
    return [f.index for f in frames], [f.seconds for f in frames], remarks


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG")])
def test_every_frame_comes_with_its_index_and_time(
    make_video: MakeVideo, name: str, codec: str
) -> None:
    path = make_video(name, codec=codec, fps=10.0)
    with VideoFile(path) as source:
        assert (source.name, source.live, source.fps, source.count) == (name, False, 10.0, 20)
        for index, frame in enumerate(source):
            assert frame.index == index
            assert frame.seconds == pytest.approx(index / 10, abs=1e-3)
            assert frame.image.shape == (48, 64, 3)
            assert frame.image.mean() == pytest.approx(8 * index, abs=6)
    assert index == 19


def test_a_varying_frame_rate_keeps_its_times(make_video: MakeVideo) -> None:
    """Frames 0 to 9 last 40 ms, the others three times as long, as the file's table says."""
    path = make_video()
    data = path.read_bytes().replace(b"edts", b"free")  # the list of cuts knows the old length
    at = data.index(b"stts")
    ticks = struct.unpack_from(">I", data, at + 16)[0]
    # version and flags, count of rows; then rows of (frames, duration)
    rows = struct.pack(">IIIIII", 0, 2, 10, ticks, 10, 3 * ticks)
    path.write_bytes(with_larger_box(data, at, rows))
    indices, seconds, remarks = read(path)
    assert indices == list(range(20))
    assert seconds == pytest.approx([n * 0.04 if n <= 10 else 0.4 + (n - 10) * 0.12
                                     for n in range(20)], abs=2e-3)  # fmt: skip
    assert remarks == []


def with_larger_box(data: bytes, at: int, content: bytes) -> bytes:
    """Put other content into the box whose kind stands at `at`; the boxes around it grow."""
    changed = bytearray(data)
    size = struct.unpack_from(">I", data, at - 4)[0]
    growth = len(content) + 8 - size
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        place = data.index(kind) - 4
        struct.pack_into(">I", changed, place, struct.unpack_from(">I", data, place)[0] + growth)
    changed[at + 4 : at - 4 + size] = content
    return bytes(changed)


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [((0, 1, -1, 0), (0, -1)), ((-1, 0, 0, -1), (-1, -1)), ((0, -1, 1, 0), (-1, 0))],
    ids=("90", "180", "270"),
)
def test_rotation_in_the_metadata_is_applied(
    tmp_path: Path, matrix: tuple[int, ...], corner: tuple[int, int]
) -> None:
    """A white top left corner goes where the track header's matrix turns it."""
    path = tmp_path / "turned.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (64, 48))
    image = np.zeros((48, 64, 3), np.uint8)
    image[:16, :16] = 255
    for _ in range(3):
        writer.write(image)
    writer.release()
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: ten words before the matrix
    a, b, c, d = (value * 65536 for value in matrix)
    struct.pack_into(">5i", data, at, a, b, 0, c, d)
    path.write_bytes(data)
    with VideoFile(path) as source:
        frame = next(iter(source))
    height, width = frame.image.shape[:2]
    assert (width, height) == ((48, 64) if a == 0 else (64, 48))
    assert frame.image[corner[0], corner[1]].mean() > 200
    assert frame.image.mean() < 60


def test_damage_in_the_middle_costs_only_the_damaged_frames(make_video: MakeVideo) -> None:
    path = make_video("hurt.avi", codec="MJPG")
    data = bytearray(path.read_bytes())
    starts = [n for n in range(len(data) - 3) if data[n : n + 3] == b"\xff\xd8\xff"]
    assert len(starts) == 20
    data[starts[6] : starts[7] - 16] = bytes(starts[7] - 16 - starts[6])
    data[starts[12] : starts[13] - 16] = bytes(starts[13] - 16 - starts[12])
    path.write_bytes(data)
    indices, seconds, remarks = read(path)
    assert indices == [n for n in range(20) if n not in (6, 12)]
    assert seconds == sorted(seconds)
    assert remarks == ["hurt.avi gave 18 of the 20 frames that it announces: cut off or damaged"]


def test_a_video_that_ends_early_gives_what_it_has(make_video: MakeVideo) -> None:
    path = make_video("cut.avi", codec="MJPG", count=100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    indices, _, remarks = read(path)
    assert 30 < len(indices) < 70
    assert indices == list(range(len(indices)))
    assert "of the 100 frames that it announces: cut off or damaged" in remarks[0]


def test_one_frame_less_than_announced_is_no_news(make_video: MakeVideo) -> None:
    path = make_video("one.avi", codec="MJPG", count=100)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"\xff\xd8\xff")
    data[at : at + 200] = bytes(200)
    path.write_bytes(data)
    indices, _, remarks = read(path)
    assert (len(indices), remarks) == (99, [])


def test_a_stopped_video_ends_without_a_remark(make_video: MakeVideo) -> None:
    remarks: list[str] = []
    with VideoFile(make_video(count=50), remark=remarks.append) as source:
        for frame in source:
            if frame.index == 4:
                source.stop()
    assert (frame.index, remarks) == (4, [])


REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"this is no video\n" * 100, "is a text"),
    "noise": (np.random.default_rng(0).bytes(5000), "damaged, or no video"),
    "no index": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2\0\0\x10\0mdat" + bytes(4088), "index"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_video_is_refused(tmp_path: Path, case: str) -> None:
    content, word = REFUSED[case]
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=word) as caught:
        VideoFile(path)
    assert "bad.mp4" in str(caught.value)


def test_a_missing_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        VideoFile(tmp_path / "none.mp4")


def test_a_video_whose_frames_are_all_damaged_is_refused(make_video: MakeVideo) -> None:
    path = make_video("dead.avi", codec="MJPG", count=3)
    data = bytearray(path.read_bytes())
    while (at := data.find(b"\xff\xd8\xff")) >= 0:
        data[at : at + 300] = bytes(300)
    path.write_bytes(data)
    with VideoFile(path) as source, pytest.raises(DataError, match="holds no frame"):
        list(source)


@pytest.mark.parametrize(
    ("head", "text"), [(b"", False), (b"a\tb\r\n", True), ("straße".encode(), True),
                       (b"\0\0\0\x18ftyp", False), (b"YUV4MPEG2 W4\nFRAME\n\x10\x80", False)],
)  # fmt: skip
def test_a_text_is_told_from_a_container(head: bytes, text: bool) -> None:
    assert is_text(head) is text
