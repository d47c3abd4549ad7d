"""The progress of stages and of images, as bars."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ...export.stages import StageReport, Step, Watcher
from . import console


class Shown(Watcher):
    """A pipeline's progress on the terminal."""

    @contextlib.contextmanager
    def stage(self, name: str, detail: str) -> Iterator[Step]:
        with console.bar(f"{name}: {detail}") as step:
            yield step

    def done(self, report: StageReport) -> None:
        console.say(f"{report.stage}: {'done' if report.ran else 'unchanged, skipped'}")


@contextlib.contextmanager
def bars(verb: str) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a progress function that opens a new bar for every new name."""
    with contextlib.ExitStack() as stack:
        shown: dict[str, Step] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in shown:
                stack.close()
                shown[name] = stack.enter_context(console.bar(f"{verb}: {name}"))
            shown[name](done, total)

        yield progress
