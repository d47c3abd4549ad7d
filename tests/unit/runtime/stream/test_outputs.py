"""Which files are written, under which names, and that none is one that is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hexdet.errors import DataError
from hexdet.runtime.stream.frames import Frame, Source
from hexdet.runtime.stream.image_files import ImageFiles
from hexdet.runtime.stream.outputs import Kind, open_sinks, stem, usual_kinds
from hexdet.runtime.stream.sinks import Document, Images, JsonLines
from hexdet.runtime.stream.video_files import VideoFile
from hexdet.runtime.stream.video_writing import VideoSink

MakeVideo = Callable[..., Path]


class Live(Source):
    live = True
    name = "rtsp://cam.local:554/a b"

    def __iter__(self) -> Iterator[Frame]:
        return iter(())


def kinds(source: Source, folder: Path, wanted: tuple[Kind, ...] | None = None) -> list[type]:
    chosen = usual_kinds(source) if wanted is None else wanted
    return [type(sink) for sink in open_sinks(source, folder, chosen, "cpu")]


def test_what_is_kept_suits_the_source(make_video: MakeVideo, tmp_path: Path) -> None:
    assert kinds(ImageFiles([tmp_path / "a.png"], "in"), tmp_path / "o") == [Images, Document]
    with VideoFile(make_video()) as video:
        assert kinds(video, tmp_path / "o") == [VideoSink, JsonLines]
        assert kinds(video, tmp_path / "o", ("image", "image")) == [Images]
    assert kinds(Live(), tmp_path / "o") == []
    assert kinds(Live(), tmp_path / "o", ("jsonl",)) == [JsonLines]


@pytest.mark.parametrize(
    ("name", "expected"), [("a.mp4", "a"), ("a.avi", "a.avi"), ("a.b.mp4", "a.b")]
)
def test_a_video_gives_its_name(make_video: MakeVideo, name: str, expected: str) -> None:
    codec = "mp4v" if name.endswith("mp4") else "MJPG"
    with VideoFile(make_video(name, codec=codec)) as video:
        assert stem(video) == expected


def test_a_recording_has_a_name_of_its_own() -> None:
    assert re.fullmatch(r"cam\.local-554-a-b-\d{8}-\d{6}", stem(Live()))


def test_images_give_the_name_of_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    one = tmp_path / "street" / "x.jpg"
    one.write_bytes(b"")
    assert stem(ImageFiles([one], str(one))) == "x"
    assert stem(ImageFiles([one, one], str(tmp_path / "street"))) == "street"
    assert stem(ImageFiles([one], f"{tmp_path}/**/*.jpg")) == "images"


def test_no_two_pictures_share_a_file(tmp_path: Path) -> None:
    paths = [Path(p) for p in ("a/x.jpg", "b/x.jpg", "c/X.jpg", "x.png", "x.png.jpg", "y.jpeg")]
    sink = open_sinks(ImageFiles(paths, "in"), tmp_path, ("image",), "cpu")[0]
    assert isinstance(sink, Images)
    names = [sink._paths[str(path)].name for path in paths]
    assert names == ["x.jpg", "x-2.jpg", "X-3.jpg", "x.png.jpg", "x.png-2.jpg", "y.jpeg.jpg"]


def test_no_output_lies_over_its_own_source(make_video: MakeVideo, tmp_path: Path) -> None:
    with VideoFile(make_video("a.mp4")) as video:
        for wanted in ("video", "jsonl", "image"):
            if wanted == "video":
                with pytest.raises(DataError, match=r"a\.mp4 is itself read"):
                    open_sinks(video, tmp_path, (wanted,), "cpu")
            else:
                open_sinks(video, tmp_path, (wanted,), "cpu")  # type: ignore[arg-type]


def test_nor_over_it_by_another_name(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video("a.mp4")
    (tmp_path / "out").mkdir()
    os.link(path, tmp_path / "out" / "a.mp4")
    with VideoFile(path) as video, pytest.raises(DataError, match="another folder with --out"):
        open_sinks(video, tmp_path / "out", ("video",), "cpu")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.jpg").write_bytes(b"")
    (tmp_path / "in2").symlink_to("in")
    source = ImageFiles([tmp_path / "in" / "b.jpg"], "in")
    with pytest.raises(DataError, match="another folder with --out"):
        open_sinks(source, tmp_path / "in2", ("image",), "cpu")
