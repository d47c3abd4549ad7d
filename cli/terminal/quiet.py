"""Keeping other people's libraries off the terminal."""

from __future__ import annotations

import os


def quiet_video_libraries() -> None:
    """Keep off the terminal what OpenCV and FFmpeg print; to be called before OpenCV is loaded."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
