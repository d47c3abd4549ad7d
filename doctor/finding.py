"""What the doctor finds: one line a thing, and which jobs stand or fall with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Status = Literal["ok", "differs", "missing", "broken"]
"""`differs`: it is there and not what hexdet was tested with; it may work."""
Job = Literal["detect", "export"]
"""`detect` needs the base install, `export` (the main job, PC only) the toolchain."""
JOBS: tuple[Job, ...] = get_args(Job)
BLOCKING: tuple[Status, ...] = ("missing", "broken")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    found: what is there, in words. advice: what to do; empty where nothing has to be done.
    jobs: those that cannot run without it; none for what is optional.
    """

    what: str
    status: Status
    found: str
    advice: str = ""
    jobs: tuple[Job, ...] = ()


def obstacles(findings: Iterable[Finding], job: Job) -> list[Finding]:
    """Return the findings that keep a job from running."""
    return [f for f in findings if job in f.jobs and f.status in BLOCKING]
