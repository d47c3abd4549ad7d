"""The address that the live page is served at, as the user types it: HOST:PORT."""

from __future__ import annotations

import ipaddress

from ...errors import UsageError


def parse_address(text: str) -> tuple[str, int]:
    """Return the host and the port of "127.0.0.1:8080", "localhost:0" or "[::1]:8080".

    Port 0 stands for any free one. Raises UsageError for anything else.
    """
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise UsageError(f"{text!r} is no HOST:PORT: write an IPv6 address as [{host}]:{port}")
    if not colon or not host:
        raise UsageError(f"{text!r} is no HOST:PORT: write for instance 127.0.0.1:8080")
    if not (port.isascii() and port.isdigit() and int(port[:6]) <= 65535):
        raise UsageError(f"{port!r} in {text!r} is no port: give a number from 0 (any) to 65535")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host: localhost or a loopback address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_host(host: str) -> str:
    """Return a host as it stands in a URL, an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
