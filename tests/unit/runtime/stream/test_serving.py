"""The live page over real sockets: what it shows, what it refuses, and how it ends."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cv2
import numpy as np
import pytest

from hexdet.errors import NotRunError
from hexdet.runtime.contract import Thresholds
from hexdet.runtime.stream import connections
from hexdet.runtime.stream.frames import Controls, FrameResult
from hexdet.runtime.stream.page_requests import PageRequest
from hexdet.runtime.stream.serving import LivePage

MakeResult = Callable[..., FrameResult]
PATIENCE_S = 30.0
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def controls() -> Controls:
    return Controls(Thresholds(score=0.3, nms_iou=0.4, max_detections=50))


@pytest.fixture
def page(controls: Controls) -> Iterator[LivePage]:
    with LivePage("127.0.0.1", 0, controls) as page:
        yield page


def place(page: LivePage) -> tuple[str, int]:
    host, port = page.url.removeprefix("http://").rstrip("/").rsplit(":", 1)
    return host, int(port)


def ask(
    page: LivePage,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> http.client.HTTPResponse:
    """Send one request and return the answer, its body not yet read."""
    line = http.client.HTTPConnection(*place(page), timeout=PATIENCE_S)
    line.request(method, path, body, dict(headers or {}))
    return line.getresponse()


def post(page: LivePage, content: Any, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with ask(page, "POST", "/threshold", json.dumps(content).encode(), JSON | named) as answer:
        return answer.status


def next_event(answer: http.client.HTTPResponse) -> tuple[str, dict[str, Any]]:
    """Read one server-sent event: its kind and its content."""
    kind = ""
    while line := answer.readline():
        name, _, value = line.decode().strip().partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            return kind, json.loads(value)
    raise AssertionError("the events stopped")


def next_picture(answer: http.client.HTTPResponse) -> np.ndarray[Any, Any]:
    """Read one part of the multipart answer as an image."""
    length = 0
    while (line := answer.readline().strip()) or not length:
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    image = cv2.imdecode(np.frombuffer(answer.read(length), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def page_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name in ("hexdet-page", "hexdet-viewer")]


def settled(condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds."""
    until = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_the_page_needs_nothing_from_elsewhere(page: LivePage) -> None:
    with ask(page, "GET", "/") as answer:
        text = answer.read().decode()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert text.startswith("<!doctype html>")
    assert "http://" not in text
    assert "https://" not in text


def test_pictures_and_numbers_follow_the_stream(page: LivePage, make_result: MakeResult) -> None:
    page.show(make_result(0, tone=20))
    with ask(page, "GET", "/picture") as pictures, ask(page, "GET", "/events?x=1") as events:
        assert pictures.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        assert events.headers["Content-Type"] == "text/event-stream"
        assert abs(next_picture(pictures)[40, 4].mean() - 20) < 6
        kind, status = next_event(events)
        assert kind == "status"
        assert status["frame"] == 0
        page.show(make_result(4, tone=220, count=3))
        assert abs(next_picture(pictures)[40, 4].mean() - 220) < 6
        while status["frame"] != 4:
            _, status = next_event(events)
        assert {k: status[k] for k in ("detections", "dropped", "score", "net_ms")} == {
            "detections": 3,
            "dropped": 3,
            "score": 0.3,
            "net_ms": 3.0,
        }
        assert status["fps"] > 0


def test_the_slider_acts_on_the_controls_and_on_nothing_else(
    page: LivePage, controls: Controls
) -> None:
    assert post(page, {"score": 0.75}) == 200
    assert controls.thresholds == Thresholds(score=0.75, nms_iou=0.4, max_detections=50)
    assert post(page, {"score": 0}, Origin=page.url.rstrip("/")) == 200
    assert controls.thresholds.score == 0.0


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"0.5", b"{}", b'{"score": "0.5"}', b'{"score": true}',
        b'{"score": -0.1}', b'{"score": 1.1}', b'{"score": NaN}', b'{"score": Infinity}',
        b'{"score": null}', b"\xff\xfe", b"[" * 1000,
    ],
)  # fmt: skip
def test_a_threshold_that_is_none_is_refused(
    page: LivePage, controls: Controls, body: bytes
) -> None:
    with ask(page, "POST", "/threshold", body, JSON) as answer:
        assert answer.status == 400
    assert controls.thresholds.score == 0.3


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[broken"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Host": "evil.example"}, 403),
        ({"Content-Length": "5000"}, 413),
        ({"Content-Length": "9" * 4000}, 413),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "ten"}, 411),
    ],
)
def test_only_the_page_itself_may_move_the_threshold(
    page: LivePage, controls: Controls, headers: dict[str, str], status: int
) -> None:
    with ask(page, "POST", "/threshold", b'{"score": 0.9}', JSON | headers) as answer:
        assert answer.status == status
    assert controls.thresholds.score == 0.3


@pytest.mark.parametrize("path", ["/", "/picture", "/events"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.168.1.7", "", "[1"]
)
def test_another_sites_name_for_this_address_is_refused(
    page: LivePage, path: str, host: str
) -> None:
    """DNS rebinding: a page elsewhere lets its own name resolve to 127.0.0.1."""
    with ask(page, "GET", path, headers={"Host": host}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "[::1]:80", "127.0.0.1:1"])
def test_a_forwarded_port_is_served(page: LivePage, host: str) -> None:
    with ask(page, "GET", "/", headers={"Host": host}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "path",
    ["/page.html", "/../page.html", "/%2e%2e/errors.py", "/etc/passwd", "/threshold", "*"],
)
def test_there_is_nothing_but_the_page(page: LivePage, path: str) -> None:
    with ask(page, "GET", path) as answer:
        assert answer.status == 404
        assert b"hexdet" not in answer.read()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_other_methods_do_not_exist(page: LivePage, method: str) -> None:
    with ask(page, method, "/threshold") as answer:
        assert answer.status == 501


@pytest.mark.parametrize(
    "request_bytes", [b"\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00"]
)
def test_what_is_no_request_does_no_harm(page: LivePage, request_bytes: bytes) -> None:
    with socket.create_connection(place(page), timeout=PATIENCE_S) as line:
        line.sendall(request_bytes)
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass
    with ask(page, "GET", "/") as answer:
        assert answer.status == 200


def test_a_viewer_that_does_not_read_holds_up_nobody(
    page: LivePage, make_result: MakeResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PageRequest, "timeout", 0.3)
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    result = make_result(0, size=(1280, 720))
    result.frame.image[:] = noise
    with socket.create_connection(place(page), timeout=PATIENCE_S) as lazy:
        lazy.sendall(b"GET /picture HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert settled(lambda: "hexdet-viewer" in page_threads())
        # Each picture fills the buffers further; the viewer is let go, the pipeline never waits.
        assert settled(lambda: page.show(result) or "hexdet-viewer" not in page_threads())
    with ask(page, "GET", "/picture") as pictures:
        assert next_picture(pictures).shape == (720, 1280, 3)


def test_a_request_that_trickles_is_cut_off(
    page: LivePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    with socket.create_connection(place(page), timeout=PATIENCE_S) as slow:
        until = time.monotonic() + PATIENCE_S
        try:
            slow.sendall(b"GET / HTTP/1.0\r\n")
            while time.monotonic() < until:
                slow.sendall(b"X-A: b\r\n")
                time.sleep(0.05)
        except OSError:
            cut = True
        else:
            cut = False
    assert cut
    assert settled(lambda: "hexdet-viewer" not in page_threads())


def served(page: LivePage) -> bool:
    """Ask for the page; to be turned away is an answer, or a reset that overtakes it."""
    try:
        with ask(page, "GET", "/") as answer:
            assert answer.status in (200, 503)
            return answer.status == 200
    except ConnectionError:
        return False


def test_too_many_connections_are_turned_away(
    page: LivePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    first, second = ask(page, "GET", "/events"), ask(page, "GET", "/events")
    with first, second:
        next_event(first)
        next_event(second)
        assert not served(page)
    assert settled(lambda: served(page))


def test_the_end_is_told_and_leaves_nothing_behind(
    controls: Controls, make_result: MakeResult
) -> None:
    page = LivePage("127.0.0.1", 0, controls)
    where = place(page)
    page.show(make_result(7))
    idle = socket.create_connection(where, timeout=PATIENCE_S)
    with ask(page, "GET", "/events") as events, ask(page, "GET", "/picture") as pictures, idle:
        next_picture(pictures)
        next_event(events)
        page.close()
        kind = ""
        while kind != "end":
            kind, status = next_event(events)
        assert status["frame"] == 7
        assert events.read().strip() == b""
        assert idle.recv(1) == b""
    page.close()
    page.show(make_result(8))
    assert page_threads() == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(where, timeout=PATIENCE_S)
    with LivePage(*where, controls) as again:  # the port is free at once
        assert place(again) == where


def test_a_port_in_use_says_what_to_do(page: LivePage, controls: Controls) -> None:
    host, port = place(page)
    with pytest.raises(NotRunError, match=rf"{host}:{port}: the port is in use; give another"):
        LivePage(host, port, controls)


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "no such address"), ("a..b", "no host is known as 'a..b'")],
)
def test_an_address_that_cannot_be_had(controls: Controls, host: str, reason: str) -> None:
    with pytest.raises(NotRunError, match=reason) as caught:
        LivePage(host, 0, controls)
    assert caught.value.exit_code == 1


def test_a_page_for_the_network_is_served_by_any_name(controls: Controls) -> None:
    with LivePage("0.0.0.0", 0, controls) as page:
        assert socket.gethostname() in page.url
        port = int(page.url.rstrip("/").rsplit(":", 1)[1])
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        line.request("GET", "/", headers={"Host": "board.local"})
        assert line.getresponse().status == 200
        line.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python knows no IPv6")
def test_ipv6(controls: Controls) -> None:
    try:
        page = LivePage("::1", 0, controls)
    except NotRunError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    with page:
        assert page.url.startswith("http://[::1]:")
        port = int(page.url.rstrip("/").rsplit(":", 1)[1])
        with socket.create_connection(("::1", port), timeout=PATIENCE_S) as line:
            line.sendall(b"GET / HTTP/1.0\r\nHost: [::1]\r\n\r\n")
            assert line.recv(15) == b"HTTP/1.0 200 OK"
