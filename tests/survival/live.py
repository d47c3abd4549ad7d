"""The live page under bad clients: what it costs in memory and threads, and who is still served."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import psutil
from survival.tiny import World, kill, wait_for

FPS = 2.0
CROWD = 100
"""Clients that connect and vanish, every ROUND_S."""
ROUND_S = 2.0
SLOW, DEAF = 20, 10
"""Clients that send a byte a round, and those that ask for pictures and never read."""
WARM_S = 4.0
END_S = 30.0
CLIMBING = (
    "/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd", "/./detector.json", "/page.html", "/picture/../../detector.json",
    "/\\..\\..\\detector.json", "file:///etc/passwd", "/\x00/etc/passwd",
)  # fmt: skip
HARM = (
    b"GET / HTTP/1.1\r\nHost: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    b"POST /threshold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    b"\x00" * 70_000,
)


@dataclass(kw_only=True)
class Watch:
    """What was seen of the process: at first, at most, at last."""

    mib: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self, process: psutil.Process) -> None:
        self.mib.append(process.memory_info().rss / 2**20)
        self.threads.append(process.num_threads())
        self.files.append(process.num_fds())


@dataclass(kw_only=True)
class Outcome:
    """How a page fared. asked, served: of the honest viewer; slowest_s: of its answers."""

    seconds: float
    watch: Watch
    vanished: int = 0
    cut: int = 0
    asked: int = 0
    served: int = 0
    slowest_s: float = 0.0
    pictures: int = 0
    listening: tuple[str, ...] = ()
    refused_paths: int = 0
    ended_s: float = 0.0
    code: int = 0
    faults: list[str] = field(default_factory=list)


def write_video(path: Path, seconds: float) -> Path:
    """Write a video of noise that drifts, at few frames a second."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (320, 240))
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    for number in range(round(seconds * FPS)):
        writer.write(np.roll(noise, 5 * number, axis=1))
    writer.release()
    return path


def besiege(world: World, bundle: Path, seconds: float) -> Outcome:
    """Serve a video to bad clients for so long, with an honest viewer among them."""
    video = write_video(world.folder / "video.mp4", seconds + 60)
    log = world.folder / "live.log"
    arguments = ["detect", str(bundle), str(video), "--serve", "127.0.0.1:0", "--threads", "1"]
    world = dataclasses.replace(world, environment={"PYTHONFAULTHANDLER": "1"})
    running = world.start([*arguments, "--out", str(world.folder / "found")], log)
    try:
        assert wait_for(log, "live page: ", running), log.read_text()
        found = re.search(r"http://[\d.]+:(\d+)/", log.read_text())
        assert found is not None
        port = int(found[1])
        process = psutil.Process(running.pid)
        outcome = Outcome(seconds=seconds, watch=Watch())
        _siege(process, port, seconds, outcome)
        began = time.monotonic()
        os.kill(running.pid, signal.SIGINT)
        outcome.code = _end(running, log)
        outcome.ended_s = time.monotonic() - began
    finally:
        if running.poll() is None:
            kill(running)
    if "Traceback" in log.read_text():
        outcome.faults.append("it crashed")
    _judge(outcome)
    return outcome


def _end(running: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for the end; where there is none, print where every thread is."""
    try:
        return running.wait(END_S)
    except subprocess.TimeoutExpired:
        os.kill(running.pid, signal.SIGABRT)
        running.wait(END_S)
        print(log.read_text()[-8000:], file=sys.stderr)
        return running.returncode


def _siege(process: psutil.Process, port: int, seconds: float, outcome: Outcome) -> None:
    addresses = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    outcome.listening = tuple(sorted(addresses))
    outcome.refused_paths = sum(_status(port, path) in (400, 403, 404) for path in CLIMBING)
    until, next_round = time.monotonic() + seconds, time.monotonic()
    warm = time.monotonic() + WARM_S
    slow: list[socket.socket] = []
    deaf: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [s.close() for s in (*slow, *deaf)])
        while time.monotonic() < until:
            outcome.vanished += sum(_vanish(port) for _ in range(CROWD))
            for number, harm in enumerate(HARM):
                _send(port, harm, reset=number % 2 == 0)
            outcome.cut += _keep(slow, SLOW, port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-", b"a")
            outcome.cut += _keep(
                deaf, DEAF, port, b"GET /picture HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            _visit(port, outcome)
            if time.monotonic() > warm:
                outcome.watch.look(process)
            next_round += ROUND_S
            time.sleep(max(0.0, next_round - time.monotonic()))
    time.sleep(ROUND_S)
    outcome.pictures += _a_picture(port)
    outcome.watch.look(process)


def _connect(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=2.0)
    except OSError:
        return None


def _vanish(port: int) -> bool:
    """Ask for the pictures, or for half of something, and be gone with a reset."""
    return _send(port, b"GET /picture HTTP/1.1\r\nHost: localhost\r\n\r\n", reset=True)


def _send(port: int, data: bytes, *, reset: bool) -> bool:
    client = _connect(port)
    if client is None:
        return False
    with client, contextlib.suppress(OSError):
        client.settimeout(0.05)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(data)
    return True


def _keep(
    clients: list[socket.socket], count: int, port: int, first: bytes, more: bytes = b""
) -> int:
    """Let slow clients send a little more, count those that were cut off, and replace them."""
    cut = 0
    for client in list(clients):
        try:
            client.setblocking(False)
            if more:
                client.send(more)
            closed = client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"" if more else False
        except BlockingIOError:
            closed = False
        except OSError:
            closed = True
        if not more:  # one that never reads is told by an error of its socket alone
            closed = closed or _is_dead(client)
        if closed:
            cut += 1
            client.close()
            clients.remove(client)
    while len(clients) < count:
        client = _connect(port)
        if client is None:
            break
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError):
            client.sendall(first)
        clients.append(client)
    return cut


def _is_dead(client: socket.socket) -> bool:
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return info[0] != 1  # TCP_ESTABLISHED


def _visit(port: int, outcome: Outcome) -> None:
    """Open the page as a browser does, trying again where the server says that it is busy."""
    began = time.monotonic()
    outcome.asked += 1
    while time.monotonic() < began + ROUND_S:
        if _status(port, "/") == 200:
            outcome.served += 1
            outcome.slowest_s = max(outcome.slowest_s, time.monotonic() - began)
            return
        time.sleep(0.05)


def _status(port: int, path: str) -> int:
    """Return the status of a path, sent as it stands."""
    client = _connect(port)
    if client is None:
        return 0
    with client, contextlib.suppress(OSError, ValueError):
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode("latin-1"))
        answer = http.client.HTTPResponse(client)
        answer.begin()
        answer.read()
        return answer.status
    return 0


def _a_picture(port: int) -> int:
    """Return 1 where a viewer gets a JPEG, once the bad clients have gone."""
    client = _connect(port)
    if client is None:
        return 0
    with client, contextlib.suppress(OSError):
        client.settimeout(5.0)
        client.sendall(b"GET /picture HTTP/1.0\r\nHost: localhost\r\n\r\n")
        data = b""
        while len(data) < 2**20:
            data += client.recv(65536)
            if b"\xff\xd8" in data and b"\xff\xd9" in data:
                return 1
    return 0


def _judge(outcome: Outcome) -> None:
    watch = outcome.watch
    checks: Iterator[tuple[bool, str]] = iter(
        (
            (outcome.listening == ("127.0.0.1",), "it listens elsewhere than on loopback"),
            (outcome.refused_paths == len(CLIMBING), "a path that climbs was answered"),
            (max(watch.mib) - watch.mib[0] < 48, "its memory grew"),
            (max(watch.threads) - min(watch.threads) <= 40, "its threads were not bounded"),
            (max(watch.files) - min(watch.files) <= 80, "its open files were not bounded"),
            (outcome.cut > 0 or outcome.seconds < 12, "no slow client was cut off"),
            (outcome.served >= 0.9 * outcome.asked, "the honest viewer was shut out"),
            (outcome.pictures == 1, "no picture afterwards"),
            (outcome.code == 130 and outcome.ended_s < 10, "it did not end"),
        )
    )
    outcome.faults += [text for good, text in checks if not good]
