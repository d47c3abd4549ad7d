"""HOST:PORT as a user types it, right and wrong."""

from __future__ import annotations

import pytest

from hexdet.errors import UsageError
from hexdet.runtime.stream.address import is_loopback, parse_address, url_host


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        (" board.local:65535 ", ("board.local", 65535)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no HOST:PORT"),
        ("8080", "no HOST:PORT"),
        (":8080", "no HOST:PORT"),
        ("localhost", "no HOST:PORT"),
        ("localhost:", "no port"),
        ("localhost:http", "no port"),
        ("localhost:-1", "no port"),
        ("localhost:65536", "no port"),
        ("localhost:" + "9" * 5000, "no port"),
        ("localhost:٣", "no port"),
        ("::1:8080", r"\[::1\]:8080"),
        ("http://localhost:8080", "no HOST:PORT"),
    ],
)
def test_what_is_no_address_is_a_usage_error(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        parse_address(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True),
        ("LOCALHOST", True), ("0.0.0.0", False), ("::", False), ("192.168.1.7", False),
        ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("", False),
    ],
)  # fmt: skip
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_only_ipv6_is_put_in_brackets() -> None:
    assert url_host("::1") == "[::1]"
    assert url_host("127.0.0.1") == "127.0.0.1"
