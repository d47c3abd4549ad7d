"""What the SDK's INT8 DLC holds, against our encodings: all of them, or how far its own are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ...errors import ParityError
from ...quantization.encodings import Codes, code_tensors, plain_name
from ...runtime.backend import graph_path
from ...runtime.encodings import Encoding
from ..audit import SHOWN, Finding, differences
from ..dlc_file import DlcFile, DlcTensor, PerAxisEncoding, PerTensorEncoding

BIAS_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Held:
    """What was compared, tensor by tensor.

    activations, weights, biases: how many of ours are in the DLC. own: names that the SDK gave an
    encoding and we did not, such as a convolution's before its ReLU. findings: what is not ours.
    widest: the activation whose range differs most from ours, and how many times it is ours.
    """

    activations: int
    weights: int
    biases: int
    own: int
    findings: tuple[Finding, ...]
    widest: str
    widest_ratio: float

    def summary(self) -> str:
        """Return it in a line."""
        compared = f"{self.activations} activations, {self.weights} weights, {self.biases} biases"
        own = f"; {self.own} more are the SDK's own" if self.own else ""
        if not self.findings:
            return f"{compared} are exactly ours{own}"
        furthest = f"{self.widest_ratio:.2f} times ours at {self.widest}" if self.widest else "none"
        return f"{compared}: {len(self.findings)} differ from ours, a range by {furthest}{own}"


def compare_encodings(bundle: Path, dlc: DlcFile) -> Held:
    """Compare the DLC of an SDK with a bundle's integer graph, by the tensors' names.

    Scales and zero points must be equal, weights to the last code; a bias, which the SDK computes
    from scales, within one step. Names are the ONNX graph's, or those with signs replaced by _.
    """
    model = onnx.load(graph_path(bundle, "int8"))
    expected = code_tensors(model)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    tensors = {t.name: t for graph in dlc.graphs for t in graph.tensors.values() if t.encoding}
    by_name = {_sanitised(plain_name(name)): tensor for name, tensor in tensors.items()}
    findings, ratios = [], {}
    counts = {"activations": 0, "weights": 0, "biases": 0}
    for name, ours in sorted(expected.items()):
        found, codes = by_name.pop(_sanitised(name), None), constants.get(ours.codes)
        is_bias = codes is not None and ours.zero_point.dtype.itemsize * 8 == BIAS_BITS
        if found is None:
            findings.append(Finding(tensor=name, what="is not in the SDK's DLC, or not quantized"))
            continue
        counts["biases" if is_bias else "activations" if codes is None else "weights"] += 1
        if codes is not None and is_bias:
            wrong = _bias_difference(ours, codes, found)
            findings += [Finding(tensor=name, what=wrong)] if wrong else []
            continue
        findings += [Finding(tensor=name, what=what) for what in differences(ours, codes, found)]
        if codes is None and isinstance(found.encoding, PerTensorEncoding):
            ratios[name] = _span(found.encoding) / float(_our_span(ours))
    widest = max(ratios, key=lambda name: abs(np.log(ratios[name])), default="")
    return Held(
        **counts,
        own=sum(1 for tensor in by_name.values() if tensor.kind != "static"),
        findings=tuple(findings),
        widest=widest,
        widest_ratio=ratios.get(widest, 1.0),
    )


def check_held(held: Held) -> None:
    """Raise ParityError, with the first findings, where the DLC does not hold what was imposed."""
    if held.findings:
        first = "; ".join(f"{f.tensor}: {f.what}" for f in held.findings[:SHOWN])
        raise ParityError(
            f"the SDK's DLC does not hold our encodings ({len(held.findings)} differences): {first}"
        )


def output_encodings(dlc: DlcFile) -> dict[str, Encoding]:
    """Return scale and zero point of every output; ParityError for one that has none."""
    found = {}
    for tensor in dlc.model.outputs:
        if not isinstance(tensor.encoding, PerTensorEncoding):
            raise ParityError(f"the SDK's DLC leaves its output {tensor.name} as {tensor.dtype}")
        encoding = tensor.encoding
        found[tensor.name] = Encoding(scale=encoding.scale, zero_point=-encoding.offset)
    return found


def encodings_in(dlc: DlcFile) -> dict[str, Any]:
    """Return every encoding of a DLC by tensor: bits, scale and offset, of channels as lists."""
    found: dict[str, Any] = {}
    for graph in dlc.graphs:
        for tensor in graph.tensors.values():
            match tensor.encoding:
                case PerTensorEncoding() as one:
                    found[tensor.name] = {
                        "bitwidth": one.bitwidth,
                        "scale": one.scale,
                        "offset": one.offset,
                    }
                case PerAxisEncoding() as many:
                    found[tensor.name] = {
                        "bitwidth": many.bitwidth,
                        "axis": many.axis,
                        "scale": many.scales.tolist(),
                        "offset": many.offsets.tolist(),
                    }
    return found


def _sanitised(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _bias_difference(ours: Codes, codes: npt.NDArray[Any], found: DlcTensor) -> str:
    if not found.has_data:
        return "its values are not in the SDK's DLC"
    scale = np.atleast_1d(ours.scale).astype(np.float64)
    real, held = codes.astype(np.float64) * scale, found.dequantized().astype(np.float64)
    if real.shape != held.shape:
        return f"is {held.shape} in the SDK's DLC, {real.shape} in int8.onnx"
    # A float32 has 24 bits, so that a large bias is off by more than a step before anybody rounds.
    allowed = np.maximum(scale, _steps(found)) + np.abs(real) * 2.0**-23
    apart = np.abs(real - held)
    if not (apart <= allowed).all():
        worst = int(np.argmax(apart - allowed))
        return (
            f"bias [{worst}] is {held[worst]:.6g} in the SDK's DLC, {real[worst]:.6g} in int8.onnx"
        )
    return ""


def _steps(tensor: DlcTensor) -> npt.NDArray[np.float64]:
    match tensor.encoding:
        case PerTensorEncoding(scale=scale):
            return np.asarray([scale], np.float64)
        case PerAxisEncoding(scales=scales):
            return scales.astype(np.float64)
        case _:
            return np.zeros(1)


def _span(encoding: PerTensorEncoding) -> float:
    return encoding.scale * ((1 << encoding.bitwidth) - 1)


def _our_span(ours: Codes) -> float:
    return float(ours.scale) * ((1 << 8 * ours.zero_point.dtype.itemsize) - 1)


def as_note(held: Held) -> Mapping[str, Any]:
    """Return what the manifest keeps of it."""
    return {
        "activations": held.activations,
        "weights": held.weights,
        "biases": held.biases,
        "own": held.own,
        "differences": len(held.findings),
        "widest": held.widest,
        "widest_ratio": held.widest_ratio,
    }
