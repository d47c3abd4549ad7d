"""A signal ends the source, and nothing else; what was set before is set again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from hexdet.runtime.stream.frames import Frame, Source
from hexdet.runtime.stream.stopping import ASKING, stopping_on_signals


class Stoppable(Source):
    def __iter__(self) -> Iterator[Frame]:
        return iter(())

    @property
    def stopped(self) -> bool:
        return self._stopped


@pytest.mark.parametrize("number", ASKING)
def test_the_first_signal_stops_and_the_second_interrupts(number: signal.Signals) -> None:
    source, before = Stoppable(), signal.getsignal(number)
    with stopping_on_signals(source) as interruption:
        assert interruption.number is None
        os.kill(os.getpid(), number)
        assert source.stopped
        assert interruption.number == number
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping_on_signals(Stoppable()) as interruption:
            os.kill(os.getpid(), signal.SIGINT)
        assert interruption.number is None
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_does_without() -> None:
    done = []

    def work() -> None:
        with stopping_on_signals(Stoppable()) as interruption:
            done.append(interruption.number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [None]
