"""OpenCV's video capture: how it is opened, and what of its answers can be believed."""

from __future__ import annotations

import math

import cv2

OPEN_S = 10.0
"""How long a stream may take to begin: a group of pictures and its analysis fit in."""
READ_S = 5.0
"""A stream that sends nothing for so long has gone away."""
HIGHEST_FPS = 1000.0
HIGHEST_COUNT = 10**9


def open_capture(location: int | str) -> cv2.VideoCapture | None:
    """Open a camera by its number, or a file or stream by its name; None where that fails."""
    if isinstance(location, int):
        capture = cv2.VideoCapture(location, cv2.CAP_ANY)
    elif location.startswith("/dev/"):
        capture = cv2.VideoCapture(location, cv2.CAP_V4L2)
    else:
        # No other backend: one of them reads numbered images where it was given the first.
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(OPEN_S * 1000)]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(READ_S * 1000)]
        capture = cv2.VideoCapture(location, cv2.CAP_FFMPEG, limits)
    if capture.isOpened():
        return capture
    capture.release()
    return None


def announced_fps(capture: cv2.VideoCapture) -> float | None:
    """Return the frame rate that a capture announces; None for none, or one that cannot be."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if math.isfinite(fps) and 0 < fps <= HIGHEST_FPS else None


def announced_count(capture: cv2.VideoCapture) -> int | None:
    """Return how many frames a capture announces, exact or estimated; None for none."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return round(count) if math.isfinite(count) and 0 < count <= HIGHEST_COUNT else None
