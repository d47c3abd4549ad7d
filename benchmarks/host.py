"""A bundle's float and INT8 graphs on this machine's processor: time, memory, and what takes it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import DataError, ToolError, UsageError
from ..runtime.backend import CpuBackend, graph_path
from ..runtime.contract import load_contract
from ..runtime.cores import available_cores
from ..runtime.detector import Detector
from ..runtime.files import sha256_of
from ..runtime.signature import Precision
from .host_profile import Profile, profile
from .results import Result, recorder

PRECISIONS: tuple[Precision, Precision] = ("float", "int8")
WARM_UP = 5
STEPS = ("pre", "net", "post", "call")
MEMORY_LIMIT_S = 300.0

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long something took, milliseconds; spread: half the distance of the quartiles."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    spread_ms: float


@dataclass(frozen=True, kw_only=True)
class HostCost:
    """One graph on onnxruntime's CPU provider.

    times: of the steps pre, net, post and of the whole call. throughput: calls a second, by the
    mean call. memory_bytes: what opening the network and running it added to the resident memory
    of a process of its own; None where the system does not tell.
    """

    precision: Precision
    sha256: str
    times: dict[str, Times]
    throughput: float
    memory_bytes: int | None
    profile: Profile


@dataclass(frozen=True, kw_only=True)
class HostCosts:
    """Both graphs, measured in turns.

    speedup: the float network's time over the INT8 one's, the median over the rounds of both
    beside each other; speedup_spread: half the distance of its quartiles.
    """

    name: str
    threads: int
    cores: tuple[int, ...]
    rounds: int
    image: tuple[int, int]
    costs: tuple[HostCost, HostCost]
    speedup: float
    speedup_spread: float


def measure(
    bundle: Path, images: Sequence[Pixels], *, threads: int = 1, rounds: int = 50, profiled: int = 9
) -> HostCosts:
    """Time both graphs of a bundle in turns, on `threads` cores that the process is pinned to.

    images: BGR, taking turns. rounds: of each graph, after the warm-up. profiled: runs under
    onnxruntime's profiler, apart from the timed ones. Raises ArtifactError for a bundle that is not
    complete, UsageError where there are fewer cores than threads, DataError without images.
    """
    if not images:
        raise DataError("there is no image to time the detector on")
    allowed = available_cores()
    if threads > len(allowed):
        raise UsageError(f"--threads {threads}: this process may use {len(allowed)} cores")
    cores = tuple(allowed[:threads])
    memory = {precision: memory_increment(bundle, precision, threads) for precision in PRECISIONS}
    with _pinned(cores):
        table = _timed(bundle, images, threads, rounds)
        profiles = [
            profile(bundle, precision, images[0], threads=threads, runs=profiled)
            for precision in PRECISIONS
        ]
    ratios = table[:, 0, STEPS.index("net")] / table[:, 1, STEPS.index("net")]
    costs = [
        HostCost(
            precision=precision,
            sha256=sha256_of(graph_path(bundle, precision)),
            times={step: _times(table[:, place, n]) for n, step in enumerate(STEPS)},
            throughput=1e3 / float(table[:, place, STEPS.index("call")].mean()),
            memory_bytes=memory[precision],
            profile=profiles[place],
        )
        for place, precision in enumerate(PRECISIONS)
    ]
    return HostCosts(
        name=bundle.resolve().name,
        threads=threads,
        cores=cores,
        rounds=rounds,
        image=(images[0].shape[1], images[0].shape[0]),
        costs=(costs[0], costs[1]),
        speedup=float(np.median(ratios)),
        speedup_spread=_spread(ratios),
    )


def memory_increment(bundle: Path, precision: Precision, threads: int) -> int | None:
    """Return the bytes that a network adds to the resident memory of a fresh process, at its peak.

    None where the system does not tell. Raises ToolError where the process fails.
    """
    command = [sys.executable, "-m", "hexdet.benchmarks.host_memory"]
    command += [str(bundle.resolve()), precision, str(threads)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MEMORY_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{bundle} took over {MEMORY_LIMIT_S:g} s to run in a process") from error
    try:
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        said = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise ToolError(f"the process that measures {bundle}'s memory failed: {said}") from None
    increment = found["increment"]
    return None if increment is None else int(increment)


def _timed(
    bundle: Path, images: Sequence[Pixels], threads: int, rounds: int
) -> npt.NDArray[np.float64]:
    """Return milliseconds [round, precision, step]; the graphs take turns in going first."""
    contract = load_contract(bundle)
    table = np.empty((WARM_UP + rounds, len(PRECISIONS), len(STEPS)))
    with contextlib.ExitStack() as open_ones:
        detectors = [
            open_ones.enter_context(
                Detector(contract, CpuBackend(bundle, contract, precision, threads=threads))
            )
            for precision in PRECISIONS
        ]
        for turn in range(WARM_UP + rounds):
            image = images[turn % len(images)]
            for place in (0, 1) if turn % 2 else (1, 0):
                table[turn, place] = _steps(detectors[place], image)
    return table[WARM_UP:]


def _steps(detector: Detector, image: Pixels) -> tuple[float, float, float, float]:
    """Return what the three steps of a call take and all of it, milliseconds."""
    thresholds = detector.thresholds()
    first = time.perf_counter_ns()
    prepared = detector.prepare(image)
    second = time.perf_counter_ns()
    outputs = detector.infer(prepared.pixels)
    third = time.perf_counter_ns()
    detector.finish(outputs, prepared.placement, thresholds)
    last = time.perf_counter_ns()
    pre, net, post = second - first, third - second, last - third
    return pre / 1e6, net / 1e6, post / 1e6, (last - first) / 1e6


@contextlib.contextmanager
def _pinned(cores: Sequence[int]) -> Iterator[None]:
    """Keep this process on some cores, and OpenCV on as many threads; Linux only, else no pin."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(len(cores))
    before = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    try:
        if before is not None:
            os.sched_setaffinity(0, set(cores))
        yield
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)
        cv2.setNumThreads(threads)


def _times(values: npt.NDArray[np.float64]) -> Times:
    p50, p90, p99 = np.percentile(values, (50, 90, 99)).tolist()
    return Times(p50_ms=p50, p90_ms=p90, p99_ms=p99, spread_ms=_spread(values))


def _spread(values: npt.NDArray[np.float64]) -> float:
    low, high = np.percentile(values, (25, 75)).tolist()
    return float(high - low) / 2


def results(found: HostCosts) -> list[Result]:
    """Return what is worth remembering: times of each graph, and the ratio that machines share."""
    rows = []
    for cost in found.costs:
        record = recorder(
            artifact=f"{found.name}/{cost.precision}.onnx",
            sha256=cost.sha256,
            backend=f"onnxruntime CPU, threads: {found.threads}",
        )
        for step, times in cost.times.items():
            rows.append(
                record(f"host_{step}", times.p50_ms, "ms", n=found.rounds, spread=times.spread_ms)
            )
        rows.append(record("host_throughput", cost.throughput, "1/s", n=found.rounds))
        if cost.memory_bytes is not None:
            rows.append(record("host_memory_increment", cost.memory_bytes, "B"))
        if cost.precision == "int8":
            rows.append(
                record(
                    "host_speedup_over_float",
                    found.speedup,
                    "1",
                    n=found.rounds,
                    spread=found.speedup_spread,
                )
            )
    return rows
