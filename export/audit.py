"""The encoding audit: int8.dlc holds exactly what was calibrated, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ..errors import ArtifactError, ParityError
from ..quantization.encodings import (
    SECTIONS,
    Codes,
    code_tensors,
    encodings_of,
    load_encodings,
    plain_name,
)
from ..recipe import QuantizationSection
from ..runtime.backend import graph_path
from .dlc_file import DlcTensor, PerAxisEncoding, PerTensorEncoding, read_dlc

DLC = "int8.dlc"
TO_HWIO = (2, 3, 1, 0)
SHOWN = 5

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference between two files of a bundle."""

    tensor: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Audit:
    """How much was compared, and every difference."""

    activations: int
    parameters: int
    encodings: int
    weight_bytes: int
    findings: tuple[Finding, ...]

    def summary(self) -> str:
        """Return the result in one line."""
        compared = (
            f"{self.activations} activations, {self.parameters} parameters, "
            f"{self.encodings:,} encodings and {self.weight_bytes:,} bytes of weights"
        )
        if not self.findings:
            return f"{compared} in int8.dlc, int8.onnx and encodings.json agree"
        return f"{len(self.findings)} differences among {compared}"


def audit_bundle(folder: Path, section: QuantizationSection) -> Audit:
    """Compare int8.dlc, int8.onnx and encodings.json of a bundle, one to one.

    Raises ArtifactError where one of them is missing or cannot be read.
    """
    dlc_path = folder / DLC
    if not dlc_path.is_file():
        raise ArtifactError(f"{dlc_path} is missing: make it with `hexdet dlc {folder}`")
    model = onnx.load(graph_path(folder, "int8"))
    expected = code_tensors(model)
    found = {
        plain_name(t.name): t
        for t in read_dlc(dlc_path).model.tensors.values()
        if t.encoding is not None
    }
    findings = [
        Finding(tensor=name, what="is in int8.onnx, not in int8.dlc")
        for name in sorted(expected.keys() - found.keys())
    ]
    findings += [
        Finding(tensor=name, what="is in int8.dlc, not in int8.onnx")
        for name in sorted(found.keys() - expected.keys())
    ]
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for name in sorted(expected.keys() & found.keys()):
        codes = constants.get(expected[name].codes)
        findings += [
            Finding(tensor=name, what=what)
            for what in differences(expected[name], codes, found[name])
        ]
    findings += _compare_json(folder, encodings_of(model, section))
    weights = [t for t in expected.values() if t.codes in constants]
    return Audit(
        activations=len(expected) - len(weights),
        parameters=len(weights),
        encodings=sum(t.scale.size for t in expected.values()),
        weight_bytes=sum(constants[t.codes].nbytes for t in weights),
        findings=tuple(findings),
    )


def check_audit(audit: Audit) -> None:
    """Raise ParityError, with the first findings, unless there are none."""
    if audit.findings:
        first = "; ".join(f"{f.tensor}: {f.what}" for f in audit.findings[:SHOWN])
        raise ParityError(f"the encoding audit found {audit.summary()}: {first}")


def differences(expected: Codes, codes: Array | None, found: DlcTensor) -> Iterator[str]:
    """Yield, in words, what of a tensor in the DLC is not as in the integer graph.

    codes: those of a constant, None of an activation. Signed codes that are stored as unsigned
    ones, and the other way round, are the same.
    """
    scales, zero_points = np.atleast_1d(expected.scale), np.atleast_1d(expected.zero_point)
    encoding = found.encoding
    if isinstance(encoding, PerAxisEncoding):
        held, offsets = np.asarray(encoding.scales), np.asarray(encoding.offsets)
    elif isinstance(encoding, PerTensorEncoding):
        held, offsets = np.asarray([encoding.scale]), np.asarray([encoding.offset])
    else:
        yield "its encoding in int8.dlc cannot be read"
        return
    if held.shape != scales.shape:
        yield f"has {held.size} encodings in int8.dlc, {scales.size} in int8.onnx"
        return
    wrong = np.flatnonzero(held.astype(np.float32) != scales.astype(np.float32))
    if len(wrong):
        i = wrong[0]
        yield f"scale [{i}] is {held[i]!r} in int8.dlc, {scales[i]!r} in int8.onnx"
    if encoding.bitwidth != expected.zero_point.dtype.itemsize * 8:
        yield f"has {encoding.bitwidth} bits in int8.dlc, {expected.zero_point.dtype} in int8.onnx"
    # A DLC's offset is minus the zero point of the codes as it stores them.
    stored = zero_points.astype(np.int64)
    if codes is not None and found.dtype.startswith("sFxp") and codes.dtype == np.uint8:
        stored = stored - 128  # libQnnIr stores unsigned weights as signed ones
        codes = (codes.astype(np.int16) - 128).astype(np.int8)
    elif codes is not None and found.dtype == "uFxp_8" and codes.dtype == np.int8:
        stored = stored + 128
        codes = (codes.astype(np.int16) + 128).astype(np.uint8)
    wrong = np.flatnonzero(offsets.astype(np.int64) != -stored)
    if len(wrong):
        i = wrong[0]
        yield f"offset [{i}] is {offsets[i]} in int8.dlc, {-stored[i]} in int8.onnx"
    if codes is not None:
        laid_out = codes.transpose(TO_HWIO) if codes.ndim == 4 else codes
        if laid_out.shape != found.data.shape:
            yield f"is {found.data.shape} in int8.dlc, {laid_out.shape} in int8.onnx"
        else:
            differ = int((laid_out != found.data).sum())
            if differ:
                yield f"{differ} of {laid_out.size} weights differ"


def _compare_json(folder: Path, expected: dict[str, Any]) -> list[Finding]:
    """Compare encodings.json with what the integer graph says."""
    found = load_encodings(folder)
    findings = []
    for section in SECTIONS:
        held, wanted = found[section], expected[section]
        for name in sorted(held.keys() | wanted.keys()):
            if held.get(name) != wanted.get(name):
                findings.append(
                    Finding(tensor=name, what="differs between encodings.json and int8.onnx")
                )
    return findings
