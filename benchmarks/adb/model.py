"""The network that goes onto a device, the pictures it is fed with, and what it gave."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...errors import ArtifactError, ToolError
from ...export.bundle import Bundle
from ...export.context_binary import context_paths
from ...export.dlc_file import read_dlc
from ...export.sdk.about import INT8_DLC, read_about, sdk_folders
from ...export.sdk.staging import layout_of
from ...runtime.contract import DetectorContract, load_contract
from ...runtime.files import sha256_of, write_bytes
from ...runtime.images import normalise
from ...runtime.targets import TARGETS
from .identity import Device

Pixels = npt.NDArray[np.uint8]
FLOAT_BYTES = 4
EXACT = 0.01
"""A real number this near to a code, in codes, is that code: float32 keeps it far nearer."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """The file that a device runs.

    kind: `dlc` or `context`. title: where it is from. layout: of its input. prepared: compiled for
    the chip already. contract: that of the DLC's own encodings.
    """

    path: Path
    sha256: str
    kind: Literal["dlc", "context"]
    title: str
    layout: str
    prepared: bool
    contract: DetectorContract


def choose_model(bundle: Bundle, device: Device, *, context: bool) -> Model:
    """Return what a bundle has for a device: the SDK's DLC for its chip, else its own DLC.

    context: the context binary for the chip instead. Raises ArtifactError where it is missing.
    """
    folder = bundle.folder
    if context:
        target = TARGETS.get(device.chip)
        path = context_paths(folder, target)[0] if target else folder / f"{device.chip}.bin"
        if target is None or not path.is_file():
            raise ArtifactError(
                f"{path} is missing: make it with `hexdet dlc {folder} --target {device.chip}`"
            )
        return Model(
            path=path,
            sha256=sha256_of(path),
            kind="context",
            title=path.name,
            layout="NHWC",
            prepared=True,
            contract=load_contract(folder),
        )
    for made in sdk_folders(bundle):
        if made.name.upper() == device.chip:
            about = read_about(made)
            title = f"{made.name}/{INT8_DLC} by {about['sdk']}"
            return _dlc(made / INT8_DLC, title, prepared=about["preparation"] == "cache")
    return _dlc(folder / INT8_DLC, INT8_DLC, prepared=False)


def _dlc(path: Path, title: str, *, prepared: bool) -> Model:
    if not path.is_file():
        raise ArtifactError(f"{path} is missing: make it with `hexdet dlc {path.parent}`")
    contract = load_contract(path.parent)
    inputs = read_dlc(path).model.inputs
    if len(inputs) != 1:
        raise ArtifactError(f"{path} has {len(inputs)} inputs instead of one")
    return Model(
        path=path,
        sha256=sha256_of(path),
        kind="dlc",
        title=title,
        layout=layout_of(inputs[0].shape, contract.input),
        prepared=prepared,
        contract=contract,
    )


def write_raws(
    pictures: Sequence[Pixels], model: Model, folder: Path, *, native: bool
) -> list[Path]:
    """Write pictures as the programs read them, each named by its content; return the files.

    pictures: uint8 [1, h, w, 3]. native: as the codes that they are, else as float32 normalised,
    in the layout of the model's input.
    """
    paths = []
    for pixels in pictures:
        values: npt.NDArray[Any] = pixels
        if not native:
            values = normalise(pixels, model.contract.input).transpose(0, 2, 3, 1)  # -> NHWC
        if model.layout == "NCHW":
            values = values.transpose(0, 3, 1, 2)  # [1, h, w, 3] -> [1, 3, h, w]
        data = np.ascontiguousarray(values, None if native else "<f4").tobytes()
        digest = hashlib.sha256(data).hexdigest()
        paths.append(write_bytes(folder / f"{digest[:16]}.raw", data))
    return paths


def read_outputs(
    folder: Path, contract: DetectorContract, *, native: bool
) -> dict[str, npt.NDArray[Any]]:
    """Return one picture's outputs by name, as 8-bit codes where they are exactly such.

    folder: a Result_N. Real numbers that lie on no code of the contract stay float32.
    Raises ToolError where one is missing, not finite or of another size: the programs tell success
    even then.
    """
    return {
        name: _read(folder, name, shape, contract, native=native)
        for name, shape in contract.output_shapes().items()
    }


def _read(
    folder: Path, name: str, shape: Sequence[int], contract: DetectorContract, *, native: bool
) -> npt.NDArray[Any]:
    names = (f"{name}.raw", f"{name}_native.raw", f"{name}:0.raw")
    path = next((folder / n for n in names if (folder / n).is_file()), None)
    if path is None:
        raise ToolError(f"the device gave no output {name}, whatever its program says")
    data = path.read_bytes()
    size = prod(shape) * (1 if native else FLOAT_BYTES)
    if len(data) != size:
        raise ToolError(
            f"the device gave {len(data)} bytes of {name} instead of {size}: it took the input "
            f"for another batch"
        )
    if native:
        return np.frombuffer(data, np.uint8).reshape(shape)
    values = np.frombuffer(data, "<f4").astype(np.float32).reshape(shape)
    if not np.isfinite(values).all():
        raise ToolError(f"the device gave values of {name} that are not finite")
    encoding = contract.encodings.get(name)
    if encoding is None:
        return values
    codes = values.astype(np.float64) / encoding.scale + encoding.zero_point
    nearest = np.round(codes)
    if np.abs(codes - nearest).max() > EXACT or nearest.min() < 0 or nearest.max() > 255:
        return values
    return nearest.astype(np.uint8)


def same_encodings(one: DetectorContract, other: DetectorContract) -> bool:
    """Return whether two contracts give the same meaning to the outputs' codes."""
    ours: Mapping[str, Any] = one.encodings
    return ours == other.encodings
