"""Cross-layer equalisation: even out the channels' weight ranges without changing the function.

Source: Data-Free Quantization, arXiv 1906.04721, section 4.1. Between two convolutions that follow
each other directly, or with a ReLU between, channel i may leave the first divided by s_i and enter
the second multiplied by it. s_i = sqrt(r1_i / r2_i) gives both the same range there. AIMET finds
the chains (depthwise ones as triples) and scales them; here its sweep is repeated until nothing
moves, since neighbouring chains share a convolution, and the result is held against the original.

A ReLU6 (Clip 0..6) lets no factor through: min(x, 6) / s is min(x / s, 6 / s), a ceiling for every
channel. What can be done about it, with AP@0.5 of the shipped checkpoints in float, 64 calibration
images (`bccd` 91.7 on 72 images, `heads` 90.4 on 200 scenes):

- A ReLU in its place, which is what AIMET's `equalize_model` does, is another function: `bccd`
  falls to 84.4 and `heads` to 89.5 before anything is quantized. Not done.
- Ceilings by channel need a Min with a constant after each of 45 convolutions, nodes that the
  deployed graph must not have: as a range of an 8-bit tensor the one ceiling costs nothing.
- Factors of at most 1, or only in channels that stay under 6, are no more exact: a channel's
  ceiling moves with any factor, and which channels stay under 6 depends on the images.
- The linear bottlenecks have no activation. Where one feeds one convolution the pair is exact.

So a ReLU6 ends a chain here. That leaves MobileNetV2 two pairs; with a plain ReLU it has 28 chains.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from ...errors import ArtifactError, ParityError
from ..cpu_session import cpu_session
from ..difference import relative_difference
from .engine import engine, quiet

KEY = "quantization.equalise"
SWEEPS = 40
SETTLED = 1e-3
"""Largest change of a factor, as |log s|, after which a sweep is the last."""
ALLOWED = 1e-4
"""Largest difference of an output, as a share of its range: what float32 rounds, with room."""
CHECKS = 2
PASSES = {"Relu", "PRelu"}
"""Operators that let a positive factor through."""


def equalise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the float graph with other weights and biases of the same function.

    Names, nodes and shapes stay. Batch norms must be folded already. Raises NotRunError where AIMET
    is missing, ArtifactError where no two convolutions can be equalised, ParityError where an
    output moved by more than 1e-4 of its range.
    """
    aimet = engine("cross_layer_equalization", KEY)
    work = onnx.ModelProto()
    work.CopyFrom(model)
    for weight in work.graph.initializer:  # AIMET writes raw bytes, whatever was there before
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight), weight.name))
    for _ in range(SWEEPS):
        with quiet(), np.errstate(all="ignore"):
            chains = aimet.CrossLayerScaling(work).scale_model()
        if not chains:
            raise ArtifactError(f"{KEY}: {_obstacle(model)}")
        factors = [p.scale_factor for chain in chains for p in chain.cls_pair_info_list]
        if max(float(np.abs(np.log(s)).max()) for s in factors) < SETTLED:
            break
    result = onnx.ModelProto()
    result.CopyFrom(model)
    known = {weight.name: weight for weight in work.graph.initializer}
    for weight in result.graph.initializer:
        weight.CopyFrom(known[weight.name])
    _check(model, result)
    return result


def _check(before: onnx.ModelProto, after: onnx.ModelProto) -> None:
    """Raise ParityError where the two graphs compute different functions, on seeded noise."""
    sessions = cpu_session(before), cpu_session(after)
    (image,) = sessions[0].get_inputs()
    rng = np.random.default_rng(0)
    names = [output.name for output in sessions[0].get_outputs()]
    for _ in range(CHECKS):
        noise = rng.uniform(-1, 1, image.shape).astype(np.float32)
        expected, found = (s.run(names, {image.name: noise}) for s in sessions)
        for name, a, b in zip(names, expected, found, strict=True):
            difference = relative_difference(a, b)
            if not difference <= ALLOWED:
                raise ParityError(
                    f"{KEY}: equalised, {name} differs by {difference:.1e} of its range, allowed "
                    f"{ALLOWED:g}: leave equalisation out, and report the graph"
                )


def _obstacle(model: onnx.ModelProto) -> str:
    """Say what stands between the convolutions of a graph without a chain."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {output.name for output in model.graph.output}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        tensor, after = node.output[0], readers.get(node.output[0], [])
        while len(after) == 1 and after[0].op_type in PASSES:
            tensor = after[0].output[0]
            after = readers.get(tensor, [])
        if tensor in outputs or not after:
            continue
        first = after[0]
        if len(after) > 1:
            what = f"a branch to {len(after)} nodes ({tensor})"
        else:
            what = f"{first.op_type} ({first.name or first.output[0]})"
        if len(after) == 1 and first.op_type == "Clip":
            what += ", whose ceiling no factor passes"
        return (
            f"no two convolutions follow each other directly or through a ReLU: behind the first "
            f"stands {what}; leave it out for this network"
        )
    return "the graph has no two convolutions that follow each other: nothing to equalise"
