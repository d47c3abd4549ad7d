"""What a layer reads and what it should give, image by image: what AdaRound learns from.

AIMET's own sampler runs its whole simulation, custom operators and all, twice for each layer and
image, which takes longer than the learning. Only what lies before the layer matters: here the
float graph is cut there, and the weights that were rounded already stand in it on their grid.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.utils import Extractor

from ..cpu_session import cpu_session
from ..graph_edits import IMAGE

Float = npt.NDArray[np.float32]
OnGrid = Callable[[Float], Float]
"""Moves a weight onto its grid."""


class LayerSampling:
    """Makes the samplers of one float graph, in AIMET's place."""

    def __init__(self, model: onnx.ModelProto, on_grid: Mapping[str, OnGrid]) -> None:
        """on_grid: what puts a weight onto its grid, by the weight's name."""
        self._model = onnx.shape_inference.infer_shapes(model)
        self._producers = {name: node for node in model.graph.node for name in node.output}
        self._on_grid = on_grid

    def __call__(
        self, output: str, _quantized_input: str, simulation: Any, _float_model: Any
    ) -> _LayerSampler:
        """Return the sampler of the layer that gives `output`; the arguments are AIMET's."""
        rounded = with_learnt(self._model, simulation, self._on_grid)
        read = self._producers[output].input[0]
        return _LayerSampler(_until(rounded, read), _until(self._model, output))


class _LayerSampler:
    """Runs what lies before a layer; has the methods of AIMET's `ActivationSampler`."""

    def __init__(self, before: Callable[[Float], Float], target: Callable[[Float], Float]) -> None:
        self._before, self._target = before, target

    def sample_acts(self, inputs: Mapping[str, Float]) -> tuple[Float, Float]:
        """Return what the layer reads behind rounded layers, and what the float layer gives."""
        return self._before(inputs[IMAGE]), self._target(inputs[IMAGE])

    def sample_and_place_all_acts_on_cpu(
        self, dataset: Sequence[Mapping[str, Float]]
    ) -> tuple[list[Float], list[Float]]:
        """Return the samples of all images."""
        # By position: AIMET's dataset does not say where it ends.
        pairs = [self.sample_acts(dataset[index]) for index in range(len(dataset))]
        return [read for read, _ in pairs], [given for _, given in pairs]

    def restore_graph(self) -> None:
        """Do nothing: no graph of AIMET's was changed."""


def with_learnt(
    model: onnx.ModelProto, simulation: Any, on_grid: Mapping[str, OnGrid]
) -> onnx.ModelProto:
    """Return a copy of a float graph with the weights of AIMET's simulation, put on their grids."""
    learnt = {w.name: w for w in simulation.model.model.graph.initializer}
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for weight in result.graph.initializer:
        if weight.name in on_grid:
            values = on_grid[weight.name](numpy_helper.to_array(learnt[weight.name]))
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    return result


def _until(model: onnx.ModelProto, tensor: str) -> Callable[[Float], Float]:
    """Return the function from the image to a tensor of the graph."""
    if tensor == IMAGE:
        return lambda image: image
    session = cpu_session(Extractor(model).extract_model([IMAGE], [tensor]))
    return lambda image: np.asarray(session.run([tensor], {IMAGE: image})[0], np.float32)


@contextlib.contextmanager
def sampled_by(optimizer: ModuleType, sampling: LayerSampling) -> Iterator[None]:
    """Let AIMET's optimizer of roundings take its samples from here."""
    own = optimizer.ActivationSampler
    optimizer.ActivationSampler = sampling  # type: ignore[attr-defined]
    try:
        yield
    finally:
        optimizer.ActivationSampler = own  # type: ignore[attr-defined]
