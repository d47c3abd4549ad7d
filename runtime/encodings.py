"""Encodings: how 8-bit codes stand for real numbers, and the file that lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError

FILE_NAME = "encodings.json"


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """real = (code - zero_point) * scale, for one tensor of unsigned codes."""

    scale: float
    zero_point: int

    def dequantize(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the real numbers, float32, of the same shape."""
        centred = codes.astype(np.float32) - np.float32(self.zero_point)
        return np.asarray(centred * np.float32(self.scale), np.float32)


def load_activation_encodings(folder: Path) -> dict[str, Encoding]:
    """Read the encodings of a bundle's activations by tensor name (format 0.6.1).

    The file holds Qualcomm's sign, offset = -zero_point. Raises ArtifactError.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Encoding(scale=float(entry[0]["scale"]), zero_point=-int(entry[0]["offset"]))
            for name, entry in content["activation_encodings"].items()
        }
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing: make it with `hexdet quantize`") from error
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ArtifactError(f"{path} cannot be read: {error!r}; quantize again") from error
