"""What the user names as a source, and what it is: files, a video, a camera, a stream."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from ...errors import DataError
from ..image_headers import image_size
from ..images import IMAGE_SUFFIXES, list_images
from .captures import announced_count, open_capture
from .frames import Remark, Source, log_remark
from .image_files import ImageFiles
from .live import LiveSource, open_live, public_name, refusal, split_address
from .video_files import Video, VideoFile

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp", ".264", ".265", ".avi", ".flv", ".h264", ".h265", ".hevc", ".ivf", ".m2ts", ".m4v",
        ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm",
        ".wmv", ".y4m",
    }
)  # fmt: skip
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
HEAD_BYTES = 1 << 20
"""Enough to find an image's size behind its metadata."""


def open_source(text: str, *, remark: Remark = log_remark) -> Source:
    """Open what a text names.

    | text | source |
    |---|---|
    | digits, or /dev/video... | the camera of that number, or behind that file |
    | rtsp://, rtsps://, http://, https://, udp:// | a stream; over http also a video with an end |
    | a file | an image or a video, by its suffix, without a known one by its content |
    | a folder | the images directly in it |
    | with *, ? or [ | the images that match, or the one video; ** goes through all folders |

    remark: hears what is passed over on the way. Raises DataError for a file that is missing or
    unreadable, DeviceError for a camera or stream that does not open, UsageError for an address
    of another kind.
    """
    if re.fullmatch(r"[0-9]{1,9}", text):
        return open_live(int(text), remark=remark)
    if SCHEME.match(text):
        return _stream(text, remark)
    if text.startswith("/dev/video"):
        return open_live(text, remark=remark)
    path = Path(text)
    if path.is_dir():
        return ImageFiles(list_images(path), text, remark=remark)
    if path.is_file():
        return _file(path, remark)
    if path.exists():
        raise DataError(f"{text} is neither a file nor a folder")
    if any(sign in text for sign in "*?["):
        return _matches(text, remark)
    raise DataError(f"no such image, video or folder: {text}")


def _stream(text: str, remark: Remark) -> Source:
    parts = split_address(text)
    capture = open_capture(text)
    if capture is None:
        raise refusal(text)
    if parts.scheme in ("http", "https") and announced_count(capture) is not None:
        return Video(capture, public_name(text), remark=remark)
    return LiveSource(text, capture, remark=remark)


def _file(path: Path, remark: Remark) -> Source:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or (suffix not in VIDEO_SUFFIXES and _begins_as_image(path)):
        return ImageFiles([path], str(path), remark=remark)
    return VideoFile(path, remark=remark)


def _begins_as_image(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return image_size(stream.read(HEAD_BYTES)) is not None
    except OSError:
        return False  # opening it says why


def _matches(pattern: str, remark: Remark) -> Source:
    # A Path has no word for an absolute pattern.
    found = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207
    files = sorted(p for p in found if p.is_file())
    images = [p for p in files if p.suffix.lower() in IMAGE_SUFFIXES]
    videos = [p for p in files if p.suffix.lower() in VIDEO_SUFFIXES]
    if images:
        return ImageFiles(images, pattern, remark=remark)
    if len(videos) == 1:
        return VideoFile(videos[0], remark=remark)
    if videos:
        raise DataError(f"{len(videos)} videos match {pattern}: detect in one at a time")
    raise DataError(f"no image or video matches {pattern}")
