"""From a Caffe network and its weights to a float ONNX graph with the outputs of an SSD."""

from __future__ import annotations

import difflib
from pathlib import Path

import onnx

from ...errors import ArtifactError
from .folding import Folded, fold
from .graph import IMAGE, Graph
from .pointwise import POINTWISE
from .reading import Layer, read_caffemodel, read_prototxt
from .sliding import SLIDING

LAYERS = {**SLIDING, **POINTWISE}
PRIORS = "PriorBox"
ENDS = frozenset({"DetectionOutput", "MultiBoxLoss"})
"""What stands behind the outputs: its first two inputs are the deltas and the scores."""


def import_caffe_ssd(weights: Path, prototxt: Path, opset: int) -> onnx.ModelProto:
    """Return a Caffe SSD as a float ONNX graph that `cut_foreign` understands.

    Input `image` [1, 3, h, w], normalised; outputs are what Caffe's DetectionOutput reads, or
    what no layer reads. Batch norms are folded; PriorBox and DetectionOutput are left to the
    contract. Raises ArtifactError, naming the layer, where a file is damaged, a layer is of an
    unknown type, or the weights are not this network's.
    """
    folded = fold(read_prototxt(prototxt), read_caffemodel(weights), weights)
    return build(folded, weights).model(opset)


def build(folded: Folded, weights_path: Path) -> Graph:
    """Return the graph of a folded network; raises as `import_caffe_ssd` does."""
    graph = Graph(folded, weights_path)
    ends: tuple[str, ...] | None = None
    priors = set[str]()
    for layer in folded.net.layers:
        if layer.kind in ENDS:
            ends = layer.inputs[:2]
        elif layer.kind == PRIORS or (layer.inputs and priors.issuperset(layer.inputs)):
            priors.update(layer.outputs)
        else:
            _add(graph, layer)
    read = {blob for layer in folded.net.layers for blob in layer.inputs}
    for blob in ends if ends is not None else graph.shapes.keys() - read:
        if blob not in graph.shapes:
            raise ArtifactError(f"{folded.net.path}: the output {blob} comes from no layer")
        graph.output(blob)
    return graph


def _add(graph: Graph, layer: Layer) -> None:
    if layer.kind not in LAYERS:
        near = difflib.get_close_matches(layer.kind, LAYERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(LAYERS))}"
        raise graph.wrong(layer, f"is of a type that is not imported: {hint}")
    if layer.name in (IMAGE, graph.net.image):
        raise graph.wrong(layer, "has the name of the input: rename it in both files")
    if not layer.inputs or len(layer.outputs) != 1:
        raise graph.wrong(layer, "must have an input and one output")
    unknown = [blob for blob in layer.inputs if blob not in graph.shapes]
    if unknown:
        raise graph.wrong(layer, f"reads the prior boxes {unknown[0]}: not imported")
    graph.shapes[layer.outputs[0]] = LAYERS[layer.kind](graph, layer)
