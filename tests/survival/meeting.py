"""One hostile file, met by a process of its own: what it said, took and left alone."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from survival.tiny import World, last_line

MOST_MIB = 700
"""More that a refusal may take; a decoded image of 100 million pixels takes 286."""
LIMIT_MIB = 4096
MOST_S = 60.0


class Trap:
    """What a pickle runs when it is loaded: it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a case may write, a finished bundle (a copy, its own) and what must not appear."""

    folder: Path
    world: World
    bundle: Path
    canary: Path
    precious: Path

    def detect(self, image: Path) -> list[str]:
        return ["detect", str(self.bundle), str(image), "--out", str(self.folder / "found")]

    def export(self, *more: str) -> list[str]:
        recipe, checkpoint = str(self.world.recipe), str(self.world.checkpoint(0))
        build = str(self.folder / "build")
        return ["export", recipe, "--checkpoint", checkpoint, "--build", build, *more]

    def changed(self, name: str, change: Callable[[Any], Any]) -> None:
        """Rewrite a JSON file of the bundle."""
        path = self.bundle / name
        content = change(json.loads(path.read_text(encoding="utf-8")))
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    def image(self, name: str, data: bytes) -> list[str]:
        path = self.folder / name
        path.write_bytes(data)
        return self.detect(path)


Make = Callable[[Ground], list[str]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one hostile file was met. faults: code that ran, memory, time, a crash."""

    kind: str
    title: str
    code: int
    said: str
    seconds: float
    mib: float
    faults: tuple[str, ...]


def meet(
    kind: str, title: str, make: Make, world: World, finished: Path, *, harmless: bool
) -> Outcome:
    """Make a hostile file and give it to `hexdet`, in a process of its own.

    harmless: it need not be refused.
    """
    folder = Path(tempfile.mkdtemp(dir=world.folder))
    precious = folder / "precious.txt"
    precious.write_text("mine", encoding="utf-8")
    ground = Ground(
        folder=folder,
        world=world,
        bundle=shutil.copytree(finished, folder / "own" / "bundle"),
        canary=folder / "canary",
        precious=precious,
    )
    arguments = make(ground)
    began = time.monotonic()
    # Limited, so that a bomb that goes off hurts nobody else.
    process = world.fork(arguments, folder / "log", most_mib=LIMIT_MIB)
    code, said = process.wait(3 * MOST_S), (folder / "log").read_text(errors="replace")
    seconds, mib = time.monotonic() - began, process.grown_mib
    faults = []
    if code not in (1, 2, 3) and not harmless:
        faults.append(f"it ended with exit code {code}")
    if "Traceback" in said:
        faults.append("it crashed")
    if ground.canary.exists():
        faults.append("code out of the file ran")
    if not precious.is_file() or precious.read_text() != "mine":
        faults.append("a file outside was changed")
    if mib > MOST_MIB:
        faults.append(f"it took {mib:.0f} MiB")
    if seconds > MOST_S:
        faults.append(f"it took {seconds:.0f} s")
    shutil.rmtree(folder)
    return Outcome(
        kind=kind,
        title=title,
        code=code,
        said=last_line(said).replace(str(folder), "…"),
        seconds=seconds,
        mib=mib,
        faults=tuple(faults),
    )
