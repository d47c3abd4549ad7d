"""What calibration costs: its memory by the number of images, its time beside onnxruntime's."""

from __future__ import annotations

import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator

from ..calibration_data.images import CalibrationImages
from ..errors import ToolError
from ..quantization.graph_edits import absorb_clips, cut_output_transposes
from ..quantization.ranges.calibration import find_ranges
from ..quantization.ranges.measuring import Images
from ..quantization.widths import choose_widths
from ..recipe import QuantizationSection
from ..runtime.backend import graph_path
from ..runtime.contract import InputSpec, load_contract
from ..runtime.images import normalise
from ..runtime.scratch import scratch_folder

ESTIMATORS = ("minmax", "percentile", "entropy", "mse")
FEW, MANY = 50, 500
TIMED = 64
"""Images of a timing: with fewer, what every estimator pays once would decide."""


@dataclass(frozen=True, kw_only=True)
class MemoryCost:
    """Peak memory of a whole process that calibrates, MiB, with few and with many images."""

    ranges: str
    few: int
    many: int
    few_mib: float
    many_mib: float

    @property
    def ratio(self) -> float:
        """Return what many images need as a multiple of what few need."""
        return self.many_mib / self.few_mib


@dataclass(frozen=True, kw_only=True)
class TimeCost:
    """Seconds to calibrate with so many images, medians of `rounds`.

    onnxruntime_s: its min-max calibration of the same graph with the same images. ratio: the median
    over the rounds of ours as a multiple of onnxruntime's in the same round, so that a slow moment
    of the machine counts for both.
    """

    ranges: str
    images: int
    rounds: int
    ours_s: float
    onnxruntime_s: float
    ratio: float


def measure_memory(
    bundle: Path, ranges: str, *, few: int = FEW, many: int = MANY, time_limit_s: float = 3600
) -> MemoryCost:
    """Calibrate a bundle's float graph in processes of their own, and read their peak memory.

    ranges: one of ESTIMATORS. Raises ToolError where a process fails or takes too long.
    """
    found = {count: _peak_mib(bundle, ranges, count, time_limit_s) for count in (few, many)}
    return MemoryCost(ranges=ranges, few=few, many=many, few_mib=found[few], many_mib=found[many])


def measure_time(
    bundle: Path,
    *,
    estimators: Sequence[str] = ESTIMATORS,
    images: int = TIMED,
    rounds: int = 3,
) -> list[TimeCost]:
    """Time each estimator and onnxruntime's min-max calibration, taking turns, set-up included."""
    spec = load_contract(bundle).input
    model = onnx.load(graph_path(bundle, "float"))
    pictures = noise(spec, images)
    times: dict[str, list[float]] = {name: [] for name in ("onnxruntime", *estimators)}
    _onnxruntime(model, pictures[:1], spec)  # the first session of a process starts the threads
    for _ in range(rounds):
        for name, taken in times.items():
            begun = time.perf_counter()
            if name == "onnxruntime":
                _onnxruntime(model, pictures, spec)
            else:
                _ours(model, pictures, spec, name)
            taken.append(time.perf_counter() - begun)
    theirs = times["onnxruntime"]
    return [
        TimeCost(
            ranges=name,
            images=images,
            rounds=rounds,
            ours_s=statistics.median(times[name]),
            onnxruntime_s=statistics.median(theirs),
            ratio=statistics.median(a / b for a, b in zip(times[name], theirs, strict=True)),
        )
        for name in estimators
    ]


def noise(spec: InputSpec, count: int) -> CalibrationImages:
    """Return seeded pictures of blurred noise: calibration costs the same on any pixels."""
    rng = np.random.default_rng(0)
    images = CalibrationImages("noise", spec)
    for index in range(count):
        coarse = rng.integers(0, 256, (spec.height // 8 + 1, spec.width // 8 + 1, 3))
        pixels = coarse.repeat(8, axis=0).repeat(8, axis=1)[: spec.height, : spec.width]
        images.add(f"noise-{index}", pixels[None].astype(np.uint8))
    return images


def _ours(model: onnx.ModelProto, images: Images, spec: InputSpec, ranges: str) -> None:
    section = QuantizationSection.model_validate({"ranges": ranges})
    cut, plain = onnx.ModelProto(), onnx.ModelProto()
    cut.CopyFrom(model)
    cut_output_transposes(cut)
    plain.CopyFrom(cut)
    absorb_clips(plain)
    find_ranges(cut, choose_widths(plain, spec, section, {}).bits, images, spec, section)


def _onnxruntime(model: onnx.ModelProto, images: Images, spec: InputSpec) -> None:
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    cut_output_transposes(cut)
    with scratch_folder() as folder:
        source = folder / "float.onnx"
        onnx.save(cut, source)
        calibrator = create_calibrator(
            source,
            [*{node.op_type for node in cut.graph.node}],
            augmented_model_path=str(folder / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Reader(images, spec))
        calibrator.compute_data()


class _Reader:
    """The images as onnxruntime's calibrators ask for them."""

    def __init__(self, images: Images, spec: InputSpec) -> None:
        self._images: Iterator[object] = ({"image": normalise(pixels, spec)} for pixels in images)

    def get_next(self) -> object:
        """Return the next image as the graph's input, None after the last."""
        return next(self._images, None)


def _peak_mib(bundle: Path, ranges: str, count: int, time_limit_s: float) -> float:
    command = [sys.executable, "-m", "hexdet.benchmarks.calibration"]
    try:
        done = subprocess.run(
            [*command, str(bundle), ranges, str(count)],
            capture_output=True,
            text=True,
            timeout=time_limit_s,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"calibrating with {count} images took over {time_limit_s:g} s") from error
    except subprocess.CalledProcessError as error:
        last = " | ".join(error.stderr.strip().splitlines()[-3:])
        raise ToolError(f"calibrating with {count} images failed: {last}") from error
    return float(json.loads(done.stdout)["peak_mib"])


def _calibrate_once(bundle: Path, ranges: str, count: int) -> None:
    """Calibrate, and print this process's peak memory as JSON."""
    spec = load_contract(bundle).input
    _ours(onnx.load(graph_path(bundle, "float")), noise(spec, count), spec, ranges)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"peak_mib": peak_kib / 1024}))


def main(arguments: Sequence[str]) -> None:
    """Calibrate once, or with a bundle alone measure everything and print it as JSON lines."""
    bundle = Path(arguments[0])
    if len(arguments) > 1:
        _calibrate_once(bundle, arguments[1], int(arguments[2]))
        return
    for cost in measure_time(bundle):
        print(json.dumps(dataclasses.asdict(cost)), flush=True)
    for name in ESTIMATORS:
        memory = measure_memory(bundle, name)
        print(json.dumps({**dataclasses.asdict(memory), "ratio": memory.ratio}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
