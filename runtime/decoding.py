"""Decoding of a few anchors' deltas: from codes or floats to boxes, one column a coordinate.

The arithmetic is that of `boxes.decode`, operation by operation, so that the boxes are those of
the plain reading bit by bit. Of 8-bit deltas everything that needs no anchor is in tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .anchors import all_anchors
from .boxes import MAX_LOG_SIZE
from .code_candidates import code_table, of_anchors
from .contract import DetectorContract
from .encodings import Encoding

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

ZERO = np.float32(0)


class Decoder:
    """Turns deltas into boxes of the network's input, cut to it."""

    def __init__(self, contract: DetectorContract, encodings: Sequence[Encoding]) -> None:
        """Make the tables; encodings: of each level's boxes, empty where there are no codes."""
        self._centre, self._size = (np.float32(v) for v in contract.variances)
        self._most = np.float32(MAX_LOG_SIZE)
        anchors = all_anchors(contract)
        sides = anchors[:, 2:4]
        # [6, anchors]: what the four factors are multiplied by, then the centre.
        self._geometry = np.concatenate([sides, sides / 2, anchors[:, 0:2]], axis=1).T.copy()
        limits = [contract.input.width, contract.input.height] * 2
        self._limits = np.asarray(limits, np.float32)[:, None]
        factors = [
            self._factors(np.tile(code_table(e, v.boxes), (4, 1)))[1:3]
            for e, v in zip(encodings, contract.levels, strict=False)
        ]
        # [levels * 512]: of each level what a code of the centre stands for, then one of the size.
        self._factor_table = np.asarray(factors, np.float32).reshape(-1)
        first = np.arange(len(contract.levels))[:, None] * 512 + [0, 0, 256, 256]
        self._first = of_anchors(first, contract).T.copy()  # [4, anchors]: where to look

    def __call__(self, deltas: npt.NDArray[Any], anchors: Index) -> Float:
        """Return the boxes of the chosen anchors, float32 [4, n]: rows x1, y1, x2, y2.

        deltas: of all anchors, uint8 or float32 [anchors, 4], C-contiguous; anchors: [n].
        Numbers that overflow become the border; the caller silences numpy about them.
        """
        geometry = self._geometry.take(anchors, axis=1)
        chosen = deltas.take(anchors, axis=0).T  # [4, n]
        if deltas.dtype == np.uint8:
            index = self._first.take(anchors, axis=1)
            index += chosen
            factors = self._factor_table.take(index)
        else:
            factors = self._factors(chosen)
        factors *= geometry[:4]  # centre's offset and half the sides, in pixels
        centre, half = factors[:2], factors[2:]
        centre += geometry[4:]
        boxes = np.empty(factors.shape, np.float32)
        np.subtract(centre, half, out=boxes[:2])
        np.add(centre, half, out=boxes[2:])
        np.maximum(boxes, ZERO, out=boxes)
        return np.minimum(boxes, self._limits, out=boxes)

    def _factors(self, deltas: Float) -> Float:
        """Return [4, n] what anchors' sides are multiplied by, for deltas [4, n]."""
        factors = np.empty(deltas.shape, np.float32)
        with np.errstate(over="ignore"):
            np.multiply(deltas[:2], self._centre, out=factors[:2])
            size = deltas[2:] * self._size
        np.minimum(size, self._most, out=size)
        np.exp(size, out=factors[2:])
        return factors
