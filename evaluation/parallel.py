"""Several detectors of one bundle at work on a dataset at once: a worker each, results in order.

The emulator of the HTP is a process that keeps about one core busy. A pool opens several, each fed
by a thread, so that as many images are under way as there are workers. Everything else happens in
the threads too: reading the image, preparing it, post-processing.
"""

from __future__ import annotations

import itertools
import os
import queue
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from ..runtime.backend import Closing
from ..runtime.cores import available_cores
from ..runtime.detector import Detector

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Items under way or waiting, a worker: one is worked on while the next is ready."""


def worker_count(asked: int | None, images: int) -> int:
    """Return how many workers a set of images gets: one a core where None, and one at least."""
    return max(1, min(len(available_cores()) if asked is None else asked, images))


def _keep_to(core: int) -> None:
    """Keep this thread, and the processes that it starts, on a core; where the system lets it."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setaffinity(0, {core})


class DetectorPool(Closing):
    """Detectors that each work for one thread at a time.

    opener: opens one detector; it is called from several threads. workers: how many; of several
    each keeps to a core, with the emulator that it starts, whose own threads would be in the way of
    the others'. Raises what an opener raises, after closing those that did open.
    """

    def __init__(self, opener: Callable[[], Detector], workers: int) -> None:
        cores = itertools.cycle(available_cores())
        self._threads = ThreadPoolExecutor(
            workers,
            thread_name_prefix="hexdet-worker",
            initializer=(lambda: _keep_to(next(cores))) if workers > 1 else None,
        )
        opening = [self._threads.submit(opener) for _ in range(workers)]
        self.detectors: list[Detector] = []
        errors: list[BaseException] = []
        for future in opening:
            try:
                self.detectors.append(future.result())
            except BaseException as error:  # an interruption must close what opened, too
                errors.append(error)
        if errors:
            self.close()
            raise errors[0]
        self._free: queue.SimpleQueue[Detector] = queue.SimpleQueue()
        for detector in self.detectors:
            self._free.put(detector)

    @property
    def workers(self) -> int:
        """Return the number of detectors."""
        return len(self.detectors)

    def stream(
        self, job: Callable[[Detector, Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """Yield `job(detector, item)` of every item, in the order of the items.

        The job runs in a worker's thread with a detector that is its own meanwhile. No more than a
        few items are taken before their results are. The first error, in the order of the items,
        is raised here, and closes the whole pool: nothing goes on behind it.
        """
        waiting: deque[Future[Result]] = deque()

        def work(item: Item) -> Result:
            detector = self._free.get()
            try:
                return job(detector, item)
            finally:
                self._free.put(detector)

        try:
            for item in items:
                waiting.append(self._threads.submit(work, item))
                if len(waiting) >= AHEAD * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            for future in waiting:
                future.cancel()
            self.close()
            raise

    def close(self) -> None:
        """Close every detector and end the threads; twice does no harm."""
        # The emulators first: a thread that waits for one is thereby released.
        for detector in self.detectors:
            detector.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
