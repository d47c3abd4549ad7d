"""Encodings as people read and compare them: their range, a line of text, equality."""

from __future__ import annotations

import numpy as np

from .model import (
    DlcTensor,
    Encoding,
    PerAxisEncoding,
    PerTensorEncoding,
    UnreadEncoding,
)


def stored_range(dtype: str, bitwidth: int) -> tuple[int, int]:
    """Return the smallest and the largest integer that a fixed-point tensor can store."""
    if dtype.startswith("s"):
        return -(1 << bitwidth - 1), (1 << bitwidth - 1) - 1
    return 0, (1 << bitwidth) - 1


def covered_range(tensor: DlcTensor) -> tuple[float, float] | None:
    """Return the smallest and the largest real number that a per-tensor encoding can express.

    It is what the file says or, where it leaves it out, scale * (stored + offset) at both ends;
    None without such an encoding.
    """
    encoding = tensor.encoding
    if not isinstance(encoding, PerTensorEncoding) or not 0 < encoding.bitwidth <= 64:
        return None
    if encoding.minimum is not None and encoding.maximum is not None:
        return encoding.minimum, encoding.maximum
    low, high = stored_range(tensor.dtype, encoding.bitwidth)
    return encoding.scale * (low + encoding.offset), encoding.scale * (high + encoding.offset)


def describe(tensor: DlcTensor) -> str:
    """Return a tensor's encoding in a line, in the words of snpe-dlc-info."""
    match tensor.encoding:
        case PerTensorEncoding() as one:
            covered = covered_range(tensor)
            ends = f"min {covered[0]:.9g}, max {covered[1]:.9g}, " if covered else ""
            return f"bitwidth {one.bitwidth}, {ends}scale {one.scale:.12f}, offset {one.offset}"
        case PerAxisEncoding() as many:
            if len(many.scales) == 0:
                return f"bitwidth {many.bitwidth}, axis {many.axis}, no channels"
            with np.errstate(invalid="ignore"):
                low, high = many.scales.min(), many.scales.max()
            return (
                f"bitwidth {many.bitwidth}, axis {many.axis}, {len(many.scales)} channels, "
                f"scale {low:.12f} to {high:.12f}, "
                f"offset {many.offsets.min()} to {many.offsets.max()}"
            )
        case UnreadEncoding(form=form):
            return f"of the unknown form {form}"
        case None:
            return "none"


def same(first: Encoding, second: Encoding) -> bool:
    """Return whether two encodings are equal, bit for bit."""
    if isinstance(first, PerAxisEncoding) and isinstance(second, PerAxisEncoding):
        return (
            (first.bitwidth, first.axis) == (second.bitwidth, second.axis)
            and np.array_equal(first.scales, second.scales, equal_nan=True)
            and np.array_equal(first.offsets, second.offsets)
        )
    return repr(first) == repr(second)
