"""A folded network as arrays and a description: an `.npz` with the `.json` of the same name."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ArtifactError
from .normalisation import Normalisation

CONVOLUTIONS = {"CONV_2D": False, "DEPTHWISE_CONV_2D": True}
"""Operators that have weights, and whether each channel is filtered alone."""
UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, AttributeError, MemoryError, zipfile.BadZipFile
)  # fmt: skip
"""What numpy raises on a file that is damaged or none of its own."""
MOST_BYTES = 2**30
"""Of all arrays: a few megabytes can claim many gigabytes, and get them."""


@dataclass(frozen=True, kw_only=True)
class FoldedConvolution:
    """A convolution with its batch norm folded in.

    weight: float32 [out, in / groups, kh, kw]; bias: float32 [out].
    """

    name: str
    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    stride: int
    depthwise: bool
    relu6: bool


@dataclass(frozen=True, kw_only=True)
class DescribedGraph:
    """A network's convolutions in the order of the graph, and how its images are prepared."""

    path: Path
    normalisation: Normalisation
    convolutions: tuple[FoldedConvolution, ...]


def read_described_graph(path: Path) -> DescribedGraph:
    """Read an `.npz` of weights and the description beside it; nothing in either is executed.

    The arrays are `NNN.weight` and `NNN.bias` for operator number NNN of the description's `ops`.
    Raises ArtifactError where one of the two is missing or damaged, or they do not fit each other.
    """
    beside = path.with_suffix(".json")
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(
            f"{path} needs its description beside it: {beside}: {error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{beside} is no readable JSON: {error}") from error
    try:
        # From memory: numpy leaves a file open that it cannot read.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            _check_size(path, arrays.zip)
            weights = {name: np.asarray(arrays[name], np.float32) for name in arrays.files}
    except UNREADABLE as error:
        raise ArtifactError(f"{path} is no readable .npz of plain arrays: {error}") from error
    try:
        return _described(path, content, weights)
    except (KeyError, TypeError, IndexError, ZeroDivisionError) as error:
        raise ArtifactError(f"{beside} does not describe {path.name}: {error!r}") from error


def _check_size(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse a file that would take more memory than any network, before it is unpacked."""
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MOST_BYTES:
        raise ArtifactError(
            f"{path} holds {size / 2**20:.0f} MiB of arrays: more than {MOST_BYTES / 2**20:.0f} "
            f"are not unpacked"
        )


def _described(path: Path, content: Any, weights: dict[str, Any]) -> DescribedGraph:
    if any(operator["op"] == "CUSTOM" for operator in content["ops"]):
        raise ArtifactError(
            f"{path} is a whole detector: bring in what it was made of, "
            f"`hexdet export --tflite {content['source']} --contract CONTRACT`"
        )
    convolutions = []
    for number, operator in enumerate(content["ops"]):
        if operator["op"] not in CONVOLUTIONS:
            continue
        weight, bias = weights[f"{number:03}.weight"], weights[f"{number:03}.bias"]
        name = f"{number:03} ({operator['out_name'].split(';')[0]})"
        channels = operator["out_shape"][-1]
        if weight.ndim != 4 or (len(weight), bias.shape) != (channels, (channels,)):
            raise ArtifactError(
                f"{path}: the weights of {name} are {list(weight.shape)} and {list(bias.shape)}, "
                f"its description gives {channels} output channels"
            )
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise ArtifactError(f"{path}: the weights of {name} are not all finite")
        across, down = operator["stride"]
        if across != down:
            raise ArtifactError(f"{path}: {name} has the strides {across} and {down}: not imported")
        convolutions.append(
            FoldedConvolution(
                name=name,
                weight=weight,
                bias=bias,
                stride=int(across),
                depthwise=CONVOLUTIONS[operator["op"]],
                relu6=operator["act"] == "relu6",
            )
        )
    return DescribedGraph(
        path=path,
        normalisation=Normalisation(
            mean=(float(content["in_zp"]),) * 3, std=1.0 / float(content["in_scale"])
        ),
        convolutions=tuple(convolutions),
    )
