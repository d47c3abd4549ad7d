"""An HTTP server that no client can hold up: bounded in connections, time and, at last, life."""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

LOG = logging.getLogger(__name__)

MOST_CONNECTIONS = 32
REQUEST_S = 10.0
"""A request that is not complete by then is cut off, however steadily it trickles."""
GRACE_S = 1.0
"""How long viewers may take to hear of the end before they are cut off."""
SEND_BUFFER_BYTES = 1 << 18
"""Little enough that a slow line skips pictures where it would otherwise see old ones."""
BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n"


class BoundedServer(HTTPServer):
    """One thread a connection, up to `MOST_CONNECTIONS`; `close` ends them all and joins them.

    A handler calls `received` once it has read its request and then sets its own pace.
    """

    # Elsewhere than on Windows this only skips the wait after a previous run.
    allow_reuse_address = os.name != "nt"
    request_queue_size = 16

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._lock = threading.Lock()
        self._threads: dict[socket.socket, threading.Thread] = {}
        self._deadlines_s: dict[socket.socket, float] = {}
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        """Bind without looking up this machine's name, which can take many seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, or turn it away where there are too many."""
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="hexdet-viewer", daemon=True
        )
        with self._lock:
            crowded = len(self._threads) >= MOST_CONNECTIONS
            if not crowded:
                thread.start()
                self._threads[request] = thread
                self._deadlines_s[request] = time.monotonic() + REQUEST_S
        if crowded:
            with suppress(OSError):
                request.setblocking(False)
                request.send(BUSY)
            self.shutdown_request(request)

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            with suppress(OSError):
                request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            with self._lock:
                self._threads.pop(request, None)
                self._deadlines_s.pop(request, None)

    def received(self, request: socket.socket) -> None:
        """Lift the deadline of a connection whose request is complete."""
        with self._lock:
            self._deadlines_s.pop(request, None)

    def service_actions(self) -> None:
        """Cut off the connections whose request did not come in time."""
        now = time.monotonic()
        with self._lock:
            late = [request for request, until_s in self._deadlines_s.items() if until_s < now]
        for request in late:
            _cut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a client that went away or was too slow; log anything else."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            LOG.debug("viewer %s: %s", client_address, error)
        else:
            LOG.error("the live page failed a viewer", exc_info=error)

    def close(self) -> None:
        """Stop accepting, wait a little for the connections to end, cut off the rest."""
        self.shutdown()
        super().server_close()
        with self._lock:
            open_now, asking = dict(self._threads), list(self._deadlines_s)
        for request in asking:
            _cut(request)
        until = time.monotonic() + GRACE_S
        for thread in open_now.values():
            thread.join(max(0.0, until - time.monotonic()))
        for request, thread in open_now.items():
            if thread.is_alive():
                _cut(request)
            thread.join()


def _cut(request: socket.socket) -> None:
    """End a connection in both directions, which wakes the thread that waits on it."""
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
