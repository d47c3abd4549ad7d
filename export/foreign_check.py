"""Proof that a cut foreign graph loses nothing: its heads, and what the original makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, product

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from ..errors import ArtifactError, ParityError
from ..quantization.cpu_session import cpu_session
from ..quantization.difference import relative_difference
from ..runtime.activation import activate
from ..runtime.anchors import all_anchors
from ..runtime.boxes import clip, decode, to_centred
from ..runtime.contract import DetectorContract
from .tolerances import FLOAT_GRAPH, FOREIGN_OUTPUT

Array = npt.NDArray[np.float32]
SHOWN = 6


def check_cut(
    original: onnx.ModelProto,
    feeds: Mapping[str, set[str]],
    named: Mapping[str, str],
    result: onnx.ModelProto,
    contract: DetectorContract,
    where: str,
) -> dict[str, str]:
    """Compare a cut graph with the original on one image; return what each output turned out to be.

    feeds: the outputs of the original that each head, by its own name, has a part in.
    named: our name of each head. Raises ParityError where a head is not the convolution it came
    from, ArtifactError where the contract does not explain an output of the original.
    """
    shape = (1, 3, contract.input.height, contract.input.width)
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    source = {i.name for i in original.graph.input} - {i.name for i in original.graph.initializer}
    names = [output.name for output in original.graph.output]
    heads = [name for name in named if name not in names]
    exposed = onnx.ModelProto()
    exposed.CopyFrom(original)
    exposed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in heads)
    values = dict(
        zip(names + heads, _run(exposed, names + heads, {source.pop(): image}), strict=True)
    )
    ours = list(named.values())
    found = dict(zip(ours, _run(result, ours, {"image": image}), strict=True))
    for name, own in named.items():
        _check_head(values[name].transpose(0, 2, 3, 1), found[own], own)  # NCHW -> NHWC
    return {
        name: _explain(
            name,
            values[name],
            found,
            {named[h] for h, outputs in feeds.items() if name in outputs},
            contract,
            f"{where}: the output {name} ({_arithmetic(original, name, set(named))})",
        )
        for name in names
    }


def _check_head(expected: Array, found: Array, name: str) -> None:
    assert FLOAT_GRAPH.relative is not None
    relative = relative_difference(expected, found)
    if not relative <= FLOAT_GRAPH.relative:
        raise ParityError(
            f"the cut graph's {name} differs from the original by {relative:.2e} of its range, "
            f"allowed {FLOAT_GRAPH.relative:g}: {FLOAT_GRAPH.reason}"
        )


def _explain(
    name: str,
    output: Array,
    heads: Mapping[str, Array],
    feeding: set[str],
    contract: DetectorContract,
    what: str,
) -> str:
    """Return, in words, what an output of the original is; ArtifactError where nothing fits."""
    assert FOREIGN_OUTPUT.relative is not None
    nearest, distance = "nothing of its size", np.inf
    for words, candidate in _candidates(heads, feeding, contract):
        if candidate.size != output.size:
            continue
        laid_out = (candidate, candidate.T) if candidate.ndim == 2 else (candidate,)
        for layout in laid_out:
            relative = relative_difference(output.reshape(-1), layout.reshape(-1))
            if relative <= FOREIGN_OUTPUT.relative:
                return words
            if relative < distance:
                nearest, distance = words, relative
    raise ArtifactError(
        f"{what} is not what the contract makes of its heads: nearest is {nearest}, "
        f"{distance:.2g} of its range away, allowed {FOREIGN_OUTPUT.relative:g}. Either the "
        f"contract's anchors, variances, activation or classes are not this network's, or its "
        f"channels run in another order, or that arithmetic would be lost: export it without"
    )


def _candidates(
    heads: Mapping[str, Array], feeding: set[str], contract: DetectorContract
) -> Iterator[tuple[str, Array]]:
    """Yield everything that the standard arithmetic makes of the heads that feed an output."""
    anchors, width = all_anchors(contract), contract.scores_per_anchor
    scores, deltas, places = [], [], []
    start = 0
    for level in contract.levels:
        count = level.rows * level.columns * len(level.anchors)
        if level.scores in feeding:
            scores.append(heads[level.scores].reshape(-1, width))
        if level.boxes in feeding:
            deltas.append(heads[level.boxes].reshape(-1, 4))
            places.append(anchors[start : start + count])
        start += count
    for head in feeding if len(feeding) == 1 else ():
        yield "a head as it is", heads[head].transpose(0, 3, 1, 2)  # NHWC -> NCHW
    of_scores = list(_of_scores(np.concatenate(scores), contract)) if scores else []
    of_boxes = (
        list(_of_boxes(np.concatenate(deltas), np.concatenate(places), contract)) if deltas else []
    )
    yield from chain(of_scores, of_boxes)
    for (a, first), (b, second) in product(of_boxes, of_scores):
        if len(first) == len(second):
            yield f"{a}, then {b}", np.concatenate([first, second], axis=1)
            yield f"{b}, then {a}", np.concatenate([second, first], axis=1)


def _of_scores(scores: Array, contract: DetectorContract) -> Iterator[tuple[str, Array]]:
    yield "raw scores", scores
    probabilities = activate(scores, contract)
    yield f"{contract.activation} of the scores", probabilities
    if contract.activation == "softmax":
        background = 1 - probabilities.sum(axis=1, keepdims=True)
        yield "softmax of the scores", np.concatenate([background, probabilities], axis=1)


def _of_boxes(
    deltas: Array, anchors: Array, contract: DetectorContract
) -> Iterator[tuple[str, Array]]:
    yield "raw deltas", deltas
    spec = contract.input
    boxes = decode(deltas, anchors, contract.variances)
    size = np.asarray([spec.width, spec.height] * 2, np.float32)
    for corners, end in ((boxes, ""), (clip(boxes, spec.width, spec.height), ", clipped")):
        for form, values in (("corners", corners), ("centres and sizes", to_centred(corners))):
            for unit, scaled in (("pixels", values), ("shares of the image", values / size)):
                yield f"decoded boxes as {form} in {unit}{end}", scaled
                yield f"decoded boxes as {form}, y first, in {unit}{end}", scaled[:, [1, 0, 3, 2]]


def _arithmetic(model: onnx.ModelProto, output: str, heads: set[str]) -> str:
    """Return the operators between an output and its heads, nearest the output first."""
    producers = {name: node for node in model.graph.node for name in node.output}
    waiting, found = [output], list[str]()
    while waiting:
        name = waiting.pop(0)
        node = producers.get(name)
        if name in heads or node is None or node.op_type == "Constant":
            continue
        text = f"{node.op_type} {node.name}".strip()
        if text not in found:
            found.append(text)
            waiting.extend(node.input)
    return ", ".join(found[:SHOWN]) + (" ..." if len(found) > SHOWN else "") or "a head itself"


def _run(model: onnx.ModelProto, names: list[str], feed: dict[str, Array]) -> list[Array]:
    values: list[Array] = cpu_session(model).run(names, feed)
    return values
