"""The search: a failed rung's layers beside its reference's, and the first that is too far off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ...errors import ArtifactError
from ...quantization.difference import relative_difference
from ...quantization.isolation import alone_on_cpu
from ...quantization.layers import Values as Codes
from ...quantization.layers import cpu_layers, emulator_layers, float_as_codes, graph_layers
from ...quantization.quantize import base_path
from ...recipe import Recipe
from ...runtime.backend import graph_path
from ...runtime.contract import load_contract
from ...runtime.images import normalise
from ...runtime.targets import Target, find_target, target_of_arch
from ...training.checkpoint import Checkpoint
from ..dlc_stages import INT8_DLC
from ..onnx_graph import export_float
from ..tolerances import FLOAT_GRAPH, ONE_LAYER, QUANTIZED
from .case import Case, Engine, write_case
from .deliverable_layers import context_layers, dlc_layers
from .torch_layers import torch_layers

Values = Mapping[str, npt.NDArray[Any]]
FLOAT_RUNGS = ("torch", "exported", "float")
FOLDER = "bisect"


@dataclass(frozen=True, kw_only=True)
class BadLayer:
    """The first tensor, in the order of the graph, that is further off than its rung may be.

    max_apart, mean_apart: from the reference, in `unit`. layers_before: how many were good.
    folder: where the smallest graph that shows it lies, with its inputs and both results.
    """

    rung: str
    tensor: str
    node: str
    max_apart: float
    mean_apart: float
    unit: str
    layers_before: int
    folder: str


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """A rung and its reference, layer by layer.

    model: the graph that the rung runs; reference: that of the reference where it is another.
    alone: each layer of `expected` was computed from the inputs that `found` had.
    """

    found: Values
    expected: Values
    is_bad: Callable[[str], bool]
    unit: str
    model: onnx.ModelProto
    engine: Engine
    reference_engine: Engine
    image: Values
    reference: onnx.ModelProto | None = None
    alone: bool = False


class Bisection:
    """What can be seen of a bundle's rungs on one image, each computed when it is asked for.

    pixels: uint8 [1, h, w, 3]. checkpoint: finds the network that the bundle was made from.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        pixels: npt.NDArray[np.uint8],
        checkpoint: Callable[[], Checkpoint],
    ) -> None:
        self._folder = folder
        self._recipe = recipe
        self._pixels = pixels
        self._checkpoint = checkpoint
        self._contract = load_contract(folder)
        self._image = normalise(pixels, self._contract.input)
        self._limit_s = recipe.export.time_limit_s
        self._target = target_of_arch(recipe.export.target_arch)

    def sides(self, rung: str, reference: str) -> _Sides:
        """Return a rung's layers and its reference's; ArtifactError where they cannot be seen."""
        if rung in FLOAT_RUNGS:
            return self._float_sides(rung, reference)
        model = onnx.load(graph_path(self._folder, "int8"))
        image = {"image": self._pixels}
        cpu = Engine(provider="cpu")
        if rung == "int8_cpu":
            return _Sides(
                found=(found := cpu_layers(model)(self._pixels)),
                expected=(expected := self._base(model)),
                is_bad=lambda name: _is_another_network(found[name], expected[name]),
                unit="codes",
                model=model,
                engine=cpu,
                reference_engine=Engine(provider="none"),
                image=image,
            )
        found, target = self._on_hexagon(rung, model)
        if rung == "int8_htp" or target.arch != self._target.arch:
            # Rounding adds up from layer to layer: each is held against the CPU on its own.
            expected = alone_on_cpu(model, found, self._pixels)
            return _Sides(
                found=found,
                expected=expected,
                is_bad=lambda name: _is_another_layer(found[name], expected[name]),
                unit="codes",
                model=model,
                engine=Engine(provider="htp", target=target.name),
                reference_engine=cpu,
                image=image,
                alone=True,
            )
        emulated = self._emulated(model)
        return _Sides(
            found=found,
            expected=emulated,
            is_bad=lambda name: bool((found[name] != emulated[name]).any()),
            unit="codes",
            model=model,
            engine=Engine(provider="dlc" if rung == "int8_dlc" else "htp", target=target.name),
            reference_engine=Engine(provider="htp", target=self._target.name),
            image=image,
        )

    def _on_hexagon(self, rung: str, model: onnx.ModelProto) -> tuple[Codes, Target]:
        """Return the layers of a session, the DLC or a context binary, and the chip they ran on."""
        if rung == "int8_htp":
            return self._emulated(model), self._target
        if rung == "int8_dlc":
            path = self._folder / INT8_DLC
            layers = dlc_layers(path, model, self._pixels, self._target, self._limit_s)
            return layers, self._target
        target = find_target(rung)
        return context_layers(model, self._pixels, target, self._limit_s), target

    def _emulated(self, model: onnx.ModelProto) -> Codes:
        with emulator_layers(model, self._target, self._limit_s) as run:
            return run(self._pixels)

    def _base(self, model: onnx.ModelProto) -> Values:
        floats = graph_layers(onnx.load(base_path(self._folder)))(self._image)
        return float_as_codes(model, floats)

    def _float_sides(self, rung: str, reference: str) -> _Sides:
        network = self._checkpoint().network
        exported = export_float(network, self._contract, self._recipe.export.opset).exported
        model = exported if rung == "exported" else onnx.load(graph_path(self._folder, "float"))
        by_torch = reference == "torch"
        expected: Values = (
            torch_layers(network, exported, self._pixels, self._contract.input)
            if by_torch
            else graph_layers(exported)(self._image)
        )
        found = graph_layers(model)(self._image)
        return _Sides(
            found=found,
            expected=expected,
            is_bad=lambda name: _is_another_sum(found[name], expected[name]),
            unit="units",
            model=model,
            engine=Engine(provider="cpu"),
            reference_engine=Engine(provider="none" if by_torch else "cpu"),
            image={"image": self._image},
            reference=None if by_torch else exported,
        )


def bisect(bisection: Bisection, folder: Path, rung: str, reference: str) -> BadLayer | None:
    """Return the first bad layer of a failed rung, None where every layer is good on the image.

    Its case is written to `bisect/RUNG` in the bundle's folder. Raises ArtifactError where the
    layers cannot be seen, ToolError where Qualcomm's libraries fail.
    """
    sides = bisection.sides(rung, reference)
    seen = [name for name in sides.found if name in sides.expected]
    if not seen:
        raise ArtifactError(f"the rung {rung} has no layer in common with {reference}")
    first = next(((i, n) for i, n in enumerate(seen) if sides.is_bad(n)), None)
    if first is None:
        return None
    before, name = first
    largest, mean = _apart(sides.found[name], sides.expected[name])
    layer = BadLayer(
        rung=rung,
        tensor=name,
        node=_node_of(sides.model, name),
        max_apart=largest,
        mean_apart=mean,
        unit=sides.unit,
        layers_before=before,
        folder=str(folder / FOLDER / rung),
    )
    case = Case(
        model=sides.model,
        reference=sides.reference,
        tensor=name,
        found={**sides.found, **sides.image},
        expected={**sides.expected, **sides.image},
        reference_inputs={**(sides.found if sides.alone else sides.expected), **sides.image},
        engine=sides.engine,
        reference_engine=sides.reference_engine,
    )
    write_case(folder / FOLDER / rung, case, layer)
    return layer


def _node_of(model: onnx.ModelProto, name: str) -> str:
    """Return the node that computes a tensor, or the one whose result its codes stand for."""
    producers = {output: node for node in model.graph.node for output in node.output}
    node = producers[name]
    if node.op_type == "QuantizeLinear":
        node = producers[node.input[0]]
    return str(node.name or node.output[0])


def _apart(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the largest and the mean difference of two tensors."""
    apart = np.abs(a.astype(np.float64) - b)
    return float(apart.max()), float(apart.mean())


def _is_another_sum(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    assert FLOAT_GRAPH.relative is not None
    return found.shape != expected.shape or not (
        relative_difference(expected, found) <= FLOAT_GRAPH.relative
    )


def _is_another_network(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    assert QUANTIZED.mean_codes is not None
    return _apart(found, expected)[1] > QUANTIZED.mean_codes


def _is_another_layer(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    assert ONE_LAYER.max_codes is not None
    return _apart(found, expected)[0] > ONE_LAYER.max_codes
