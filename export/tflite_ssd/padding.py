"""TensorFlow's SAME padding, written down as the explicit pads that ONNX wants."""

from __future__ import annotations


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after one axis of `size` pixels.

    The output has ceil(size / stride) pixels; what the last window needs beyond the image is
    max((ceil(size / stride) - 1) * stride + kernel - size, 0). Half of it, rounded down, goes
    before, the rest after: at stride 2 an even size is padded at its end only, where PyTorch's
    padding of 1 would be on both sides and shift every window by a pixel.
    Source: TensorFlow's API page of tf.nn, "Notes on padding".
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
