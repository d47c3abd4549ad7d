"""Encodings: how 8-bit codes stand for real numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """real = (code - zero_point) * scale, for one tensor of unsigned codes."""

    scale: float
    zero_point: int

    def dequantize(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the real numbers, float32, of the same shape."""
        centred = codes.astype(np.float32) - np.float32(self.zero_point)
        return np.asarray(centred * np.float32(self.scale), np.float32)
