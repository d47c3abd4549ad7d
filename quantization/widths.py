"""How many bits the codes of every activation have, and where they change from 8 to 16."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import QuantType

from ..errors import RecipeError
from ..recipe import QuantizationSection
from ..runtime.contract import InputSpec
from .graph_edits import IMAGE, REMOVABLE

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators whose constants are weights, of 8 bits whatever the activations have."""

ALWAYS_8 = "always has 8 bits: the runtime reads and gives uint8"

Overrides = dict[str, list[dict[str, Any]]]
"""What onnxruntime's quantizer is told of single tensors (its TensorQuantOverrides)."""


@dataclass(frozen=True, kw_only=True)
class Widths:
    """bits: of every activation that becomes codes, by name, as it is produced, in graph order.

    overrides: the same for onnxruntime, with the conversions between 8 and 16 bits.
    """

    bits: dict[str, int]
    overrides: Overrides

    @property
    def any_wide(self) -> bool:
        """Tell whether any activation has 16 bits."""
        return 16 in self.bits.values()


def choose_widths(
    model: onnx.ModelProto,
    spec: InputSpec,
    section: QuantizationSection,
    not_codes: Mapping[str, str],
) -> Widths:
    """Return the widths of the activations of a float graph that ends in raw convolutions.

    not_codes: names that a user may know but that are no codes, with what is to be said of them.

    A node works in 16 bits where anything that it reads or gives is wide: an 8-bit input is
    converted for it, and its result for those that read 8 bits. The image and the outputs are 8
    bits outside. Raises RecipeError for a name in `quantization.wide` that has no codes.
    """
    activations = list(_activations(model))
    outputs = {output.name for output in model.graph.output}
    inner = [name for name in activations if name not in outputs]
    not_codes = {**dict.fromkeys((IMAGE, *outputs), ALWAYS_8), **not_codes}
    wide = _checked(section.wide, inner, not_codes)
    wide = set(inner) if section.activation_bits == 16 else wide
    constants = {i.name for i in model.graph.initializer if i.data_type == onnx.TensorProto.FLOAT}
    nodes = [n for n in model.graph.node if n.op_type != "Constant"]
    wide_nodes = [n for n in nodes if wide & {*n.input, *n.output}]
    bits = dict.fromkeys(activations, 8)
    bits |= {name: 16 for node in wide_nodes for name in node.output if name in bits}
    overrides: Overrides = {IMAGE: [_image_encoding(spec)]}
    overrides |= {
        n: [{"quant_type": QuantType.QUInt16}] for n, width in bits.items() if width == 16
    }
    reading_16 = {node.name for node in wide_nodes}
    for name in (IMAGE, *activations):
        readers = {node.name for node in nodes if name in node.input}
        is_wide = bits.get(name) == 16
        others = readers - reading_16 if is_wide else readers & reading_16
        if not others and not (is_wide and name in outputs):
            continue
        overrides.setdefault(name, [{"quant_type": QuantType.QUInt8}])
        overrides[name][0]["convert"] = {
            **(_wide_image_encoding(spec) if name == IMAGE else {}),
            "quant_type": QuantType.QUInt8 if is_wide else QuantType.QUInt16,
            **({"recv_nodes": others} if others else {}),
        }
    for node in wide_nodes:
        if node.op_type not in WEIGHTED | REMOVABLE:
            # Two addends of different widths are nothing that the HTP adds.
            overrides |= {
                name: [{"quant_type": QuantType.QUInt16}]
                for name in node.input
                if name in constants
            }
    return Widths(bits=bits, overrides=overrides)


def _activations(model: onnx.ModelProto) -> Iterable[str]:
    """Yield the float tensors that nodes compute, but the image, in the graph's order."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in [*inferred.value_info, *inferred.output]}
    for node in model.graph.node:
        for name in node.output:
            if node.op_type != "Constant" and kinds.get(name) == onnx.TensorProto.FLOAT:
                yield name


def _checked(wide: Iterable[str], known: list[str], not_codes: Mapping[str, str]) -> set[str]:
    """Return the names; RecipeError, with the nearest, where one is none of those known."""
    for name in wide:
        if name in not_codes:
            raise RecipeError(f"quantization.wide: {name} {not_codes[name]}")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise RecipeError(f"quantization.wide: the graph has no activation {name!r}{hint}")
    return set(wide)


def _image_encoding(spec: InputSpec) -> dict[str, Any]:
    """Return the encoding under which a raw pixel is its own code: nothing is lost at the input.

    real = (pixel - mean) / std = (code - zero_point) * scale, exact for a whole mean.
    """
    return {
        "quant_type": QuantType.QUInt8,
        "scale": np.array(1 / spec.std, np.float32),
        "zero_point": np.array(round(spec.mean), np.uint8),
    }


def _wide_image_encoding(spec: InputSpec) -> dict[str, Any]:
    """Return the 16-bit encoding in which the code is 256 times the pixel: exact as well."""
    return {
        "scale": np.array(1 / spec.std / 256, np.float32),
        "zero_point": np.array(round(spec.mean) * 256, np.uint16),
    }
