"""A temporary folder for the tools, its name without spaces, and the raws that calibrate in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...calibration_data.images import CalibrationImages
from ...errors import ArtifactError, ToolError
from ...runtime.contract import InputSpec
from ...runtime.images import normalise
from ...runtime.scratch import scratch_folder

FLOAT_BYTES = 4
_PLACES = ("/tmp", "/var/tmp")
"""Where the folder for temporary files has a space in its name: input lists know no quotes."""


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Yield an empty folder that is gone at the end.

    Raises ToolError where its name would have a space, ArtifactError where none can be made.
    """
    usual = tempfile.gettempdir()
    place = next((p for p in (usual, *_PLACES) if not _is_split(p) and Path(p).is_dir()), None)
    if place is None:
        raise ToolError(f"the SDK's tools cannot read paths with spaces, and {usual} has one")
    with scratch_folder(Path(place)) as folder:
        yield folder


def _is_split(path: str) -> bool:
    return len(path.split()) != 1 or any(sign in path for sign in "'\"#%")


def write_calibration(
    images: CalibrationImages, shape: Sequence[int], spec: InputSpec, folder: Path
) -> Path:
    """Write the images as raws for a DLC's input, and the list that names them; return the list.

    shape: of that input, NCHW or NHWC as the converter left it. A raw is float32, little-endian,
    normalised exactly as the float graph's input, without a header.
    Raises ArtifactError where the input is of neither layout.
    """
    layout = layout_of(shape, spec)
    raws = folder / "raws"
    raws.mkdir()
    paths = []
    for index in range(len(images)):
        pictures = normalise(images[index], spec)  # [1, 3, h, w]
        if layout == "NHWC":
            pictures = pictures.transpose(0, 2, 3, 1)  # [1, 3, h, w] -> [1, h, w, 3]
        paths.append(_write_raw(pictures, shape, raws / f"{index:05d}.raw"))
    listed = folder / "calibration.txt"
    listed.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return listed


def layout_of(shape: Sequence[int], spec: InputSpec) -> str:
    """Return NCHW or NHWC, which of them a DLC's input is; ArtifactError where it is neither."""
    known: dict[tuple[int, ...], str] = {
        (1, 3, spec.height, spec.width): "NCHW",
        (1, spec.height, spec.width, 3): "NHWC",
    }
    if tuple(shape) not in known:
        raise ArtifactError(
            f"the converted DLC's input is {tuple(shape)}, the network's is "
            f"[1, 3, {spec.height}, {spec.width}]: the tool changed it without a word"
        )
    return known[tuple(shape)]


def _write_raw(values: npt.NDArray[np.float32], shape: Sequence[int], path: Path) -> Path:
    data = np.ascontiguousarray(values, "<f4").tobytes()
    # A raw of the wrong size is taken for another batch, and every tensor shrinks in silence.
    if len(data) != FLOAT_BYTES * prod(shape):
        raise ArtifactError(f"{path.name} has {len(data)} bytes, the DLC's input is {tuple(shape)}")
    path.write_bytes(data)  # `tofile` does not say that a disk is full
    return path
