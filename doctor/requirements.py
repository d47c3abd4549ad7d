"""What hexdet's metadata asks for, what of it is installed, and what it was tested with."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
"""Comes with the package: `pip install -c` takes it from there as well."""
MODULES = {
    "opencv-python-headless": "cv2",
    "pyyaml": "yaml",
    "protobuf": "google.protobuf",
}
"""Distributions whose module has another name than theirs."""
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A distribution that hexdet needs; versions are empty where unknown, or not installed."""

    name: str
    installed: str
    pinned: str

    @property
    def module(self) -> str:
        """Return the name that it is imported by."""
        return MODULES.get(self.name, self.name.replace("-", "_"))

    @property
    def as_pinned(self) -> bool:
        """Tell whether it is the version that hexdet was tested with; +cpu, +cu126 do not count."""
        return not self.pinned or self.installed.partition("+")[0] == self.pinned

    def __str__(self) -> str:
        """Return name and version."""
        return f"{self.name} {self.installed}".strip()


def needed(extra: str = "") -> list[Package]:
    """Return what hexdet's metadata asks for: the base install, or what an extra adds to it.

    Raises importlib.metadata.PackageNotFoundError where hexdet itself is not installed.
    """
    asked = importlib.metadata.requires("hexdet") or []
    pins = pinned(CONSTRAINTS)
    return [_package(name, pins) for name in names_of(asked, extra)]


def names_of(requirements: Iterable[str], extra: str = "") -> list[str]:
    """Return the names that requirements hold for an extra, in lower case; "" is the base."""
    found = []
    for text in requirements:
        name, marked = _REQUIREMENT.match(text), _EXTRA.search(text)
        if name is not None and (marked[1] if marked else "") == extra:
            found.append(name[1].lower())
    return found


def pinned(path: Path) -> dict[str, str]:
    """Return the versions of a constraints file by name in lower case; none where it is not there.

    The names are written as PyPI spells them, so that `_` and `-` are one.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name.strip().lower().replace("_", "-"): version.strip() for name, version in pairs}


def _package(name: str, pins: Mapping[str, str]) -> Package:
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        installed = ""
    return Package(name=name, installed=installed, pinned=pins.get(name.replace("_", "-"), ""))
