"""The shapes of Caffe's layers, by the formulas of its source; a shape is (n, ...)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window that slides over rows and columns; every pair is (y, x)."""

    kernel: Pair
    stride: Pair
    pad: Pair
    dilation: Pair = (1, 1)

    def output(self, size: Pair, *, ceil: bool = False) -> Pair:
        """Return rows and columns of the result; may be less than 1 for a window too large."""
        return (self._along(0, size[0], ceil), self._along(1, size[1], ceil))

    def _along(self, axis: int, size: int, ceil: bool) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        pad, stride = self.pad[axis], self.stride[axis]
        steps = (size + 2 * pad - reach) / stride
        count = (math.ceil(steps) if ceil else math.floor(steps)) + 1
        # Caffe: the last window must not start in the padding behind the image.
        if ceil and pad and (count - 1) * stride >= size + pad:
            count -= 1
        return count


def convolution_window(section: Any) -> Window:
    """Return the window of a ConvolutionParameter message."""
    return Window(
        kernel=_pair(section.kernel_size, section.kernel_h, section.kernel_w, 0),
        stride=_pair(section.stride, section.stride_h, section.stride_w, 1),
        pad=_pair(section.pad, section.pad_h, section.pad_w, 0),
        dilation=_pair(section.dilation, 0, 0, 1),
    )


def pooling_window(section: Any, size: Pair) -> Window:
    """Return the window of a PoolingParameter message over an input of `size`."""
    if section.global_pooling:
        return Window(kernel=size, stride=(1, 1), pad=(0, 0))

    def one(value: int) -> list[int]:
        return [value] if value else []

    return Window(
        kernel=_pair(one(section.kernel_size), section.kernel_h, section.kernel_w, 0),
        stride=_pair(one(section.stride), section.stride_h, section.stride_w, 1),
        pad=_pair(one(section.pad), section.pad_h, section.pad_w, 0),
    )


def _pair(both: Sequence[int], y: int, x: int, usual: int) -> Pair:
    """Return a size in y and x: the two if they are said, else the one or two of the list."""
    if y or x:
        return (y or usual, x or usual)
    if len(both) == 2:
        return (both[0], both[1])
    return (both[0], both[0]) if both else (usual, usual)


def concatenated(shapes: Sequence[Shape], axis: int) -> Shape | None:
    """Return the shape of shapes joined along an axis; None where they do not fit."""
    first = shapes[0]
    axis = axis % len(first)
    rest = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
    if len(rest) > 1 or len({len(shape) for shape in shapes}) > 1:
        return None
    return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])


def reshaped(shape: Shape, wanted: Sequence[int]) -> Shape | None:
    """Return the shape after a reshape, where 0 keeps an axis and -1 takes what is left."""
    count = math.prod(shape)
    sizes = [shape[i] if n == 0 and i < len(shape) else n for i, n in enumerate(wanted)]
    known = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) > 1 or known < 1 or count % known:
        return None
    result = tuple(count // known if n == -1 else n for n in sizes)
    return result if math.prod(result) == count else None
