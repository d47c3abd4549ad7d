"""A Caffe network written again without its batch norms, as Caffe's merge_bn scripts do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import text_format

from ...errors import ArtifactError
from ...runtime.files import write_bytes, write_text
from .folding import Folded, fold
from .reading import Float, read_caffemodel, read_prototxt
from .schema import message_class


def write_merged(weights: Path, prototxt: Path, out: Path) -> tuple[Path, int]:
    """Write `out` and the prototxt of the same name beside it; return that, and what was folded.

    The definition is the one for inference: what only a training reads (fillers, learning rates,
    data layers) is left out. Raises ArtifactError where a file is damaged, the two do not belong
    together, or one of them would be overwritten.
    """
    beside = out.with_suffix(".prototxt")
    taken = {weights.resolve(), prototxt.resolve()} & {out.resolve(), beside.resolve()}
    if taken or beside == out:
        raise ArtifactError(f"{out}, or the prototxt beside it, is an input: give another name")
    folded = fold(read_prototxt(prototxt), read_caffemodel(weights), weights)
    definition, values = _messages(folded)
    write_bytes(out, values.SerializeToString())
    write_text(beside, text_format.MessageToString(definition))
    return beside, len(folded.folded)


def _messages(folded: Folded) -> tuple[Any, Any]:
    """Return the definition and the weights as Caffe's messages."""
    net = folded.net
    definition = message_class("NetParameter")(name=net.name)
    definition.input.append(net.image)
    definition.input_shape.add(dim=[1, 3, net.height, net.width])
    values = message_class("NetParameter")(name=net.name)
    for layer in net.layers:
        if layer.kind == "MultiBoxLoss":
            continue
        written = definition.layer.add()
        written.CopyFrom(layer.parameters)
        # A norm that had an output of its own gives its name to the convolution's.
        written.bottom[:] = [net.blobs[blob] for blob in layer.inputs]
        written.top[:] = [net.blobs[blob] for blob in layer.outputs]
        if layer.name in folded.into:
            written.convolution_param.bias_term = True
        made = values.layer.add(name=layer.name, type=layer.kind)
        for blob in folded.weights.get(layer.name, ()):
            _add(made, blob)
    return definition, values


def _add(layer: Any, blob: Float) -> None:
    made = layer.blobs.add()
    made.shape.dim.extend(blob.shape)
    made.data.extend(blob.reshape(-1).tolist())
