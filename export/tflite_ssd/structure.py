"""What a TensorFlow Lite SSD is made of: a body of convolutions, heads by level, anchors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import ArtifactError
from .reader import Operator, Tensor, TfliteGraph

CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
LAYOUT = frozenset({"CONCATENATION", "RESHAPE"})
"""Operators that move the heads' values and change none."""
POSTPROCESS = "TFLite_Detection_PostProcess"
"""The custom operator at the end: decoding and non-maximum suppression."""


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The two convolutions of one level, whose outputs are [1, rows, columns, channels]."""

    rows: int
    columns: int
    anchors: int
    scores: Operator
    boxes: Operator


@dataclass(frozen=True, kw_only=True)
class SsdStructure:
    """A TensorFlow Lite SSD, its parts named.

    anchors: float32 [n, 4] as (cy, cx, h, w), shares of the image; anchor_step: of their 8-bit
        codes, 0 where they are floats. score_channels: of one anchor; the first of them are no
        class (the background). divisors: of the deltas (y, x, h, w): what the network gives is
        the delta times that.
    """

    graph: TfliteGraph
    image: Tensor
    levels: tuple[Heads, ...]
    anchors: npt.NDArray[np.float32]
    anchor_step: float
    score_channels: int
    classes: int
    divisors: tuple[float, float, float, float]

    @property
    def body(self) -> tuple[Operator, ...]:
        """Return the convolutions in the order of the file, heads and all."""
        return tuple(o for o in self.graph.operators if o.kind in CONVOLUTIONS)


def structure_of(graph: TfliteGraph, path: Path) -> SsdStructure:
    """Find the parts of an SSD in a graph.

    Raises ArtifactError, naming the operator, where the graph is another kind of network.
    """
    last = next((o for o in graph.operators if o.kind == POSTPROCESS), None)
    if last is None or len(last.inputs) != 3:
        raise ArtifactError(f"{path} does not end in {POSTPROCESS}: it is no SSD as TensorFlow's")
    producers = {number: o for o in graph.operators for number in o.outputs}
    boxes, scores, anchors = last.inputs
    activation = producers.get(scores)
    if activation is None or activation.kind != "LOGISTIC":
        found = activation.kind if activation else "nothing"
        raise ArtifactError(f"{path}: the scores go through {found}, only LOGISTIC is imported")
    table = graph.tensors[anchors]
    if table.values is None or table.values.ndim != 2 or table.values.shape[1] != 4:
        raise ArtifactError(f"{path}: the anchors {table.name} are no constant table [n, 4]")
    channels = graph.tensors[scores].shape[-1]
    pairs = zip(
        _convolutions(activation.inputs[0], producers, graph, path),
        _convolutions(boxes, producers, graph, path),
        strict=True,
    )
    structure = SsdStructure(
        graph=graph,
        image=graph.tensors[graph.inputs[0]],
        levels=tuple(_level(score, box, channels, graph, path) for score, box in pairs),
        anchors=table.values,
        anchor_step=table.scale or 0.0,
        score_channels=channels,
        classes=int(last.options["num_classes"]),
        divisors=tuple(float(last.options[f"{axis}_scale"]) for axis in "yxhw"),  # type: ignore[arg-type]
    )
    _check_body(structure, path)
    return structure


def _convolutions(
    number: int, producers: Mapping[int, Operator], graph: TfliteGraph, path: Path
) -> list[Operator]:
    """Return the convolutions that a tensor is put together from, in that order."""
    operator = producers.get(number)
    if operator is not None and operator.kind in CONVOLUTIONS:
        return [operator]
    if operator is None or operator.kind not in LAYOUT:
        found = operator.kind if operator else "an input"
        raise ArtifactError(
            f"{path}: between the heads and {POSTPROCESS} stands {found} "
            f"({graph.tensors[number].name}), which is no layout: it cannot be imported"
        )
    joined = operator.inputs if operator.kind == "CONCATENATION" else operator.inputs[:1]
    return [found for i in joined for found in _convolutions(i, producers, graph, path)]


def _level(
    scores: Operator, boxes: Operator, channels: int, graph: TfliteGraph, path: Path
) -> Heads:
    score_shape = graph.tensors[scores.outputs[0]].shape
    box_shape = graph.tensors[boxes.outputs[0]].shape
    anchors = box_shape[3] // 4
    if score_shape[:3] != box_shape[:3] or score_shape[3] != anchors * channels:
        raise ArtifactError(
            f"{path}: the heads {list(score_shape)} and {list(box_shape)} do not belong together: "
            f"{channels} scores and 4 deltas an anchor"
        )
    return Heads(
        rows=box_shape[1], columns=box_shape[2], anchors=anchors, scores=scores, boxes=boxes
    )


def _check_body(structure: SsdStructure, path: Path) -> None:
    """Raise ArtifactError where a convolution reads something that is none, or is of a new kind."""
    graph = structure.graph
    known = {graph.inputs[0]}
    for operator in structure.body:
        name = graph.tensors[operator.outputs[0]].name
        if operator.inputs[0] not in known:
            raise ArtifactError(f"{path}: {name} does not read a convolution: it is not imported")
        if "?" in (operator.padding, operator.activation) or operator.dilation != (1, 1):
            raise ArtifactError(
                f"{path}: {name} has a padding, activation or dilation that is not imported"
            )
        if any(graph.tensors[i].values is None for i in operator.inputs[1:]):
            raise ArtifactError(f"{path}: the weights of {name} are no constants")
        known.update(operator.outputs)
