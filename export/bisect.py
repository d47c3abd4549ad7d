"""Finding the first bad layer of a rung that failed, and cutting it out for a bug report."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from onnx.utils import Extractor

from ..errors import ArtifactError
from ..quantization.encodings import code_tensors
from ..recipe import Recipe
from ..runtime.backend import graph_path
from ..runtime.contract import load_contract
from ..runtime.files import replacing, write_text
from ..runtime.htp import EmulatorProcess
from ..runtime.images import normalise
from ..runtime.targets import target_of_arch
from .cpu_session import cpu_session
from .tolerances import EMULATOR, NOISE_FLOOR, QUANTIZED

Array = npt.NDArray[Any]
Values = Mapping[str, Array]
RUNGS = ("int8_cpu", "int8_htp")
"""Rungs whose intermediates can be seen: both run `int8.onnx`, which can be given more outputs."""


@dataclass(frozen=True, kw_only=True)
class BadLayer:
    """The first tensor, in the order of the graph, that is further off than its rung may be.

    folder: where the smallest graph that shows it lies, with its input and both results.
    """

    rung: str
    tensor: str
    node: str
    max_codes: float
    mean_codes: float
    layers_before: int
    folder: str


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """The codes of every activation on the rung and on its reference; base: in float, if judged."""

    found: Values
    expected: Values
    base: Values | None

    def is_bad(self, name: str) -> bool:
        """Tell whether a tensor is further off than its rung's tolerance allows."""
        if self.base is None:
            assert QUANTIZED.mean_codes is not None
            return _apart(self.found[name], self.expected[name])[1] > QUANTIZED.mean_codes
        assert EMULATOR.max_codes is not None
        assert EMULATOR.mean_noise is not None
        ours = _apart(self.found[name], self.base[name])[1]
        theirs = _apart(self.expected[name], self.base[name])[1]
        return (
            _apart(self.found[name], self.expected[name])[0] > EMULATOR.max_codes
            or ours > EMULATOR.mean_noise * theirs + NOISE_FLOOR
        )


def _apart(a: Array, b: Array) -> tuple[float, float]:
    """Return the largest and the mean difference of two tensors, in codes."""
    apart = np.abs(a.astype(np.float64) - b)
    return float(apart.max()), float(apart.mean())


def bisect(folder: Path, recipe: Recipe, rung: str, pixels: Array) -> BadLayer | None:
    """Return the first bad layer of a failed rung on one image, None where every layer is good.

    pixels: the image, uint8 [1, h, w, 3]. Raises ArtifactError for a rung whose intermediates
    cannot be exposed.
    """
    if rung not in RUNGS:
        raise ArtifactError(
            f"the rung {rung} cannot be bisected: only {' and '.join(RUNGS)} expose their layers"
        )
    model = onnx.load(graph_path(folder, "int8"))
    exposed = _expose(model)
    names = [output.name for output in exposed.graph.output]
    session = cpu_session(exposed)
    on_cpu = dict(zip(names, session.run(names, {"image": pixels}), strict=True))
    base = _float_as_codes(folder, exposed, pixels)
    if rung == "int8_cpu":
        return _first_bad(folder, rung, model, _Sides(found=on_cpu, expected=base, base=None))
    found = _on_emulator(recipe, exposed, on_cpu, pixels)
    return _first_bad(folder, rung, model, _Sides(found=found, expected=on_cpu, base=base))


def _expose(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the integer graph with the codes of every activation as outputs, in graph order."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.value_info
    }
    del exposed.graph.output[:]
    for node in exposed.graph.node:
        if node.op_type == "QuantizeLinear":
            codes = node.output[0]
            exposed.graph.output.append(
                helper.make_tensor_value_info(codes, TensorProto.UINT8, shapes[codes])
            )
    return exposed


def _on_emulator(recipe: Recipe, exposed: onnx.ModelProto, like: Values, pixels: Array) -> Values:
    """Return the codes of every activation on the emulated HTP."""
    shapes = {name: value.shape for name, value in like.items()}
    limit = recipe.export.time_limit_s
    with tempfile.TemporaryDirectory(prefix="hexdet-") as name:
        path = Path(name, "exposed.onnx")
        onnx.save(exposed, path)
        process = EmulatorProcess(path, target_of_arch(recipe.export.target_arch), shapes, limit)
        try:
            return process.run(pixels)
        finally:
            process.close()


def _float_as_codes(folder: Path, exposed: onnx.ModelProto, pixels: Array) -> Values:
    """Return what the float graph computes at every activation, in codes (not rounded)."""
    model = onnx.load(graph_path(folder, "float"))
    known = {name for node in model.graph.node for name in node.output}
    raw = {  # the integer graph's outputs are the float graph's before their transposes
        node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Transpose"
    }
    tensors = {t.codes: (raw.get(name, name), t) for name, t in code_tensors(exposed).items()}
    tensors = {k: v for k, v in tensors.items() if v[0] in known}
    for name in {name for name, _ in tensors.values()}:
        model.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = cpu_session(model)
    image = normalise(pixels, load_contract(folder).input)
    names = [name for name, _ in tensors.values()]
    values = session.run(names, {"image": image})
    return {
        codes: np.clip(value / tensor.scale + tensor.zero_point, 0, 255)
        for (codes, (_, tensor)), value in zip(tensors.items(), values, strict=True)
    }


def _first_bad(folder: Path, rung: str, model: onnx.ModelProto, sides: _Sides) -> BadLayer | None:
    producers = {name: node for node in model.graph.node for name in node.output}
    seen = sides.expected if sides.base is None else sides.base
    for before, name in enumerate(n for n in sides.found if n in seen):
        if sides.is_bad(name):
            largest, mean = _apart(sides.found[name], sides.expected[name])
            place = folder / "bisect" / rung
            layer = BadLayer(
                rung=rung,
                tensor=name,
                node=producers[producers[name].input[0]].name,
                max_codes=largest,
                mean_codes=mean,
                layers_before=before,
                folder=str(place),
            )
            _write_case(place, layer, model, name, sides.expected, sides.found)
            return layer
    return None


def _write_case(
    place: Path,
    layer: BadLayer,
    model: onnx.ModelProto,
    name: str,
    expected: Values,
    found: Values,
) -> None:
    """Write the smallest graph that makes the bad tensor, with its inputs and both results."""
    inputs = _inputs_of(model, name)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    case = Extractor(inferred).extract_model(inputs, [name])
    with replacing(place / "layer.onnx") as temporary:
        onnx.save(case, temporary)
    arrays = {"expected": expected[name], "found": found[name]}
    arrays |= {f"input_{i}": found[key] for i, key in enumerate(inputs) if key in found}
    for key, value in arrays.items():
        with replacing(place / f"{key}.npy") as temporary:
            np.save(temporary, value)
    content = {**asdict(layer), "inputs": inputs, "output": name}
    content.pop("folder")
    write_text(place / "case.json", json.dumps(content, indent=1) + "\n")


def _inputs_of(model: onnx.ModelProto, name: str) -> list[str]:
    """Return the codes that a tensor of codes is computed from, through one layer."""
    producers = {output: node for node in model.graph.node for output in node.output}
    constants = {i.name for i in model.graph.initializer}
    waiting, found = [producers[name].input[0]], list[str]()
    while waiting:
        key = waiting.pop()
        node = producers.get(key)
        if key in constants:
            continue
        if node is None or node.op_type in ("QuantizeLinear", "Transpose"):
            if key not in found:
                found.append(key)
        else:
            waiting.extend(node.input)
    return found
