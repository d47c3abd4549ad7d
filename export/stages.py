"""The stages of a bundle: their order, how each went, and who watches them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

STAGES = ("export", "quantize", "dlc")
TARGET_STAGE = "target "
"""What the name of a stage begins with that compiles for one chip, after all others."""

Step = Callable[[int, int], None]
"""Called with how much of a stage is done, and of how much."""


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """How a stage went: whether it ran, or was skipped because nothing had changed."""

    stage: str
    ran: bool


class Watcher:
    """What a caller may want to see of a pipeline; this one looks away."""

    def stage(self, name: str, detail: str) -> AbstractContextManager[Step]:
        """Enter a stage; the context gives the function to call with its progress."""
        return _silent()

    def done(self, report: StageReport) -> None:
        """Hear how a stage went."""


@contextlib.contextmanager
def _silent() -> Iterator[Step]:
    yield lambda done, total: None
