"""The queue between two stages: order, room, and that nobody is left hanging."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from hexdet.runtime.stream.handover import Handover

PATIENCE_S = 30.0


def start(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_nothing_is_handed_over_where_nothing_is_given() -> None:
    handover: Handover[int] = Handover(1)
    handover.end()
    assert list(handover) == []


@pytest.mark.parametrize("room", [0, -1])
def test_there_must_be_room(room: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Handover(room)


@pytest.mark.parametrize("room", [1, 2, 50])
def test_items_keep_their_order_and_none_is_lost(room: int) -> None:
    handover: Handover[int] = Handover(room)

    def give() -> None:
        for number in range(200):
            assert handover.put(number)
        handover.end()

    thread = start(give)
    assert list(handover) == list(range(200))
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_the_newest_pushes_out_the_oldest_and_the_last_stays() -> None:
    handover: Handover[int] = Handover(2, newest=True)
    assert all(handover.put(number) for number in range(10))
    handover.end()
    assert list(handover) == [8, 9]


def test_an_error_comes_after_what_was_given_before_it() -> None:
    handover: Handover[int] = Handover(3)
    error = OSError("gone")
    handover.put(1)
    handover.put(2)
    handover.end(error)
    taker = iter(handover)
    assert [next(taker), next(taker)] == [1, 2]
    with pytest.raises(OSError, match="gone") as caught:
        next(taker)
    assert caught.value is error


def test_a_giver_who_waits_for_room_hears_that_the_taker_left() -> None:
    handover: Handover[int] = Handover(1)
    answers: list[bool] = []

    def give() -> None:
        answers.extend(handover.put(number) for number in range(3))

    thread = start(give)
    taker = iter(handover)
    assert next(taker) == 0
    handover.leave()
    thread.join(PATIENCE_S)
    assert answers[-1] is False
    assert list(taker) == []


def test_a_taker_who_waits_is_let_go() -> None:
    handover: Handover[int] = Handover(1)
    taken: list[int] = []
    thread = start(lambda: taken.extend(handover))
    handover.leave()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert taken == []
