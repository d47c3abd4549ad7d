"""adb: a server that is asked in its own words, and never one that is started or ended."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hexdet.benchmarks.adb.client import parse_devices
from hexdet.doctor.adb_server import AdbServer
from hexdet.doctor.devices import devices
from hexdet.doctor.finding import Status

PHONE = "0a38\tdevice\n"
UNKNOWN_KEY = "77c2\tunauthorized\n"
NO_RIGHT = "????\tno permissions (missing udev rules?); see [http://d.android.com]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n", []),
        (PHONE, [("0a38", "device")]),
        (UNKNOWN_KEY + PHONE, [("77c2", "unauthorized"), ("0a38", "device")]),
        (NO_RIGHT, [("????", "no permissions (missing udev rules?); see [http://d.android.com]")]),
    ],
)
def test_the_list_of_devices(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(one.serial, one.state) for one in parse_devices(text)] == expected


def answer(text: str) -> bytes:
    return f"OKAY{len(text):04x}{text}".encode()


@contextlib.contextmanager
def serving(replies: Mapping[str, bytes]) -> Iterator[int]:
    """Yield the port of a server that gives these replies, and hangs up after each."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                stream, _ = listener.accept()
                with stream:
                    request = stream.recv(int(stream.recv(4), 16)).decode()
                    stream.sendall(replies.get(request, b"FAIL0007unknown"))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def listing(text: str) -> dict[str, bytes]:
    return {"host:version": answer("0029"), "host:devices": answer(text)}


class Clients:
    """Makes adb programs that write down what they were called with."""

    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls"
        self._program = folder / "adb"

    def environment(self, port: int, *, told: str = "", version: str = "1.0.41") -> dict[str, str]:
        """Return what names a client whose device tells `told`, and the server's port."""
        self._program.write_text(f"""#!/bin/sh
echo "$1" >>'{self.calls}'
case $1 in
version) echo 'Android Debug Bridge version {version}' ;;
-s) cat <<'END'
{told}hexdet-uname
Linux aarch64
hexdet-memory
MemTotal: 8000000 kB
hexdet-rc=0
END
;;
esac
""")
        self._program.chmod(0o755)
        return {"ANDROID_ADB_SERVER_PORT": str(port), "HEXDET_ADB": str(self._program)}


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    return Clients(tmp_path)


MODEL = "[ro.product.model]: [QRD]\n"


@pytest.mark.parametrize(
    ("told", "status", "said", "advised"),
    [
        (f"{MODEL}[ro.soc.model]: [SM8550]\nhexdet-soc\n", "ok",
         "QRD (SM8550, v73), Snapdragon 8 Gen 2", ""),
        ("hexdet-soc\nQCS6490\n", "ok", "QCS6490 (QCS6490, v68)", ""),
        (f"{MODEL}[ro.soc.model]: [SM8250]\nhexdet-soc\n", "differs", "(SM8250, v66)",
         "--toolchain sdk"),
        (f"{MODEL}[ro.board.platform]: [kalama]\nhexdet-soc\n", "differs", "(SM8550, v73)",
         "name it yourself"),
        (f"{MODEL}[ro.soc.model]: [XYZ1]\nhexdet-soc\n", "broken", "XYZ1", ""),
    ],
)  # fmt: skip
def test_a_device_with_its_chip(
    told: str, status: Status, said: str, advised: str, clients: Clients
) -> None:
    with serving(listing(PHONE)) as port:
        adb, device = devices(clients.environment(port, told=told))
    assert (adb.status, device.status, device.what) == ("ok", status, "device 0a38")
    assert "a server runs, 1 device" in adb.found
    assert said in device.found
    assert advised in device.advice


def test_a_device_that_is_not_ready_says_what_to_do(clients: Clients) -> None:
    with serving(listing(UNKNOWN_KEY + NO_RIGHT)) as port:
        _, locked, forbidden = devices(clients.environment(port))
    assert (locked.status, forbidden.status) == ("broken", "broken")
    assert "allow this computer" in locked.advice
    assert "udev" in forbidden.advice


def test_no_device_is_no_failure(clients: Clients) -> None:
    with serving(listing("")) as port:
        (adb,) = devices(clients.environment(port))
    assert (adb.status, adb.jobs) == ("missing", ())


@pytest.mark.parametrize("version", ["1.0.32", "unknown"])
def test_a_client_that_would_end_the_server_is_not_called(version: str, clients: Clients) -> None:
    with serving(listing(PHONE)) as port:
        (adb,) = devices(clients.environment(port, version=version))
    assert adb.status == "differs"
    assert "1.0.41" in adb.found
    assert clients.calls.read_text().split() == ["version"]


@pytest.mark.parametrize(
    "reply",
    [b"", b"OK", b"OKAYzzzz", b"OKAY0002no", b"HTTP/1.1 400 Bad Request\r\n", b"FAIL0002no"],
)
def test_something_else_at_the_port_is_a_finding(reply: bytes, clients: Clients) -> None:
    with serving({"host:version": reply}) as port:
        (adb,) = devices(clients.environment(port))
    assert adb.status == "broken"


def test_no_server_is_started(clients: Clients) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (adb,) = devices(clients.environment(port))
    assert (adb.status, adb.jobs) == ("missing", ())
    assert "no server runs" in adb.found
    assert clients.calls.read_text().split() == ["version"]


def test_a_client_that_is_named_must_be_there(tmp_path: Path) -> None:
    (adb,) = devices({"HEXDET_ADB": str(tmp_path / "none")})
    assert (adb.status, adb.jobs) == ("missing", ())


def test_the_server_that_adbs_own_variables_name() -> None:
    assert AdbServer.of({}).address == ("127.0.0.1", 5037)
    named = {"ANDROID_ADB_SERVER_ADDRESS": "10.0.0.2", "ANDROID_ADB_SERVER_PORT": "5038"}
    assert AdbServer.of(named).address == ("10.0.0.2", 5038)
