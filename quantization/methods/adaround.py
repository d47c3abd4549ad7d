"""AdaRound: whether each weight is rounded up or down is learnt from its layer's output.

Source: Up or Down? Adaptive Rounding for Post-Training Quantization, arXiv 2004.10568; the engine
is AIMET's. Each layer reads what the layers before it, already rounded, make of the images, and
learns to give what the float layer gives. The grid of the weights is not AIMET's but the
quantizer's own, so that the codes found here are the codes that the integer graph holds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from ...errors import ArtifactError
from ...recipe import QuantizationSection
from ...runtime.contract import InputSpec
from ...runtime.images import normalise
from ...runtime.scratch import scratch_folder
from ..graph_edits import IMAGE
from ..weight_grid import WeightGrid, weight_grids
from .engine import engine, heard, quiet
from .layer_samples import LayerSampling, sampled_by, with_learnt

KEY = "quantization.rounding: adaround"
STARTED = "Started Optimizing weight rounding"
"""What AIMET logs when it begins with a layer."""

Images = Sequence[npt.NDArray[np.uint8]]
Progress = Callable[[int, int], None]
Grid = tuple[npt.NDArray[np.float32], npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class RoundedModel:
    """A float graph whose convolutions' weights lie on their grids: (code - zero_point) * scale.

    scales: (scale, zero_point) by the weight's name; scale float32 [channels], or a number where
    all channels share it; zero_point of the same shape, int8 per channel, uint8 per tensor.
    """

    model: onnx.ModelProto
    scales: dict[str, Grid]


def round_weights(
    model: onnx.ModelProto,
    images: Images,
    spec: InputSpec,
    section: QuantizationSection,
    progress: Progress = lambda done, total: None,
) -> RoundedModel:
    """Return the float graph with learnt roundings, and the grids that the quantizer must keep.

    images: uint8 [1, h, w, 3] each, read once. progress: called with the convolutions done and
    their number. Same images, same result. Raises NotRunError where AIMET is missing,
    ArtifactError where the graph has no convolution or there is no image.
    """
    quantsim = engine("quantsim", KEY)
    method = engine("adaround.adaround_weight", KEY)
    optimizer = engine("adaround.adaround_optimizer", KEY)
    grids = weight_grids(model, section)
    if not grids:
        raise ArtifactError(f"{KEY}: the graph has no convolution with a constant weight")
    if not len(images):
        raise ArtifactError(f"{KEY}: there is no image to learn from")
    work = onnx.ModelProto()
    work.CopyFrom(model)
    with quiet(), heard(_Listener(progress, len(grids))), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        simulation = _simulation(quantsim, work, section)
        _set_grids(simulation, grids)
        on_grid = {name: partial(_on_grid, grid=grid) for name, grid in grids.items()}
        with sampled_by(optimizer, LayerSampling(model, on_grid)):
            method.Adaround.apply_adaround(
                simulation, _Inputs(images, spec), section.adaround_iterations
            )
    progress(len(grids), len(grids))
    return RoundedModel(
        model=with_learnt(model, simulation, on_grid),
        scales={name: (g.scale, g.zero_point) for name, g in grids.items()},
    )


def _simulation(quantsim: Any, work: onnx.ModelProto, section: QuantizationSection) -> Any:
    """Return AIMET's simulation of a graph with quantized weights and float activations."""
    per_channel = section.weights == "per_channel"
    config = {
        "defaults": {
            "ops": {},
            "params": {"is_quantized": "True", "is_symmetric": str(per_channel)},
            "per_channel_quantization": str(per_channel),
            "strict_symmetric": "False",
            "unsigned_symmetric": "False",
        },
        "params": {"bias": {"is_quantized": "False"}},
        "op_type": {},
        "supergroups": [],
        "model_input": {"is_input_quantized": "True"},  # AIMET takes no other answer
        "model_output": {},
    }
    with scratch_folder() as folder:
        path = folder / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        simulation = quantsim.QuantizationSimModel(work, config_file=str(path))
    for name in simulation.activation_names:
        simulation.qc_quantize_op_dict[name].enabled = False
    return simulation


def _set_grids(simulation: Any, grids: dict[str, WeightGrid]) -> None:
    """Give the simulation the quantizer's grids and keep it from computing its own."""
    common = engine("common.libpymo", KEY)
    for name, grid in grids.items():
        encodings = []
        kind = np.iinfo(grid.zero_point.dtype)
        pairs = zip(np.atleast_1d(grid.scale), np.atleast_1d(grid.zero_point), strict=True)
        for scale, zero_point in pairs:
            encoding = common.TfEncoding()
            encoding.bw, encoding.delta = kind.bits, float(scale)
            encoding.offset = kind.min - int(zero_point)  # of unsigned codes, Qualcomm's way
            encoding.min = encoding.offset * encoding.delta
            encoding.max = encoding.min + (kind.max - kind.min) * encoding.delta
            encodings.append(encoding)
        simulation.qc_quantize_op_dict[name].load_encodings(encodings)


def _on_grid(weight: npt.NDArray[np.float32], grid: WeightGrid) -> npt.NDArray[np.float32]:
    """Return the nearest points of the grid.

    AIMET leaves a weight between two codes where its learning has not come to an end; the nearer
    one is the side that it was learning to take.
    """
    kind = np.iinfo(grid.zero_point.dtype)
    shape = (-1, *[1] * (weight.ndim - 1)) if grid.scale.ndim else ()
    scale = grid.scale.astype(np.float64).reshape(shape)
    zero_point = grid.zero_point.astype(np.float64).reshape(shape)
    codes = np.clip(np.rint(weight / scale) + zero_point, kind.min, kind.max)
    return ((codes - zero_point) * scale).astype(np.float32)


class _Inputs:
    """The images as AIMET reads them: as often as it likes, as the graph's input."""

    def __init__(self, images: Images, spec: InputSpec) -> None:
        self._images, self._spec = images, spec

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
        for image in self._images:
            yield {IMAGE: normalise(image, self._spec)}


class _Listener(logging.Handler):
    """Turns AIMET's log into progress: it has no other sign of life that a caller could use."""

    def __init__(self, progress: Progress, total: int) -> None:
        super().__init__()
        self._progress, self._total, self._begun = progress, total, 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(STARTED):
            self._progress(min(self._begun, self._total), self._total)
            self._begun += 1
