"""Cameras and network streams: read as they come, taken up again when they go away."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DeviceError, UsageError
from .captures import OPEN_S, announced_fps, open_capture
from .frames import Frame, Remark, Source, log_remark

SCHEMES = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "udp": None}
"""What an address may begin with, and the port where it names none."""
TRIES = 6
FIRST_WAIT_S = 0.5
"""Before the first new try; doubled for each that follows."""
STEADY_S = 3.0
"""A connection that held so long was a good one: the tries are counted anew after it."""
STEP_S = 0.05


class LiveSource(Source):
    """A camera by number or device file, or a stream by address; it never ends by itself.

    Where it goes away it is opened again, after waits that double. Frames carry the seconds since
    the first of them was asked for.
    """

    live = True

    def __init__(
        self,
        location: int | str,
        capture: cv2.VideoCapture,
        *,
        remark: Remark = log_remark,
        tries: int = TRIES,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        """Take over a capture that is open, and the location to open it at again."""
        self.name = _name(location)
        self.fps = announced_fps(capture)
        self._location = location
        self._capture: cv2.VideoCapture | None = capture
        self._remark = remark
        self._tries = tries
        self._first_wait_s = first_wait_s

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; DeviceError where it went away and did not come back."""
        begun = time.monotonic()
        index = failed = 0
        while not self._stopped:
            opened = time.monotonic()
            away = failed > 0
            for image in self._images():
                now = time.monotonic()
                if away:
                    self._remark(f"{self.name} is back")
                    away = False
                if now - opened > STEADY_S:
                    failed = 0
                yield Frame(index=index, seconds=now - begun, image=image)
                index += 1
            failed = self._open_again(failed)

    def _images(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the images of one connection until it breaks."""
        while self._capture is not None and not self._stopped:
            good, image = self._capture.read()
            if not good:
                break
            yield np.asarray(image, np.uint8)
        self.close()

    def _open_again(self, failed: int) -> int:
        """Wait and open it until it opens; returns how many of the tries are used up."""
        while self._capture is None and not self._stopped:
            if failed == self._tries:
                waited_s = self._first_wait_s * (2**self._tries - 1)
                raise DeviceError(
                    f"{self.name} went away and did not come back to stay in {self._tries} tries "
                    f"over {waited_s:g} s: {_reason(self._location)}"
                )
            wait_s = self._first_wait_s * 2**failed
            failed += 1
            self._remark(f"{self.name} went away; try {failed} of {self._tries} in {wait_s:g} s")
            if self._pause(wait_s):
                self._capture = open_capture(self._location)
        return failed

    def _pause(self, seconds: float) -> bool:
        """Wait, and return whether nobody stopped it meanwhile."""
        until = time.monotonic() + seconds
        while not self._stopped and time.monotonic() < until:
            time.sleep(min(STEP_S, seconds))
        return not self._stopped

    def close(self) -> None:
        """Let go of the camera or the connection."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def open_live(location: int | str, *, remark: Remark = log_remark) -> LiveSource:
    """Open a camera by number or device file, or a stream by address; DeviceError if it fails."""
    capture = open_capture(location)
    if capture is None:
        raise refusal(location)
    return LiveSource(location, capture, remark=remark)


def refusal(location: int | str) -> DeviceError:
    """Return the error that says why a camera or a stream may not have opened."""
    return DeviceError(f"cannot open {_name(location)}: {_reason(location)}")


def split_address(text: str) -> SplitResult:
    """Return the parts of a stream's address; UsageError for what is none of a known kind."""
    scheme = text.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise UsageError(f"{scheme}:// is no stream that can be read: {', '.join(SCHEMES)} are")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"the address of the stream cannot be right: {error}") from error
    if not host and scheme != "udp":
        raise UsageError(f"{public_name(text)} names no host: write {scheme}://HOST/PATH")
    return parts


def public_name(location: str) -> str:
    """Return an address without what may be secret in it: user, password and query."""
    if "://" not in location:
        return location
    start, _, rest = location.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{start}://{host.rpartition('@')[2]}{slash}{path}"


def _name(location: int | str) -> str:
    return f"camera {location}" if isinstance(location, int) else public_name(location)


def _reason(location: int | str) -> str:
    """Return why a camera or a stream may not have opened."""
    if isinstance(location, int) or "://" not in location:
        device = Path(f"/dev/video{location}" if isinstance(location, int) else location)
        if Path("/dev").is_dir() and not device.exists():
            return f"there is no {device}"
        return "it is in use, not permitted, or no camera"
    parts = split_address(location)
    port = parts.port or SCHEMES[parts.scheme]
    if port is None or parts.hostname is None or parts.scheme == "udp":
        return f"nothing was received in {OPEN_S:g} s"
    try:
        socket.create_connection((parts.hostname, port), timeout=OPEN_S).close()
    except OSError as error:
        return f"{parts.hostname} port {port}: {error.strerror or error}"
    return "the server answers, but not with a video: check the path, user and password"
