"""`hexdet detect` on videos and streams, as its user meets it: files, lines, signals, bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hexdet.datasets.scenes import Scenes
from hexdet.runtime.files import sha256_of

Run = Callable[..., subprocess.CompletedProcess[str]]

PATIENCE_S = 300.0
COUNT = 40
BOX_BGR = (244, 133, 66)


def write_video(path: Path, count: int, size: tuple[int, int], codec: str = "mp4v") -> Path:
    """Write a video of a camera that swings over a crowded scene."""
    width, height = size
    scene = cv2.resize(Scenes(split="test", count=200, seed=0)[5].image, (width + 60, height + 40))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 20.0, size)
    assert writer.isOpened()
    for t in np.arange(count) / 20:
        x, y = round(30 + 30 * np.sin(t)), round(20 + 20 * np.cos(0.7 * t))
        writer.write(np.ascontiguousarray(scene[y : y + height, x : x + width]))
    writer.release()
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "crowd.mp4", COUNT, (400, 300))


def play(path: Path) -> list[npt.NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert capture.isOpened(), path
    frames = []
    while True:
        good, image = capture.read()
        if not good:
            break
        frames.append(np.asarray(image, np.uint8))
    capture.release()
    return frames


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start `hexdet ...`, its output captured."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("hexdet")), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )


def wait_for_lines(path: Path, count: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < until, list(path.parent.iterdir())
        time.sleep(0.02)


def test_a_video_gives_an_annotated_video_and_a_line_a_frame(
    hexdet_cli: Run, heads: Path, video: Path, tmp_path: Path
) -> None:
    result = hexdet_cli("detect", heads, video, "--out", tmp_path, "--track")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["crowd.jsonl", "crowd.mp4"]
    rows = [json.loads(line) for line in (tmp_path / "crowd.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(COUNT))
    assert [row["seconds"] for row in rows] == pytest.approx([n / 20 for n in range(COUNT)])
    assert {(row["width"], row["height"]) for row in rows} == {(400, 300)}
    found = [d for row in rows for d in row["detections"]]
    assert len(found) > 3 * COUNT
    assert min(d["id"] for d in found) == 1
    assert set(rows[0]["times"]) == {"capture_ms", "pre_ms", "net_ms", "post_ms"}
    frames = play(tmp_path / "crowd.mp4")
    assert len(frames) == COUNT
    assert frames[0].shape == (300, 400, 3)
    assert f"{len(found)} detections in {COUNT} frame(s)" in result.stdout
    assert "fps" in result.stdout
    assert result.stderr == "crowd.mp4 on int8 on onnxruntime CPU\n"


def test_the_boxes_are_in_the_picture(
    hexdet_cli: Run, heads: Path, video: Path, tmp_path: Path
) -> None:
    hexdet_cli("detect", heads, video, "--out", tmp_path, "--save", "image", "--max-frames", "3")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [f"crowd-{n:06d}.jpg" for n in range(3)]
    drawn = play(video)[0].astype(int), cv2.imread(str(tmp_path / names[0]))
    assert drawn[1] is not None
    blue = [(np.abs(picture - BOX_BGR).max(axis=2) < 40).sum() for picture in drawn]
    assert blue[1] > blue[0] + 100


def test_what_is_printed_is_a_line_of_json_a_frame(
    hexdet_cli: Run, heads: Path, video: Path, tmp_path: Path
) -> None:
    result = hexdet_cli(
        "detect", heads, video, "--out", tmp_path, "--json", "--save", "jsonl",
        "--max-frames", "5", "--score", "0.9",
    )  # fmt: skip
    assert result.stdout == (tmp_path / "crowd.jsonl").read_text()
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 5
    assert all(d["score"] >= 0.9 for row in rows for d in row["detections"])


def test_odd_sizes_and_other_containers(hexdet_cli: Run, heads: Path, tmp_path: Path) -> None:
    """OpenCV's encoders cut an odd frame to even sides: the annotated one is padded."""
    folder = tmp_path / "in"
    folder.mkdir()
    image = cv2.resize(Scenes(split="test", count=200, seed=0)[1].image, (301, 201))
    cv2.imwrite(str(folder / "a.png"), image)
    out = tmp_path / "out"
    hexdet_cli("detect", heads, folder, "--out", out, "--save", "video", "--save", "image")
    assert sorted(p.name for p in out.iterdir()) == ["a.png.jpg", "detections.json", "in.mp4"]
    frame = play(out / "in.mp4")[0]
    assert frame.shape == (202, 302, 3)
    drawn = cv2.imread(str(out / "a.png.jpg"))
    assert drawn is not None
    assert np.abs(frame[:201, :301].astype(int) - drawn).mean() < 8


def test_a_cut_off_video_keeps_what_it_has(hexdet_cli: Run, heads: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.avi", 60, (120, 90), "MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = hexdet_cli("detect", heads, path, "--out", tmp_path / "out")
    rows = (tmp_path / "out" / "cut.avi.jsonl").read_text().splitlines()
    assert 10 < len(rows) < 50
    assert len(play(tmp_path / "out" / "cut.avi.mp4")) == len(rows)
    assert f"cut.avi gave {len(rows)} of the 60 frames that it announces" in result.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=("ctrl-c", "term")
)
def test_an_interrupted_run_keeps_what_it_did(
    heads: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    path = write_video(tmp_path / "long.mp4", 3000, (160, 120))
    out = tmp_path / "out"
    process = start("detect", heads, path, "--out", out)
    wait_for_lines(out / "long.jsonl.part", 10)
    process.send_signal(number)
    printed, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, said
    assert printed == ""
    assert "interrupted, kept is" in said
    assert "Traceback" not in said
    assert sorted(p.name for p in out.iterdir()) == ["long.jsonl", "long.mp4"]
    rows = (out / "long.jsonl").read_text().splitlines()
    assert 10 <= len(rows) < 3000
    assert len(play(out / "long.mp4")) == len(rows)


def test_a_killed_run_leaves_its_lines_and_no_broken_video(heads: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", 3000, (160, 120))
    out = tmp_path / "out"
    process = start("detect", heads, path, "--out", out)
    wait_for_lines(out / "long.jsonl.part", 10)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert not (out / "long.mp4").exists()
    assert not (out / "long.jsonl").exists()
    lines = (out / "long.jsonl.part").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines[:-1]] == list(range(len(lines) - 1))


def test_who_reads_along_may_leave(heads: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", 3000, (160, 120))
    out = tmp_path / "out"
    process = start("detect", heads, path, "--out", out, "--json", "--save", "video")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["index"] == 0
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert 0 < len(play(out / "long.mp4")) < 3000


def test_a_video_is_never_written_over_itself(
    hexdet_cli: Run, heads: Path, video: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(video, tmp_path))
    before = sha256_of(path)
    result = hexdet_cli("detect", heads, path, "--out", tmp_path, code=1)
    assert "crowd.mp4 is itself read: give another folder with --out" in result.stderr
    assert sha256_of(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_a_playable_video(heads: Path, tmp_path: Path, hexdet_cli: Run) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(mounted)], capture_output=True
    )
    if mount.returncode != 0:
        pytest.skip("cannot mount a tmpfs here: needs root")
    try:
        path = write_video(tmp_path / "large.mp4", 200, (640, 480))
        result = hexdet_cli("detect", heads, path, "--out", mounted, code=1)
        assert "cannot write" in result.stderr
        assert "No space left on device" in result.stderr
        assert "ended early, kept is" in result.stderr
        frames = len(play(mounted / "large.mp4"))
        assert 0 < frames < 200
        assert len((mounted / "large.jsonl").read_text().splitlines()) >= frames
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


BAD = [
    ("text.mp4", b"no video at all\n" * 50, "is a text"),
    ("empty.mp4", b"", "is empty (0 bytes)"),
    ("half.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2\0\0\x10\0mdat" + bytes(4088), "cut off"),
    ("97", None, "there is no /dev/video97"),
    ("rtsp://me:secret@127.0.0.1:9/x", None, "rtsp://127.0.0.1:9/x: 127.0.0.1 port 9: "),
]


@pytest.mark.parametrize(("name", "content", "words"), BAD, ids=lambda v: str(v)[:20])
def test_bad_sources_are_one_line_and_exit_code_1(
    hexdet_cli: Run, heads: Path, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = hexdet_cli("detect", heads, name, "--out", "out", cwd=tmp_path, code=1)
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert "secret" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_pipeline_is_measured_against_its_slowest_stage(
    hexdet_cli: Run, heads: Path, video: Path
) -> None:
    result = hexdet_cli("bench", "video", heads, video, "--frames", "10", "--rounds", "1", "--json")
    pace = json.loads(result.stdout)
    assert (pace["frames"], pace["threads"], pace["image"]) == (10, 1, [400, 300])
    assert pace["ratio"] > 0
    assert "network" in pace["stages_fps"]
