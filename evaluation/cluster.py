"""Detectors of one bundle at work on a Dask cluster: one a worker process, results in order.

Workers see the bundle and the dataset under the same paths as this process, as on a shared file
system, and have hexdet installed. A worker that is lost costs the images that it had not handed
back: Dask gives them to another.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import NotRunError, ToolError
from ..runtime.detector import Detector
from .parallel import DetectorPool, Item, Result

CONNECT_S = 20.0

_opened: dict[str, Detector] = {}
_opening = threading.Lock()


class ClusterPool(DetectorPool):
    """Detectors on the workers of a Dask scheduler, in the place of a pool of this machine.

    opener: opens one detector; called here once, so that a bad bundle is told at once, and in every
    worker. scheduler: its address, tcp://host:8786. Raises NotRunError where Dask is not installed,
    ToolError where no scheduler answers or it has no worker.
    """

    def __init__(
        self, opener: Callable[[], Detector], scheduler: str, *, connect_s: float = CONNECT_S
    ) -> None:
        try:
            import distributed
        except ImportError as error:
            raise NotRunError(
                "a cluster needs Dask: pip install 'hexdet[cluster]' here and on its workers"
            ) from error
        super().__init__(opener, 1)
        self._opener, self._address = opener, scheduler
        self._token = uuid.uuid4().hex
        try:
            client: Any = distributed.Client  # untyped
            self._client = client(scheduler, timeout=connect_s, set_as_default=False)
            self._client.wait_for_workers(1, timeout=connect_s)
        except (OSError, ValueError, TimeoutError) as error:
            super().close()
            raise ToolError(
                f"no Dask scheduler with a worker answers at {scheduler}: {error}"
            ) from error

    @property
    def workers(self) -> int:
        """Return how many worker processes the cluster has at the moment."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def stream(
        self, job: Callable[[Detector, Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """Yield `job(detector, item)` of every item, in the order of the items.

        Raises the first error of a job, ToolError where the cluster is lost or an item ends every
        worker that takes it.
        """
        from distributed import KilledWorker

        # The job holds the dataset: it is sent to every worker once and not with every item.
        sent = self._client.scatter([(self._opener, job)], broadcast=True, hash=False)[0]
        futures = self._client.map(
            _work, list(items), sent=sent, token=self._token, pure=False, key=f"image-{self._token}"
        )
        try:
            for future in futures:
                yield future.result()
        except (KilledWorker, OSError, TimeoutError) as error:
            raise ToolError(f"the cluster at {self._address} failed: {error}") from error
        finally:
            self._client.cancel(futures)

    def close(self) -> None:
        """Close the detectors here and on the workers, and leave the cluster."""
        client = getattr(self, "_client", None)
        if client is not None and client.status == "running":
            client.run(_close, self._token, on_error="ignore")
            client.close()
        super().close()


def _work(item: Any, *, sent: Any, token: str) -> Any:
    """Do one item in a worker, with the detector that this process keeps."""
    opener, job = sent
    with _opening:  # one image at a time, too: the detector is one
        if token not in _opened:
            _opened[token] = opener()
        return job(_opened[token], item)


def _close(token: str) -> None:
    detector = _opened.pop(token, None)
    if detector is not None:
        detector.close()
