"""SAME padding: TensorFlow's table of cases, and the windows of a brute-force convolution."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.export.tflite_ssd.padding import same_padding

TABLE = [
    # size, kernel, stride, before, after
    (1, 1, 1, 0, 0),
    (1, 3, 1, 1, 1),
    (1, 3, 2, 1, 1),
    (2, 3, 2, 0, 1),
    (3, 3, 2, 1, 1),
    (5, 3, 2, 1, 1),
    (10, 3, 2, 0, 1),
    (19, 3, 2, 1, 1),
    (38, 3, 2, 0, 1),
    (75, 3, 2, 1, 1),
    (300, 3, 2, 0, 1),
    (300, 1, 2, 0, 0),
    (13, 6, 5, 1, 2),
    (224, 7, 2, 2, 3),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "before", "after"), TABLE)
def test_table(size: int, kernel: int, stride: int, before: int, after: int) -> None:
    assert same_padding(size, kernel, stride) == (before, after)


def windows(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how far the windows that TensorFlow lays over an axis reach out of it, by search.

    ceil(size / stride) windows at equal steps; of all places where they cover the axis to its end
    the most even one, and of two the one with the odd zero behind.
    """
    span = (math.ceil(size / stride) - 1) * stride + kernel
    if span <= size:
        return 0, 0
    places = [(before, span - size - before) for before in range(span - size + 1)]
    return min(places, key=lambda place: (abs(place[1] - place[0]), place[0]))


@given(st.integers(1, 320), st.integers(1, 11), st.integers(1, 4))
def test_brute_force(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    assert (before, after) == windows(size, kernel, stride)
    if kernel >= stride:
        assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


def test_stride_2_on_an_even_size_starts_at_the_first_pixel() -> None:
    # The first window of a 3x3 convolution at stride 2 over 300 pixels covers pixels 0 to 2;
    # with PyTorch's padding of 1 it would cover -1 to 1, and so on, one pixel off everywhere.
    before, _ = same_padding(300, 3, 2)
    assert before == 0
