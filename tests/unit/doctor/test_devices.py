"""adb: a server that is asked in its own words, and never one that is started."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import pytest

from hexdet.doctor import devices as module
from hexdet.doctor.adb_server import AdbServer, Attached, parse_devices
from hexdet.doctor.devices import devices
from hexdet.doctor.finding import Status

PHONE = "0a38\tdevice usb:1-2 product:kalama model:QRD_SM8550 device:kalama transport_id:1\n"
UNKNOWN_KEY = "77c2 unauthorized usb:1-3 transport_id:2\n"
NO_RIGHT = "????  no permissions (missing udev rules?); see [http://d.android.com] usb:1-4\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n", []),
        ("emulator-5554\tdevice\n", [("emulator-5554", "device", "")]),
        (PHONE.replace("\t", "      "), [("0a38", "device", "QRD_SM8550")]),
        (UNKNOWN_KEY, [("77c2", "unauthorized", "")]),
        (NO_RIGHT, [("????", "no permissions (missing udev rules?); see [http://d.android.com]",
                     "")]),
    ],
)  # fmt: skip
def test_the_list_of_devices(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert parse_devices(text) == [Attached(serial=s, state=t, model=m) for s, t, m in expected]


def _answer(stream: socket.socket, answers: Mapping[str, bytes]) -> None:
    """Answer a connection's requests until it is closed or one has no more to follow."""
    with stream:
        while head := stream.recv(4):
            request = stream.recv(int(head, 16)).decode()
            key = request.partition(" ")[0]
            reply = next((r for k, r in answers.items() if key.startswith(k)), None)
            if reply is None:
                stream.sendall(b"FAIL0007unknown")
                return
            stream.sendall(reply)
            if not request.startswith("host:transport"):
                return


@contextlib.contextmanager
def serving(answers: Mapping[str, bytes]) -> Iterator[dict[str, str]]:
    """Yield the environment that names a server which gives these answers."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                _answer(listener.accept()[0], answers)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield {"ANDROID_ADB_SERVER_PORT": str(listener.getsockname()[1])}
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def listing(text: str) -> bytes:
    return f"OKAY{len(text):04x}{text}".encode()


def with_chip(text: str, chip: str) -> dict[str, bytes]:
    return {
        "host:devices-l": listing(text),
        "host:transport:": b"OKAY",
        "shell:": b"OKAY" + chip.encode(),
    }


@pytest.mark.parametrize(
    ("chip", "status", "said", "advised"),
    [
        ("SM8550\n", "ok", "QRD_SM8550, SM8550 (Snapdragon 8 Gen 2), Hexagon v73", ""),
        ("qcs6490\r\n", "ok", "Hexagon v68", ""),
        ("SM8250\n", "differs", "SM8250, Hexagon v66", "--toolchain sdk"),
        ("XYZ1\n", "differs", "XYZ1", "unknown target"),
        ("", "differs", "does not tell its chip", "name it yourself"),
    ],
)
def test_a_device_with_its_chip(chip: str, status: Status, said: str, advised: str) -> None:
    with serving(with_chip(PHONE, chip)) as environ:
        adb, device = devices(environ)
    assert (adb.status, device.status, device.what) == ("ok", status, "device 0a38")
    assert "1 device" in adb.found
    assert said in device.found
    assert advised in device.advice


def test_a_device_that_is_not_ready_says_what_to_do() -> None:
    with serving({"host:devices-l": listing(UNKNOWN_KEY + NO_RIGHT)}) as environ:
        _, locked, forbidden = devices(environ)
    assert (locked.status, forbidden.status) == ("broken", "broken")
    assert "allow this computer" in locked.advice
    assert "udev" in forbidden.advice


def test_a_device_that_goes_away_meanwhile_is_a_finding() -> None:
    with serving({"host:devices-l": listing(PHONE)}) as environ:
        _, device = devices(environ)
    assert device.status == "broken"
    assert "unknown" in device.found


def test_no_device_is_no_failure() -> None:
    with serving({"host:devices-l": listing("")}) as environ:
        (adb,) = devices(environ)
    assert (adb.status, adb.jobs) == ("missing", ())


@pytest.mark.parametrize(
    "reply", [b"", b"OK", b"OKAYzzzz", b"HTTP/1.1 400 Bad Request\r\n", b"FAIL0002no"]
)
def test_something_else_at_the_port_is_a_finding(reply: bytes) -> None:
    with serving({"host:devices-l": reply}) as environ:
        (adb,) = devices(environ)
    assert adb.status == "broken"


@pytest.mark.parametrize("path", ["", "/usr/bin/adb"])
def test_no_server_is_started(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: path)
    monkeypatch.setattr(module, "_bundled", lambda: "")
    asked: list[list[str]] = []
    monkeypatch.setattr(module.subprocess, "run", lambda command, **_: asked.append(command))
    monkeypatch.setattr(module, "_version", lambda path: "adb 36")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (adb,) = devices({"ANDROID_ADB_SERVER_PORT": str(port)})
    assert adb.status == "missing"
    assert ("no client" in adb.found) is not bool(path)
    assert asked == []


def test_the_server_that_adbs_own_variables_name() -> None:
    assert AdbServer.of({}).address == ("127.0.0.1", 5037)
    named = {"ANDROID_ADB_SERVER_ADDRESS": "10.0.0.2", "ANDROID_ADB_SERVER_PORT": "5038"}
    assert AdbServer.of(named).address == ("10.0.0.2", 5038)
