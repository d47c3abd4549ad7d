"""The quantizers' arithmetic: ranges from raws by minimum and maximum, or encodings as given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType

from hexdet.quantization.encodings import code_tensors
from hexdet.quantization.graph_edits import (
    TO_NCHW,
    TO_NHWC,
    absorb_clips,
    drop_unused,
    transpose_codes,
)
from hexdet.quantization.qdq import to_qdq
from hexdet.quantization.ranges.estimators import Range
from sdk_standin.graphs import inputs_of, rename, shape_of

Values = Mapping[str, npt.NDArray[np.float32]]
_TYPES = {
    (8, False): QuantType.QUInt8, (8, True): QuantType.QInt8,
    (16, False): QuantType.QUInt16, (16, True): QuantType.QInt16,
}  # fmt: skip
_CODES = {QuantType.QUInt8: np.uint8, QuantType.QInt8: np.int8,
          QuantType.QUInt16: np.uint16, QuantType.QInt16: np.int16}  # fmt: skip


class EncodingError(Exception):
    """Given encodings cannot be taken."""


@dataclass(kw_only=True)
class Quantization:
    """What a quantizer is told. overrides: sections of an encodings file that are to be applied."""

    activation_bits: int = 8
    per_channel: bool = False
    symmetric_weights: bool = False
    bias_bits: int = 8
    turned_inputs: frozenset[str] = frozenset()
    turned_outputs: frozenset[str] = frozenset()
    overrides: Mapping[str, Mapping[str, list[dict[str, Any]]]] = field(default_factory=dict)


def measure(model: onnx.ModelProto, runs: Iterable[Values]) -> dict[str, Range]:
    """Return the range of every float activation and input over all runs, 0 always inside.

    runs: inputs by name, in the layout of the graph.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    names = _floats(model)
    present = {value.name for value in exposed.graph.output}
    for name in names:
        if name not in present:
            value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            exposed.graph.output.append(value)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        exposed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    for feed in runs:
        values = {**dict(zip(names, session.run(names, dict(feed)), strict=True)), **feed}
        for name, array in values.items():
            lows[name] = min(lows.get(name, 0.0), float(array.min()))
            highs[name] = max(highs.get(name, 0.0), float(array.max()))
    return {name: Range(low=lows[name], high=highs[name]) for name in lows}


def _floats(model: onnx.ModelProto) -> list[str]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in [*inferred.value_info, *inferred.output]}
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    return [n for node in nodes for n in node.output if kinds.get(n) == TensorProto.FLOAT]


def quantize(
    model: onnx.ModelProto, ranges: Mapping[str, Range], told: Quantization
) -> onnx.ModelProto:
    """Return the integer graph with codes at both ends, its tensors named as the float ones."""
    core = onnx.ModelProto()
    core.CopyFrom(model)
    ends = _cut_ends(core, told)
    absorb_clips(core)
    ranges = {ends.sources.get(name, name): value for name, value in ranges.items()}
    overrides = _overrides(core, told, ends.sources)
    missing = [n for n in _coded(core) if n not in ranges and "scale" not in overrides[n][0]]
    if missing:
        raise EncodingError(f"no encoding and no range for {missing[0]}")
    kinds = {overrides[name][0]["quant_type"] for name in _coded(core)}
    if len({np.dtype(_CODES[kind]).itemsize for kind in kinds}) > 1:
        raise EncodingError("the stand-in takes no activations of mixed widths")
    floats = [*_floats(core), *(value.name for value in inputs_of(core))]
    known = {n: ranges.get(n, Range(low=0.0, high=1.0)) for n in floats}
    quantized = to_qdq(
        core, known, overrides, per_channel=told.per_channel, wide=told.activation_bits == 16
    )
    _integer_ends(quantized, ends)
    transpose_codes(quantized)
    drop_unused(quantized)
    _plain_names(quantized)
    if told.bias_bits == 8:
        _narrow_biases(quantized)
    onnx.checker.check_model(quantized)
    return quantized


@dataclass(kw_only=True)
class _Ends:
    """inputs: those to be read as NHWC. outputs: by the core's name: public name, NHWC or not.
    sources: the core's name by the public one."""

    inputs: set[str]
    outputs: dict[str, tuple[str, bool]]

    @property
    def sources(self) -> dict[str, str]:
        return {public: core for core, (public, _) in self.outputs.items()}


def _cut_ends(core: onnx.ModelProto, told: Quantization) -> _Ends:
    """Take transposes to NHWC off the outputs, in place, and return what the ends must become."""
    graph = core.graph
    producers = {name: node for node in graph.node for name in node.output}
    outputs = {}
    for output in graph.output:
        node, name = producers[output.name], output.name
        turn = name in told.turned_outputs
        permutation = [list(a.ints) for a in node.attribute if a.name == "perm"]
        if node.op_type == "Transpose" and permutation == [TO_NHWC]:
            n, h, w, c = shape_of(output)
            output.CopyFrom(
                helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, [n, c, h, w])
            )
            graph.node.remove(node)
            turn = True
        outputs[output.name] = (name, turn)
    return _Ends(inputs=set(told.turned_inputs), outputs=outputs)


def _coded(core: onnx.ModelProto) -> list[str]:
    return [*(value.name for value in inputs_of(core)), *_floats(core)]


def _overrides(
    core: onnx.ModelProto, told: Quantization, sources: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    activation = _TYPES[told.activation_bits, False]
    found: dict[str, list[dict[str, Any]]] = {
        name: [{"quant_type": activation}] for name in _coded(core)
    }
    weights = {n.input[1] for n in core.graph.node if n.op_type in ("Conv", "Gemm", "MatMul")}
    shapes = {i.name: list(i.dims) for i in core.graph.initializer}
    if told.symmetric_weights and not told.per_channel:
        for name in weights & set(shapes):
            found[name] = [{"quant_type": QuantType.QInt8, "symmetric": True}]
    for entries_of in told.overrides.values():
        for public, entries in entries_of.items():
            name = sources.get(public, public)
            if name in found or name in weights:
                if name in shapes and any(int(entry["bitwidth"]) > 16 for entry in entries):
                    continue  # a bias follows from the scales of what it is added to
                found[name] = [_given(public, entry) for entry in entries]
                if len(entries) > 1:
                    found[name][0]["axis"] = 0
    return found


def _given(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of an encodings file as onnxruntime's quantizer takes it."""
    if entry.get("dtype", "int") != "int":
        raise EncodingError(f"{name}: the stand-in takes no encodings of float")
    bits, symmetric = int(entry["bitwidth"]), str(entry.get("is_symmetric")) == "True"
    if (bits, symmetric) not in _TYPES:
        raise EncodingError(f"{name}: {bits} bits are not supported")
    kind = _TYPES[bits, symmetric]
    given: dict[str, Any] = {"quant_type": kind}
    if "min" in entry:
        low, high = float(entry["min"]), float(entry["max"])
        scale = float(entry.get("scale", (high - low) / (2**bits - 1)))
        zero = 0 if symmetric else round(-low / scale)
        given["scale"] = np.array(scale, np.float32)
        given["zero_point"] = np.array(zero, _CODES[kind])
    return given


def _integer_ends(model: onnx.ModelProto, ends: _Ends) -> None:
    """Let the graph read and give codes, in place; the outermost conversions go."""
    graph = model.graph
    kinds = {i.name: i.data_type for i in graph.initializer}
    for value in inputs_of(model):
        name = value.name
        readers = [n for n in graph.node if name in n.input]
        if len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
            raise EncodingError(f"the stand-in cannot quantize the input {name} of this graph")
        (quantize,) = readers
        codes, shape = quantize.output[0], shape_of(value)
        graph.node.remove(quantize)
        if name in ends.inputs:
            n, c, h, w = shape
            shape = [n, h, w, c]
            node = helper.make_node("Transpose", [name], [codes], name=codes, perm=TO_NCHW)
            graph.node.insert(0, node)
        else:
            rename(model, codes, name)
        value.CopyFrom(helper.make_tensor_value_info(name, kinds[quantize.input[2]], shape))
    producers = {name: node for node in graph.node for name in node.output}
    for output in graph.output:
        dequantize, (name, turn) = producers[output.name], ends.outputs[output.name]
        shape, codes = shape_of(output), dequantize.input[0]
        graph.node.remove(dequantize)
        if turn:
            n, c, h, w = shape
            shape = [n, h, w, c]
            graph.node.append(
                helper.make_node("Transpose", [codes], [name], name=name, perm=TO_NHWC)
            )
        kind = kinds[dequantize.input[2]]
        output.CopyFrom(helper.make_tensor_value_info(name, kind, shape))
        if not turn:
            rename(model, codes, name)


def _plain_names(model: onnx.ModelProto) -> None:
    """Give codes the names of what they stand for, as an SDK's DLC does, in place."""
    taken = {v.name for v in [*model.graph.input, *model.graph.output]}
    for name, tensor in code_tensors(model).items():
        if tensor.codes != name and name not in taken:
            if any(name in node.output for node in model.graph.node):
                rename(model, name, f"{name}_real")
            rename(model, tensor.codes, name)


def _narrow_biases(model: onnx.ModelProto) -> None:
    """Round biases to 8 bits of their own symmetric range, in place: the tools' default.

    They are still stored in 32 bits: the wheel takes no narrower ones.
    """
    constants = {i.name: i for i in model.graph.initializer}
    for node in model.graph.node:
        codes = constants.get(node.input[0])
        if node.op_type != "DequantizeLinear" or codes is None:
            continue
        if codes.data_type == TensorProto.INT32:
            scale = numpy_helper.to_array(constants[node.input[1]]).astype(np.float64)
            real = numpy_helper.to_array(codes) * scale
            step = max(float(np.abs(real).max()), 1e-4) / 127
            rounded = np.round(np.round(real / step) * step / scale).astype(np.int32)
            codes.CopyFrom(numpy_helper.from_array(rounded, codes.name))
