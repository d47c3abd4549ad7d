"""What several emulators at once bring to an evaluation, beside one alone."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from ..datasets.record import Dataset
from ..errors import DataError, UsageError
from ..evaluation.parallel import DetectorPool
from ..evaluation.running import stream
from ..runtime.contract import load_contract
from ..runtime.cores import available_cores
from ..runtime.detector import Detector
from ..runtime.htp import HtpBackend

REQUIRED_RATIO = 1.8
BURST = 6
"""Images a worker and round: long enough that none waits at the end for long."""


@dataclass(frozen=True, kw_only=True)
class EvaluationCost:
    """Emulated evaluation of a bundle, seconds an image, medians of `rounds`.

    ratio: throughput of all workers as a multiple of one worker's, the median over the rounds of
    both beside each other, so that a slow moment of the machine counts for both. *_cpu_s: processor
    time of the emulators, an image. others: share of the machine's time that other programs took,
    0 to 1; with more than a few hundredths the ratio says little. Both are nan where the system
    does not tell.
    """

    workers: int
    cores: int
    images: int
    rounds: int
    one_s: float
    many_s: float
    one_cpu_s: float
    many_cpu_s: float
    ratio: float
    others: float


def measure(
    bundle: Path, dataset: Dataset, *, images: int = 24, workers: int | None = None
) -> EvaluationCost:
    """Evaluate with one worker and with many, taking turns, the others closed meanwhile.

    An emulator that waits for its next picture keeps threads busy, which would slow the other side.

    images: of the dataset, about so many in all for each. workers: one a core where None. Raises
    ArtifactError where the bundle is incomplete, ToolError where the emulator fails, DataError
    without images, UsageError with fewer than two workers.
    """
    if not len(dataset):
        raise DataError(f"{dataset.name} has no image to evaluate")
    contract = load_contract(bundle)
    many = len(available_cores()) if workers is None else workers
    if many < 2:
        raise UsageError("one worker has nothing to be compared with: give at least two")
    burst = BURST * many
    rounds = max(1, images // burst)

    def open_one() -> Detector:
        return Detector(contract, HtpBackend(bundle, contract))

    def job(detector: Detector, index: int) -> None:
        detector(dataset[index % len(dataset)].image)

    walls: dict[int, list[float]] = {1: [], many: []}
    cpus: dict[int, list[float]] = {1: [], many: []}
    whole = others = 0.0
    for turn in range(rounds):
        for count in (1, many) if turn % 2 else (many, 1):
            with DetectorPool(open_one, count) as pool:
                list(stream(pool, job, range(count)))  # the first picture takes longer
                before, cpu, busy, own = time.monotonic(), _children_s(), _busy_s(), _own_s()
                list(stream(pool, job, range(turn * burst, (turn + 1) * burst)))
                wall = time.monotonic() - before
                walls[count].append(wall / burst)
                cpus[count].append((_children_s() - cpu) / burst)
                whole += wall * (os.cpu_count() or 1)
                others += max(0.0, (_busy_s() - busy) - (_own_s() - own))
    return EvaluationCost(
        workers=many,
        cores=len(available_cores()),
        images=rounds * burst,
        rounds=rounds,
        one_s=statistics.median(walls[1]),
        many_s=statistics.median(walls[many]),
        one_cpu_s=statistics.median(cpus[1]),
        many_cpu_s=statistics.median(cpus[many]),
        ratio=statistics.median(a / b for a, b in zip(walls[1], walls[many], strict=True)),
        others=others / whole,
    )


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + _children_s()


def _children_s() -> float:
    """Return the processor time of this process's running children, nan without /proc."""
    total, tick = 0.0, os.sysconf("SC_CLK_TCK")
    if not Path("/proc/self/stat").exists():
        return float("nan")
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[1]) == os.getpid():  # proc(5): ppid is field 4, utime and stime 14 and 15
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


def _busy_s() -> float:
    """Return the time that all cores have worked since the machine started, nan without /proc."""
    try:
        fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()
    except OSError:
        return float("nan")
    user, nice, system, _, _, irq, soft_irq = (int(v) for v in fields[1:8])
    return (user + nice + system + irq + soft_irq) / os.sysconf("SC_CLK_TCK")


def describe(cost: EvaluationCost) -> str:
    """Return the measurement in three lines."""
    verdict = "reaches" if cost.ratio >= REQUIRED_RATIO else "misses"
    return (
        f"{cost.images} images each on {cost.cores} cores, medians of {cost.rounds} rounds: "
        f"one worker {cost.one_s:.3f} s an image ({cost.one_cpu_s:.3f} s of processor time), "
        f"{cost.workers} workers {cost.many_s:.3f} s ({cost.many_cpu_s:.3f} s)"
        f"\nratio {cost.ratio:.2f}, {verdict} the required {REQUIRED_RATIO:g}"
        f"\nother programs took {cost.others:.0%} of the machine meanwhile"
    )
