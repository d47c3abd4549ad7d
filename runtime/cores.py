"""The cores that this process may use, which may be fewer than the machine has."""

from __future__ import annotations

import os


def available_cores() -> list[int]:
    """Return their numbers; those of all where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
