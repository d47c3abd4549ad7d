"""A stream that goes away is taken up again, and in the end given up with its reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from hexdet.errors import DeviceError, UsageError
from hexdet.runtime.stream.captures import open_capture
from hexdet.runtime.stream.live import LiveSource, public_name, split_address
from hexdet.runtime.stream.sources import open_source

PATIENCE_S = 60.0


class Camera(BaseHTTPRequestHandler):
    """Sends grey JPEGs, one after another, until its server is `dead`."""

    server: CameraServer

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer with a stream of pictures."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        picture = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
        try:
            while not self.server.dead.wait(0.01):
                self.wfile.write(head.encode() + picture + b"\r\n")
        except OSError:
            pass


class CameraServer(ThreadingHTTPServer):
    """An MJPEG camera on a port of this machine."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.dead = threading.Event()
        super().__init__(("127.0.0.1", port), Camera)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the stream's address."""
        return f"http://127.0.0.1:{self.server_port}/stream"

    def end(self) -> None:
        """Break all connections and take no more; twice does no harm."""
        if not self.dead.is_set():
            self.dead.set()
            self.shutdown()
            self.server_close()
            self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., CameraServer]]:
    servers: list[CameraServer] = []

    def start(port: int = 0) -> CameraServer:
        servers.append(CameraServer(port))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


def open_live(url: str, remarks: list[str], **more: float) -> LiveSource:
    capture = open_capture(url)
    assert capture is not None
    return LiveSource(url, capture, remark=remarks.append, **more)  # type: ignore[arg-type]


def test_a_stream_gives_frames_until_it_is_stopped(serve: Callable[..., CameraServer]) -> None:
    with open_source(serve().url) as source:
        assert source.live
        assert source.count is None
        last = -1.0
        for index, frame in enumerate(source):
            assert frame.index == index
            assert frame.seconds > last
            assert frame.image.shape == (48, 64, 3)
            last = frame.seconds
            if index == 20:
                source.stop()
        assert index == 20


def test_a_stream_that_comes_back_goes_on(serve: Callable[..., CameraServer]) -> None:
    server, remarks = serve(), []  # type: ignore[var-annotated]
    until = time.monotonic() + PATIENCE_S
    with open_live(server.url, remarks, first_wait_s=0.05, tries=12) as source:
        indices = []
        for frame in source:
            indices.append(frame.index)
            if frame.index == 10:
                server.end()
                server = serve(server.server_port)
            if remarks and remarks[-1].endswith("is back") and server.dead.is_set() is False:
                source.stop()
            assert time.monotonic() < until
    assert indices == list(range(len(indices)))
    assert remarks[0] == f"{server.url} went away; try 1 of 12 in 0.05 s"
    assert remarks[-1] == f"{server.url} is back"


def test_a_stream_that_stays_away_is_given_up(serve: Callable[..., CameraServer]) -> None:
    server, remarks = serve(), []  # type: ignore[var-annotated]
    with open_live(server.url, remarks, first_wait_s=0.01, tries=4) as source:
        frames = iter(source)
        next(frames)
        server.end()
        with pytest.raises(DeviceError, match=r"4 tries over 0\.15 s: .* refused"):
            list(frames)
    assert [remark.rpartition(" in ")[2] for remark in remarks] == [
        "0.01 s", "0.02 s", "0.04 s", "0.08 s",
    ]  # fmt: skip


def test_stopping_does_not_wait_for_the_next_try(serve: Callable[..., CameraServer]) -> None:
    server = serve()
    source: LiveSource

    def remark(text: str) -> None:
        source.stop()

    capture = open_capture(server.url)
    assert capture is not None
    source = LiveSource(server.url, capture, remark=remark, first_wait_s=10 * PATIENCE_S)
    begun = time.monotonic()
    with source:
        frames = iter(source)
        next(frames)
        server.end()
        list(frames)
    assert time.monotonic() - begun < PATIENCE_S


def test_a_refused_address_says_so_without_its_secrets() -> None:
    with CameraServer() as server:
        server.end()
    address = f"rtsp://user:secret@127.0.0.1:{server.server_port}/live?token=secret"
    with pytest.raises(DeviceError, match="refused") as caught:
        open_source(address)
    assert "secret" not in str(caught.value)


def test_a_server_without_a_video_is_named() -> None:
    class Page(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None: ...

        def do_GET(self) -> None:
            self.send_error(404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with pytest.raises(DeviceError, match="not with a video"):
            open_source(f"http://127.0.0.1:{server.server_port}/none")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("text", ["97", "/dev/video97"])
def test_a_camera_that_is_not_there_is_named(text: str) -> None:
    with pytest.raises(DeviceError, match="there is no /dev/video97"):
        open_source(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ftp://host/a.mp4", "ftp:// is no stream"),
        ("file:///etc/passwd", "file:// is no stream"),
        ("concat://a|b", "concat:// is no stream"),
        ("rtsp://", "names no host"),
        ("rtsp://host:port/", "cannot be right"),
        ("http://[::1", "cannot be right"),
    ],
)
def test_other_addresses_are_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        split_address(text)
    with pytest.raises(UsageError, match=words):
        open_source(text)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("rtsp://host/a", "rtsp://host/a"),
        ("rtsp://me:pass@host:554/a/b?key=1", "rtsp://host:554/a/b"),
        ("http://me:p@ss@host", "http://host"),
        ("udp://@:1234", "udp://:1234"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_names_are_public(text: str, public: str) -> None:
    assert public_name(text) == public
