"""The case folder: the smallest graph that shows a bad layer, with inputs and both results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx.utils import Extractor

from ...runtime.files import replacing, write_text

if TYPE_CHECKING:
    from .search import BadLayer

Values = Mapping[str, npt.NDArray[Any]]

README = """The smallest part of a network that shows where two of its forms begin to differ.

case.json              the layer, how far it is off, and what ran it
layer.onnx             the layer as the failed rung has it, from its inputs to its one output
reference.onnx         the layer as the reference has it, where that is another graph
input_N.npy            what the failed rung had at the layer's inputs; found.npy: what it made
reference_input_N.npy  what the reference had there; expected.npy: what it made

Run it again, on both sides, alone:  python -m hexdet.export.bisect.replay .
"""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What ran a side. dlc: the file itself, and none: PyTorch or float; neither can be replayed.

    target: the chip whose Hexagon is emulated.
    """

    provider: Literal["cpu", "htp", "dlc", "none"]
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A bad tensor and all that is needed to cut it out.

    reference_inputs: what `expected` was computed from. All three hold the image too.
    """

    model: onnx.ModelProto
    reference: onnx.ModelProto | None
    tensor: str
    found: Values
    expected: Values
    reference_inputs: Values
    engine: Engine
    reference_engine: Engine


def write_case(place: Path, case: Case, layer: BadLayer) -> None:
    """Write the folder; what an earlier search left there goes."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    known = case.found.keys() & case.expected.keys()
    inputs = inputs_of(case.model, case.tensor, known)
    _save_graph(place / "layer.onnx", _cut(case.model, inputs, case.tensor))
    arrays = {"found": case.found[case.tensor], "expected": case.expected[case.tensor]}
    arrays |= {f"input_{i}": case.found[name] for i, name in enumerate(inputs)}
    arrays |= {f"reference_input_{i}": case.reference_inputs[name] for i, name in enumerate(inputs)}
    if case.reference is not None:
        _save_graph(place / "reference.onnx", _cut(case.reference, inputs, case.tensor))
    for key, value in arrays.items():
        with replacing(place / f"{key}.npy") as temporary:
            np.save(temporary, value)
    content = {
        **asdict(layer),
        "inputs": inputs,
        "engine": asdict(case.engine),
        "reference_engine": asdict(case.reference_engine),
    }
    content.pop("folder")
    write_text(place / "README.txt", README)
    write_text(place / "case.json", json.dumps(content, indent=1) + "\n")


def inputs_of(model: onnx.ModelProto, tensor: str, known: set[str]) -> list[str]:
    """Return the nearest known tensors that another one is computed from, in the graph's order."""
    producers = {output: node for node in model.graph.node for output in node.output}
    waiting, seen, found = list(producers[tensor].input), set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in known:
            found.add(name)
        elif name in producers:
            waiting.extend(producers[name].input)
    order = [*(i.name for i in model.graph.input), *producers]
    return [name for name in order if name in found]


def _cut(model: onnx.ModelProto, inputs: list[str], tensor: str) -> onnx.ModelProto:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    cut: onnx.ModelProto = Extractor(inferred).extract_model(inputs, [tensor])
    return cut


def _save_graph(path: Path, model: onnx.ModelProto) -> None:
    with replacing(path) as temporary:
        onnx.save(model, temporary)
