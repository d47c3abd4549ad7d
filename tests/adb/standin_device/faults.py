"""What a stand-in device is told to do wrong: entries of DIR/faults.json, taken one at a time."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

FILE_NAME = "faults.json"
FAULTS = {
    "unauthorized": "nobody has allowed this PC on the phone's screen",
    "lost-in-push": "the connection is cut after so many `bytes` of pushed files",
    "lost-in-run": "the connection is cut while the network runs",
    "lost-in-pull": "the connection is cut after so many `bytes` of pulled files",
    "dies-in-run": "the same, and the device never comes back",
    "full": "its storage takes so many `bytes` and no more; `hidden`: it says that there is room",
    "slow": "each block of a pushed file takes so many `seconds`",
    "garbled": "a pushed file arrives with its first byte changed",
    "hot": "its skin has so many `celsius` and cools by `per_s` degrees a second",
    "throttle": "while the network runs, it gets warm and its clocks are capped",
    "crash": "the network's program ends with SIGSEGV",
    "hang": "the network's program never ends",
    "refuse": "the network's program finds no DSP",
    "half-outputs": "the network's program writes half of each output and reports success",
    "no-sensors": "no temperature can be read",
}
LASTING = frozenset({"unauthorized", "full", "slow", "hot", "no-sensors"})
"""These stay; the others happen `times` times, once where it is not said, after `skip` chances."""


class Faults:
    """The entries that are left; the file is the truth, so that tests can write it meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()

    def find(self, name: str) -> dict[str, Any] | None:
        """Return an entry without using it up."""
        return next((entry for entry in self._read() if entry["name"] == name), None)

    def take(self, name: str) -> dict[str, Any] | None:
        """Return an entry and use it up."""
        with self._lock:
            left = self._read()
            entry = next((entry for entry in left if entry["name"] == name), None)
            if entry is not None and entry.get("skip", 0) > 0:
                entry["skip"] -= 1
                self._write(left)
                return None
            if entry is not None and name not in LASTING:
                entry["times"] = entry.get("times", 1) - 1
                if entry["times"] <= 0:
                    left.remove(entry)
                self._write(left)
        return entry

    def add(self, name: str, **values: float) -> None:
        """Add an entry."""
        if name not in FAULTS:
            raise ValueError(f"no such fault: {name}; known: {', '.join(FAULTS)}")
        with self._lock:
            self._write([*self._read(), {"name": name, **values}])

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._write([])

    def _read(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return found

    def _write(self, entries: list[dict[str, Any]]) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(entries), encoding="utf-8")
        part.replace(self._path)
