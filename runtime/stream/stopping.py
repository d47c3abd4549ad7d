"""Signals that ask a stream to end: it ends as if the source did, and everything is completed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .frames import Source

ASKING = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None
)


class Interruption:
    """Which signal asked for the end; None while nobody did."""

    number: int | None = None


@contextmanager
def stopping_on_signals(source: Source) -> Iterator[Interruption]:
    """Stop a source when the user or the system asks for it; a second time interrupts at once.

    Outside the main thread, where no signal arrives, it does nothing.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def stop(number: int, frame: FrameType | None) -> None:
        # First of all, so that the next one does not come back here.
        for other in before:
            signal.signal(other, signal.default_int_handler)
        interruption.number = number
        source.stop()

    # What the parent process has ignored, as nohup does, stays so.
    before = {n: h for n in ASKING if (h := signal.getsignal(n)) not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
