"""The live page: what a stream shows, in a browser, while it runs."""

from __future__ import annotations

import errno
import socket
import threading

from ...errors import NotRunError
from ..backend import Closing
from .address import is_loopback, parse_address, url_host
from .broadcast import Broadcast
from .frames import Controls, FrameResult
from .page_requests import PageServer

__all__ = ["LivePage", "is_loopback", "parse_address"]

POLL_S = 0.1


class LivePage(Closing):
    """Serves the newest frame with its boxes, the rate and stage times, and a threshold slider.

    The page is open from here to `close`. Nobody is asked for a password: whoever reaches the
    address sees the stream and moves the threshold, so a loopback address is the one to prefer
    (`is_loopback`).
    """

    def __init__(self, host: str, port: int, controls: Controls) -> None:
        """Open the page; port 0 takes any free one, see `url`.

        controls: what the slider changes. Raises NotRunError where the address cannot be had.
        """
        self._broadcast = Broadcast()
        try:
            self._server = PageServer(host, port, self._broadcast, controls)
        except (OSError, UnicodeError) as error:
            raise NotRunError(_refusal(host, port, error)) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="hexdet-page", daemon=True
        )
        self._thread.start()
        self._closed = False

    @property
    def url(self) -> str:
        """Return the address to open; for a page on all interfaces, by this machine's name."""
        host, port = self._server.server_address[:2]
        name = socket.gethostname() if host in ("0.0.0.0", "::") else url_host(str(host))
        return f"http://{name}:{port}/"

    def show(self, result: FrameResult) -> None:
        """Make a result the one that is shown; returns at once, whatever the viewers do.

        Its image must not be written to afterwards: it is drawn later, if anyone looks.
        """
        self._broadcast.show(result)

    def close(self) -> None:
        """Tell the viewers that the stream has ended and stop serving; twice does no harm."""
        if self._closed:
            return
        self._closed = True
        self._broadcast.end()
        self._server.close()
        self._thread.join()


def _refusal(host: str, port: int, error: OSError | UnicodeError) -> str:
    """Return what a failed bind means and what to do about it."""
    where = f"{url_host(host)}:{port}"
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"cannot serve at {where}: no host is known as {host!r}"
    if error.errno == errno.EADDRINUSE:
        return f"cannot serve at {where}: the port is in use; give another, or 0 for a free one"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"cannot serve at {where}: not permitted; give a port from 1024 up"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot serve at {where}: this machine has no such address; give 127.0.0.1"
    return f"cannot serve at {where}: {error.strerror}"
