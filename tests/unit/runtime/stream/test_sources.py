"""What a text names: an image, a folder, a pattern, a video."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.errors import DataError
from hexdet.runtime.stream.image_files import ImageFiles
from hexdet.runtime.stream.sources import open_source
from hexdet.runtime.stream.video_files import VideoFile

MakeVideo = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three images, one of them below."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number, name in enumerate(("b.png", "a.jpg", "deep/c.png")):
        image = np.full((30 + number, 40, 3), 50 * number, np.uint8)
        cv2.imwrite(str(tmp_path / "in" / name), image)
    return tmp_path / "in"


def names(text: Path | str) -> list[str]:
    with open_source(str(text)) as source:
        assert isinstance(source, ImageFiles)
        assert not source.live
        return [Path(frame.name).name for frame in source]


def test_images_come_by_name(folder: Path) -> None:
    assert names(folder / "a.jpg") == ["a.jpg"]
    assert names(folder) == ["a.jpg", "b.png"]
    assert names(f"{folder}/*.png") == ["b.png"]
    assert names(f"{folder}/**/*") == ["a.jpg", "b.png", "c.png"]
    assert names(f"{folder}/[ab].*") == ["a.jpg", "b.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder: Path) -> None:
    shutil.copy(folder / "a.jpg", folder / "[ab].jpg")
    assert names(folder / "[ab].jpg") == ["[ab].jpg"]


def test_a_file_named_like_a_camera_needs_a_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(folder / "a.jpg", folder / "97")
    monkeypatch.chdir(folder)
    assert names("./97") == ["97"]


def test_content_decides_where_the_suffix_does_not(folder: Path, make_video: MakeVideo) -> None:
    shutil.copy(folder / "a.jpg", folder / "picture")
    assert names(folder / "picture") == ["picture"]
    shutil.copy(make_video(), folder / "film.dat")
    with open_source(str(folder / "film.dat")) as source:
        assert isinstance(source, VideoFile)
        assert len(list(source)) == 20


def test_a_pattern_may_name_the_one_video(make_video: MakeVideo) -> None:
    pattern = str(make_video("one.mp4").with_name("*.mp4"))
    with open_source(pattern) as source:
        assert source.name == "one.mp4"
    make_video("two.mp4")
    with pytest.raises(DataError, match="2 videos match"):
        open_source(pattern)


def test_a_damaged_image_among_others_is_remarked(folder: Path) -> None:
    (folder / "aa.jpg").write_bytes(b"")
    remarks: list[str] = []
    with open_source(str(folder), remark=remarks.append) as source:
        assert isinstance(source, ImageFiles)
        assert [frame.index for frame in source] == [0, 2]
        assert source.skipped == 1
    assert len(remarks) == 1
    assert "aa.jpg is empty (0 bytes); skipped" in remarks[0]


def test_damaged_images_alone_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with open_source(str(tmp_path)) as source, pytest.raises(DataError, match=r"a\.jpg is empty"):
        list(source)
    (tmp_path / "b.jpg").write_bytes(b"")
    with (
        open_source(str(tmp_path), remark=lambda text: None) as source,
        pytest.raises(DataError, match="none of the 2 images"),
    ):
        list(source)


@pytest.mark.parametrize(
    ("text", "words"),
    [("none.jpg", "no such image, video or folder"), ("", "holds no image"),
     ("*.jpg", "no image or video matches"), ("/dev/null", "neither a file nor a folder")],
)  # fmt: skip
def test_what_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=words):
        open_source(text)
