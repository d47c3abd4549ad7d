"""Box arithmetic: the one place where IoU, deltas and clipping are written down.

Boxes are float32 [n, 4] as (x1, y1, x2, y2) in pixels; anchors are float32 [n, 4] as
(cx, cy, w, h) in pixels of the network's input.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]

MAX_LOG_SIZE = float(np.log(1000.0 / 16.0))
"""Upper bound of a decoded log size: a wild delta gives a large box, never an overflow."""


def area(boxes: Float) -> Float:
    """Return the area of each box, float32 [n], in square pixels; inverted boxes count as zero."""
    sides = np.maximum(boxes[:, 2:4] - boxes[:, 0:2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def intersection(a: Float, b: Float) -> Float:
    """Return the common area of every pair, float32 [len(a), len(b)], in square pixels."""
    # A plane a side: [a, b, 2] arrays take several times as long for the same numbers.
    ax1, ay1, ax2, ay2 = np.asarray(a.T, order="C")[:, :, None]
    bx1, by1, bx2, by2 = np.asarray(b.T, order="C")[:, None, :]
    common = np.minimum(ax2, bx2)  # [a, b], as every array below
    common -= np.maximum(ax1, bx1)
    np.maximum(common, 0.0, out=common)
    height = np.minimum(ay2, by2)
    height -= np.maximum(ay1, by1)
    np.maximum(height, 0.0, out=height)
    common *= height
    return np.asarray(common, np.float32)


def iou(a: Float, b: Float) -> Float:
    """Return the intersection over union of every pair, float32 [len(a), len(b)], 0 to 1."""
    common = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - common
    ratio = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return np.asarray(ratio, np.float32)


def to_corners(centred: Float) -> Float:
    """Turn (cx, cy, w, h) into (x1, y1, x2, y2); float32 [n, 4] both."""
    half = centred[:, 2:4] / 2
    return np.concatenate([centred[:, 0:2] - half, centred[:, 0:2] + half], axis=1)


def to_centred(boxes: Float) -> Float:
    """Turn (x1, y1, x2, y2) into (cx, cy, w, h); float32 [n, 4] both."""
    sides = boxes[:, 2:4] - boxes[:, 0:2]
    return np.concatenate([boxes[:, 0:2] + sides / 2, sides], axis=1)


def encode(boxes: Float, anchors: Float, variances: tuple[float, float]) -> Float:
    """Return the deltas (dx, dy, dw, dh), float32 [n, 4], that turn each anchor into its box.

    boxes: [n, 4] corners, positive area; anchors: [n, 4] centred.
    variances: divisors of the centre and of the size terms.
    Source: SSD, arXiv 1512.02325, section 2.2, with the variances of its published code.
    """
    centred = to_centred(boxes)
    centre = (centred[:, 0:2] - anchors[:, 0:2]) / anchors[:, 2:4] / variances[0]
    size = np.log(centred[:, 2:4] / anchors[:, 2:4]) / variances[1]
    return np.concatenate([centre, size], axis=1).astype(np.float32)


def decode(deltas: Float, anchors: Float, variances: tuple[float, float]) -> Float:
    """Return the boxes, float32 [n, 4] corners in pixels of the network's input: encode's inverse.

    deltas: [n, 4] (dx, dy, dw, dh); anchors: [n, 4] centred.
    """
    centre = deltas[:, 0:2] * variances[0] * anchors[:, 2:4] + anchors[:, 0:2]
    size = np.exp(np.minimum(deltas[:, 2:4] * variances[1], MAX_LOG_SIZE)) * anchors[:, 2:4]
    return to_corners(np.concatenate([centre, size], axis=1).astype(np.float32))


def clip(boxes: Float, width: float, height: float) -> Float:
    """Return the boxes cut to an image of width x height pixels."""
    limits = np.asarray([width, height, width, height], np.float32)
    return np.clip(boxes, 0, limits).astype(np.float32)
