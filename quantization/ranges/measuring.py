"""What the float graph's activations are on the calibration images, one image at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ...errors import DataError
from ...runtime.contract import InputSpec
from ...runtime.images import normalise
from ..cpu_session import cpu_session
from ..graph_edits import IMAGE
from .histogram import GrowingHistogram, Histogram

Pixels = npt.NDArray[np.uint8]
Images = Sequence[Pixels]
"""Calibration images, uint8 [1, h, w, 3] each."""
Progress = Callable[[int, int], None]

LATTICE = 32
"""A histogram takes at most so many rows and columns of a map, evenly spaced."""
LOW, HIGH, SCALE, BINS = "_low", "_high", "_per_bin", "_bins"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """The smallest and the largest value of a tensor over all images."""

    low: float
    high: float

    @property
    def largest(self) -> float:
        """Return the largest magnitude."""
        return max(-self.low, self.high)


def measure_extremes(
    model: onnx.ModelProto,
    names: Sequence[str],
    images: Images,
    spec: InputSpec,
    progress: Progress = lambda done, total: None,
) -> dict[str, Extremes]:
    """Return the extremes of the named tensors of a float graph, exact, over all images.

    Raises DataError where there is no image, or a value is not finite, or a tensor has the same
    value everywhere on all images; unless that is 0: a dead layer is legal, and warned of.
    """
    session = _session(model, names, histograms=False)
    found: dict[str, Extremes] = {}
    for done, image in enumerate(_readable(images), 1):
        values = session.run(None, {IMAGE: normalise(image, spec)})
        found = _widened(found, _extremes(names, values))
        progress(done, len(images))
    _check_varies(found, len(images))
    return found


def measure_histograms(
    model: onnx.ModelProto,
    names: Sequence[str],
    images: Images,
    spec: InputSpec,
    progress: Progress = lambda done, total: None,
) -> dict[str, Histogram]:
    """Return the histograms of the named tensors of a float graph over all images.

    Of maps with more than LATTICE rows or columns, evenly spaced ones are counted: neighbours are
    much alike. The ends of the histograms are the extremes of all values, exact. One pass: the
    bins follow what is seen. Raises DataError as `measure_extremes` does.
    """
    session = _session(model, names, histograms=True)
    found: dict[str, Extremes] = {}
    counted: dict[str, GrowingHistogram] = {}
    for done, image in enumerate(_readable(images), 1):
        feed = {IMAGE: normalise(image, spec)}
        exponents = {name: counted[name].exponent if counted else 0 for name in names}
        values = session.run(None, {**feed, **_scales(exponents)})
        extremes = _extremes(names, values)
        counted = counted or {n: GrowingHistogram(e.largest) for n, e in extremes.items()}
        needed = {n: counted[n].exponent_of_int16(e.largest) for n, e in extremes.items()}
        if needed != exponents:  # the first image, or one with far larger values than those before
            values = session.run(None, {**feed, **_scales(needed)})
        for name, bins in zip(names, values[2 * len(names) :], strict=True):
            counted[name].add(bins, needed[name], extremes[name].largest)
        found = _widened(found, extremes)
        progress(done, len(images))
    _check_varies(found, len(images))
    return {n: counted[n].finish(e.low, e.high) for n, e in found.items()}


def _readable(images: Images) -> Images:
    if not len(images):
        raise DataError("there is no calibration image: the ranges cannot be measured")
    return images


def _session(
    model: onnx.ModelProto, names: Sequence[str], *, histograms: bool
) -> onnxruntime.InferenceSession:
    """Return the graph with the extremes, and on request the bins, of tensors as its outputs."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    graph = exposed.graph
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in [*inferred.value_info, *inferred.output]
    }
    del graph.output[:]
    for suffix, operator in ((LOW, "ReduceMin"), (HIGH, "ReduceMax")):
        for name in names:
            graph.node.append(helper.make_node(operator, [name], [name + suffix], keepdims=0))
            graph.output.append(helper.make_tensor_value_info(name + suffix, TensorProto.FLOAT, []))
    for name in names if histograms else ():
        _append_bins(graph, name, shapes[name])
    return cpu_session(exposed)


def _append_bins(graph: onnx.GraphProto, name: str, shape: list[int]) -> None:
    """Append the nodes that give int16 trunc(value * scale) on the lattice, scale an input."""
    source = name
    steps = [-(-side // LATTICE) if axis > 1 else 1 for axis, side in enumerate(shape)]
    if max(steps, default=1) > 1:
        axes = [axis for axis, step in enumerate(steps) if step > 1]
        lists = {
            "starts": [steps[axis] // 2 for axis in axes],
            "ends": [shape[axis] for axis in axes],
            "axes": axes,
            "steps": [steps[axis] for axis in axes],
        }
        for key, values in lists.items():
            constant = numpy_helper.from_array(np.array(values, np.int64), f"{name}_{key}")
            graph.initializer.append(constant)
        source = name + "_lattice"
        inputs = [name, *(f"{name}_{key}" for key in lists)]
        graph.node.append(helper.make_node("Slice", inputs, [source]))
    graph.input.append(helper.make_tensor_value_info(name + SCALE, TensorProto.FLOAT, []))
    graph.node.append(helper.make_node("Mul", [source, name + SCALE], [name + "_in_bins"]))
    graph.node.append(
        helper.make_node("Cast", [name + "_in_bins"], [name + BINS], to=TensorProto.INT16)
    )
    graph.output.append(helper.make_tensor_value_info(name + BINS, TensorProto.INT16, None))


def _scales(exponents: dict[str, int]) -> dict[str, npt.NDArray[np.float32]]:
    return {name + SCALE: np.array(2.0**-e, np.float32) for name, e in exponents.items()}


def _extremes(
    names: Sequence[str], values: Sequence[npt.NDArray[np.float32]]
) -> dict[str, Extremes]:
    found = {}
    for name, low, high in zip(names, values, values[len(names) :], strict=False):
        if not (np.isfinite(low) and np.isfinite(high)):
            raise DataError(
                f"the activation {name} of the float graph is not finite on a calibration image: "
                f"train the network again, or find what is wrong with the image"
            )
        found[name] = Extremes(low=float(low), high=float(high))
    return found


def _widened(a: dict[str, Extremes], b: dict[str, Extremes]) -> dict[str, Extremes]:
    if not a:
        return b
    return {
        n: Extremes(low=min(a[n].low, e.low), high=max(a[n].high, e.high)) for n, e in b.items()
    }


def _check_varies(found: dict[str, Extremes], images: int) -> None:
    for name, e in found.items():
        if e.low == e.high == 0:
            logger.warning("the activation %s is 0 everywhere on %d images", name, images)
        elif e.low == e.high:
            raise DataError(
                f"the activation {name} is {e.low:g} everywhere on all {images} calibration "
                f"images: calibrate with other images, or train the network again"
            )
