"""How fast a training's images come, beside how fast its network takes them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..datasets.opening import open_split
from ..errors import DataError
from ..recipe import Recipe
from ..training.contract import contract_of
from ..training.learner import Learner
from ..training.loading import Batch, EpochBatches, Reading, TrainingSamples, make_loader
from ..training.processes import Processes

WANTED_RATIO = 3.0
STEP_TIME_S = 1.0
"""So long, and two steps at least, the network is timed in every round."""
TOGETHER = 6
"""Steps of the training as it is: loading beside the network."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Images from the workers. The times are one worker's, of an image.

    read_ms: decoding, or rendering, or taking it from memory. cached: share of the latter.
    """

    images_per_s: float
    read_ms: float
    augment_ms: float
    match_ms: float
    cached: float


@dataclass(frozen=True, kw_only=True)
class LoadingCost:
    """Loading with the recipe's workers, and the network's own step on the same machine.

    first: the epoch that fills the cache. later: the fastest of `rounds` epochs after it. step: the
    fastest step on a batch that lies in memory, with nothing beside it; both take turns, so that
    the machine's slow moments count for neither. together: the training as it is, and waiting the
    share of its time without a batch.
    """

    recipe: str
    images: int
    images_available: int
    batch_size: int
    workers: int
    cache_mib: int
    device: str
    threads: int
    precision: str
    rounds: int
    first: Pace
    later: Pace
    step_images_per_s: float
    together_images_per_s: float
    waiting: float

    @property
    def ratio(self) -> float:
        """Return loading in later epochs over the step."""
        return self.later.images_per_s / self.step_images_per_s

    @property
    def first_ratio(self) -> float:
        """Return loading in the first epoch over the step."""
        return self.first.images_per_s / self.step_images_per_s


def measure(
    recipe: Recipe,
    *,
    images: int = 128,
    rounds: int = 3,
    progress: Progress = lambda done, total: None,
) -> LoadingCost:
    """Measure the loading of the recipe's first images, in rounds with the network's own step.

    The cache is as much smaller as the images are fewer, so that the share found in it is that of
    the whole split. Raises DataError where images cannot be read.
    """
    bench = _Bench(recipe, images)
    total = rounds + 2
    first = bench.epoch(0)
    progress(1, total)
    bench.steps(0.0)  # a warm-up
    pairs = []
    for number in range(1, rounds + 1):
        pairs.append((bench.epoch(number), bench.steps(STEP_TIME_S)))
        progress(1 + number, total)
    together, waiting = bench.together(rounds + 1)
    progress(total, total)
    section = recipe.training
    return LoadingCost(
        recipe=recipe.name,
        images=bench.count,
        images_available=bench.available,
        batch_size=bench.batches.batch_size,
        workers=section.workers,
        cache_mib=section.cache_mib,
        device=bench.device.type,
        threads=torch.get_num_threads(),
        precision=bench.learner.precision,
        rounds=rounds,
        first=first,
        later=max((pace for pace, _ in pairs), key=lambda pace: pace.images_per_s),
        step_images_per_s=max(rate for _, rate in pairs),
        together_images_per_s=together,
        waiting=waiting,
    )


class _Bench:
    """A recipe's loader over its first images, and its network."""

    def __init__(self, recipe: Recipe, images: int) -> None:
        section = recipe.training
        dataset = open_split(recipe.data, "train")
        self.available = len(dataset)
        self.count = min(images, self.available)
        scaled = -(-section.cache_mib * self.count // self.available)
        self.samples = TrainingSamples(
            dataset, contract_of(recipe), section.model_copy(update={"cache_mib": scaled})
        )
        self.batches = EpochBatches(self.count, section.batch_size, section.seed)
        self.loader = make_loader(self.samples, self.batches, section.workers)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        steps = len(self.batches) * section.epochs
        self.learner = Learner(recipe, contract_of(recipe), steps, Processes(device=self.device))
        self.learner.network.train()
        self._resident: Batch | None = None

    def epoch(self, number: int) -> Pace:
        """Load an epoch and do nothing with it."""
        self.batches.epoch = number
        begun = time.perf_counter()
        reading = sum((_checked(batch).reading for batch in self.loader), Reading())
        seconds = time.perf_counter() - begun
        return Pace(
            images_per_s=reading.images / seconds,
            read_ms=reading.read_s * 1e3 / reading.images,
            augment_ms=reading.augment_s * 1e3 / reading.images,
            match_ms=reading.match_s * 1e3 / reading.images,
            cached=reading.cached / reading.images,
        )

    def steps(self, least_s: float) -> float:
        """Take steps on one batch for a time; return images/s of the fastest."""
        if self._resident is None:
            self._resident = _checked(self.samples.__getitems__(next(iter(self.batches))))
        begun, times = time.perf_counter(), list[float]()
        while len(times) < 2 or time.perf_counter() - begun < least_s:
            mark = time.perf_counter()
            self.learner.step(0, self._resident)
            times.append(time.perf_counter() - mark)
        return self.batches.batch_size / min(times)

    def together(self, number: int) -> tuple[float, float]:
        """Train on an epoch's first batches; return images/s and the share of waiting for them."""
        self.batches.epoch = number
        begun = mark = time.perf_counter()
        waited_s, taken = 0.0, 0
        for batch in itertools.islice(self.loader, TOGETHER):
            waited_s += time.perf_counter() - mark
            self.learner.step(0, _checked(batch))
            taken += 1
            mark = time.perf_counter()
        seconds = mark - begun
        return taken * self.batches.batch_size / seconds, waited_s / seconds


def _checked(batch: Batch | DataError) -> Batch:
    if isinstance(batch, DataError):
        raise batch
    return batch


def describe(cost: LoadingCost) -> str:
    """Return the measurement in a few lines."""
    lines = [
        f"{cost.recipe}: {cost.images} of {cost.images_available} training images, batches of "
        f"{cost.batch_size}, {cost.workers} worker{'' if cost.workers == 1 else 's'}, cache of "
        f"{cost.cache_mib} MiB (here as much smaller as the images are fewer)",
        f"{'':<15}{'images/s':>9}{'read':>9}{'augment':>9}{'match':>9}  from memory",
    ]
    for name, pace in (("first epoch", cost.first), ("later epochs", cost.later)):
        times = (pace.read_ms, pace.augment_ms, pace.match_ms)
        columns = "".join(f"{value:>6.2f} ms" for value in times)
        lines.append(f"{name:<15}{pace.images_per_s:>9.1f}{columns}{pace.cached:>13.0%}")
    lines.append(
        f"{'network step':<15}{cost.step_images_per_s:>9.1f}  {cost.device}, {cost.threads} threads"
        f", {cost.precision}: forward, backward and optimizer, on a batch in memory"
    )
    verdict = "at least" if cost.ratio >= WANTED_RATIO else "not"
    lines.append(
        f"loading is {cost.ratio:.1f} times as fast as the step in later epochs, {verdict} the "
        f"{WANTED_RATIO:g} times wanted, and {cost.first_ratio:.1f} times in the first"
    )
    lines.append(
        f"together, as in a training: {cost.together_images_per_s:.1f} images/s, the network waits "
        f"for images {cost.waiting:.0%} of the time"
    )
    return "\n".join(lines)
