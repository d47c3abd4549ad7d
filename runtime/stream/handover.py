"""A bounded queue from one thread to another; neither is left hanging when the other ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """Items in order, `room` of them at most; with `newest` a new one pushes out the oldest.

    The giver ends it, with an error if it has one: the taker gets what is left, then the end or
    that very error. The taker may leave: the giver hears of it at its next item.
    """

    def __init__(self, room: int, *, newest: bool = False) -> None:
        """Make an empty one; ValueError for less room than for one item."""
        if room < 1:
            raise ValueError(f"room for {room} items: it must be at least 1")
        self._room = room
        self._newest = newest
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._ended = False
        self._left = False

    def put(self, item: T) -> bool:
        """Hand an item over, waiting for room; returns whether anyone still takes."""
        with self._changed:
            if self._newest and len(self._items) == self._room:
                self._items.popleft()
            self._changed.wait_for(lambda: len(self._items) < self._room or self._left)
            if self._left:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def end(self, error: BaseException | None = None) -> None:
        """Say that no item follows, and why where it is an error."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def leave(self) -> None:
        """Take no more: what is inside is dropped, and whoever waits goes on."""
        with self._changed:
            self._left = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Yield the items as they come, until the end; raises the giver's error after them."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ended or self._left)
                if self._left:
                    return
                if not self._items:
                    break
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error
