"""What the live page's browser asks for: the page, the picture, the numbers, a new threshold."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from .address import is_loopback
from .broadcast import Broadcast
from .connections import BoundedServer
from .frames import Controls

LOG = logging.getLogger(__name__)

LONGEST_BODY_BYTES = 1024
EVENTS_PAUSE_S = 0.1
"""Numbers that change faster than this cannot be read."""
HEARTBEAT_S = 1.0
"""The numbers are sent at least this often: silence means that the line is dead."""
BOUNDARY = b"--picture\r\n"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(BoundedServer):
    """The server with what its page shows and steers."""

    def __init__(self, host: str, port: int, broadcast: Broadcast, controls: Controls) -> None:
        self.broadcast = broadcast
        self.controls = controls
        self.page = files(__package__).joinpath("page.html").read_bytes()
        super().__init__(host, port, PageRequest)
        self.loopback_only = is_loopback(str(self.server_address[0]))


class PageRequest(BaseHTTPRequestHandler):
    """One request; only the routes of the two tables exist, and none of them is a file."""

    server: PageServer
    server_version = "hexdet"
    sys_version = ""
    timeout = 5.0  # for each read, and for each picture or message to be taken

    def do_GET(self) -> None:
        """Answer the page or one of its two streams."""
        self._route({"/": self._page, "/picture": self._picture, "/events": self._events})

    def do_POST(self) -> None:
        """Take a new threshold."""
        self._route({"/threshold": self._threshold})

    def _route(self, routes: Mapping[str, Callable[[], None]]) -> None:
        if not self._host_is_own():
            # A page elsewhere may have its own name point here (DNS rebinding): not for it.
            self._refuse(HTTPStatus.FORBIDDEN, "open the page by the address that hexdet printed")
            return
        answer = routes.get(self.path.partition("?")[0])
        if answer is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        answer()

    def _host_is_own(self) -> bool:
        names = self.headers.get_all("Host", [])
        if len(names) != 1:
            return False
        try:
            name = urlsplit("//" + names[0]).hostname
        except ValueError:
            return False
        return bool(name) and (not self.server.loopback_only or is_loopback(str(name)))

    def _page(self) -> None:
        self.server.received(self.connection)
        self._respond(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")

    def _picture(self) -> None:
        """Send JPEGs one after another, the newest each time, for as long as they are taken."""
        self._begin_stream("multipart/x-mixed-replace; boundary=picture")
        self.wfile.write(BOUNDARY)
        broadcast, number = self.server.broadcast, 0
        while (newest := broadcast.wait(number, HEARTBEAT_S)) > number or not broadcast.ended:
            if newest == number:
                continue
            number, jpeg = broadcast.picture()
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            # A browser shows a picture once it has seen the boundary behind it: send both now.
            self.wfile.write(head.encode() + jpeg + b"\r\n" + BOUNDARY)

    def _events(self) -> None:
        """Send the numbers as server-sent events, and at last that the stream has ended."""
        self._begin_stream("text/event-stream")
        self.wfile.write(b"retry: 1000\n\n")
        broadcast, number = self.server.broadcast, 0
        while not broadcast.ended:
            self.wfile.write(self._event("status"))
            broadcast.pause(EVENTS_PAUSE_S)
            number = broadcast.wait(number, HEARTBEAT_S)
        self.wfile.write(self._event("status") + self._event("end"))

    def _event(self, kind: str) -> bytes:
        status: dict[str, Any] = dataclasses.asdict(self.server.broadcast.status())
        status["score"] = self.server.controls.thresholds.score
        return f"event: {kind}\ndata: {json.dumps(status)}\n\n".encode()

    def _threshold(self) -> None:
        """Put {"score": 0.4} in force; the next frame is cut at it."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "say the length of the body")
        elif len(length) > 9 or int(length) > LONGEST_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{LONGEST_BODY_BYTES} bytes at most")
        elif self.headers.get_content_type() != "application/json":
            # No form of another site can send this type.
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        elif not self._origin_is_own():
            self._refuse(HTTPStatus.FORBIDDEN, "only the live page itself may do this")
        else:
            body = self.rfile.read(int(length))
            self.server.received(self.connection)
            score = _score_of(body)
            if score is None:
                self._refuse(HTTPStatus.BAD_REQUEST, 'send {"score": a number from 0 to 1}')
                return
            controls = self.server.controls
            controls.thresholds = dataclasses.replace(
                controls.thresholds, score=score, per_class={}
            )
            self._respond(HTTPStatus.OK, json.dumps({"score": score}).encode(), "application/json")

    def _origin_is_own(self) -> bool:
        """Tell whether no other site sends this; what is no browser sends no origin at all."""
        origins = self.headers.get_all("Origin", [])
        try:
            own = all(urlsplit(o).netloc.lower() == self.headers["Host"].lower() for o in origins)
        except ValueError:
            return False
        return own and self.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"

    def _begin_stream(self, kind: str) -> None:
        self.server.received(self.connection)
        self._head(HTTPStatus.OK, kind)
        self.end_headers()

    def _respond(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self._head(status, kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._respond(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _head(self, status: HTTPStatus, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in HEADERS.items():
            self.send_header(name, value)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep requests off the terminal, which belongs to the verb."""
        LOG.debug(format, *arguments)


def _score_of(body: bytes) -> float | None:
    """Return the score in a request's body; None where it holds none from 0 to 1."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    score = content.get("score") if isinstance(content, dict) else None
    if not isinstance(score, int | float) or isinstance(score, bool) or not 0 <= score <= 1:
        return None
    return float(score)
