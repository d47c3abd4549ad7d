"""Single layers of small networks against plain arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hexdet.export.caffe_ssd.folding import fold
from hexdet.export.caffe_ssd.reading import read_caffemodel, read_prototxt

from .small import (
    BATCH_NORM,
    CONV,
    SCALE,
    SIZE,
    Array,
    convolution_weights,
    image,
    layer,
    norm_weights,
    refusal,
    result,
    write,
)


def convolved(weight: Array, bias: Array, *, dilation: int = 1, stride: int = 1) -> Array:
    """Convolve the image with a pad of `dilation`, by the definition."""
    pad = dilation
    x = np.pad(image()[0], ((0, 0), (pad, pad), (pad, pad)))
    rows = (SIZE[1] - 1) // stride + 1
    columns = (SIZE[2] - 1) // stride + 1
    out = np.zeros((len(weight), rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            window = x[
                :,
                i * stride : i * stride + 2 * dilation + 1 : dilation,
                j * stride : j * stride + 2 * dilation + 1 : dilation,
            ]
            out[:, i, j] = np.tensordot(weight, window, 3) + bias
    return out


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ("", {}),
        ("stride: 2", {"stride": 2}),
        ("pad_h: 2 pad_w: 2 dilation: 2", {"dilation": 2}),
        ("stride_h: 2 stride_w: 2", {"stride": 2}),
        ("kernel_h: 3 kernel_w: 3", {}),
    ],
)
def test_convolution(tmp_path: Path, said: str, more: dict[str, int]) -> None:
    weight, bias = convolution_weights()
    found = result(tmp_path, CONV % said, {"c": [weight, bias]})
    np.testing.assert_allclose(found, convolved(weight, bias, **more), atol=1e-4)


def test_a_weight_of_four_axes_always_as_old_caffe_writes_it(tmp_path: Path) -> None:
    weight, bias = convolution_weights()
    found = result(tmp_path, CONV % "", {"c": [weight, bias.reshape(1, 1, 1, 4)]})
    np.testing.assert_allclose(found, convolved(weight, bias), atol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kinds", ["n", "s", "ns", "sn"])
def test_norms_behind_a_convolution_are_folded(tmp_path: Path, kinds: str, bias: bool) -> None:
    weights = norm_weights()
    text = CONV % f"bias_term: {str(bias).lower()}"
    text += "".join({"n": BATCH_NORM, "s": SCALE}[k] for k in kinds)
    text += layer("r", "ReLU", "c", top="c")
    given = convolution_weights(bias)
    expected = convolved(given[0], given[1] if bias else np.zeros(4, np.float32))
    for kind in kinds:
        if kind == "n":
            mean, variance, count = weights["n"]
            expected = (expected.T - mean / count).T
            expected = (expected.T / np.sqrt(variance / count + 1e-5)).T
        else:
            expected = (expected.T * weights["s"][0] + weights["s"][1]).T
    weights = {k: v for k, v in weights.items() if k in kinds}
    caffemodel, prototxt = write(tmp_path, text, {"c": given, **weights})
    folded = fold(read_prototxt(prototxt), read_caffemodel(caffemodel), caffemodel)
    assert folded.folded == tuple(kinds)
    assert [each.kind for each in folded.net.layers] == ["Convolution", "ReLU"]
    found = result(tmp_path, text, {"c": given, **weights})
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-4)


def test_a_norm_whose_input_others_read_stays(tmp_path: Path) -> None:
    weights = {"c": convolution_weights(), "n": norm_weights()["n"]}
    text = CONV % "" + layer("n", "BatchNorm", "c") + layer("e", "Eltwise", ["c", "n"])
    plain = convolved(*weights["c"])
    mean, variance, count = weights["n"]
    expected = ((plain.T - mean / count) / np.sqrt(variance / count + 1e-5)).T
    np.testing.assert_allclose(result(tmp_path, text, weights), plain + expected, atol=1e-4)


def test_a_norm_of_the_image_stays(tmp_path: Path) -> None:
    blobs = [np.asarray(v, np.float32) for v in ([1, 2, 3], [4, 9, 16], [0])]
    # A count of 0: a network that has not been trained yet.
    found = result(tmp_path, layer("n", "BatchNorm", "data"), {"n": blobs})
    np.testing.assert_allclose(found, image()[0] / np.sqrt(1e-5), rtol=1e-4)


def pooled(kernel: int, stride: int, rows: int, columns: int) -> Array:
    x = image()[0]
    out = np.zeros((3, rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            window = x[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            out[:, i, j] = window.max(axis=(1, 2))
    return out


def test_pooling_looks_over_the_edge_as_caffe_does(tmp_path: Path) -> None:
    text = layer("p", "Pooling", "data", "pooling_param { kernel_size: 2 stride: 2 }")
    np.testing.assert_allclose(result(tmp_path, text), pooled(2, 2, 4, 3))
    text = layer("p", "Pooling", "data", "pooling_param { kernel_size: 3 stride: 2 }")
    np.testing.assert_allclose(result(tmp_path, text), pooled(3, 2, 3, 2))
    text = layer("p", "Pooling", "data", "pooling_param { kernel_size: 2 stride: 2 pool: AVE }")
    assert "averages windows that reach over the edge" in refusal(tmp_path, text)
    text = layer("p", "Pooling", "data", "pooling_param { global_pooling: true pool: AVE }")
    mean = image()[0].mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(result(tmp_path, text), mean, atol=1e-6)


POINTWISE: list[tuple[str, str, Callable[[Array], Array]]] = [
    ("ReLU", "", lambda x: np.maximum(x, 0)),
    ("ReLU", "relu_param { negative_slope: 0.25 }", lambda x: np.where(x > 0, x, x / 4)),
    ("ReLU6", "", lambda x: np.clip(x, 0, 6)),
    ("Sigmoid", "", lambda x: 1 / (1 + np.exp(-x))),
    ("Dropout", "", lambda x: x),
    ("Permute", "permute_param { order: 0 order: 2 order: 3 }", lambda x: x.transpose(1, 2, 0)),
    ("Flatten", "", lambda x: x.reshape(-1)),
    ("Flatten", "flatten_param { axis: 2 }", lambda x: x.reshape(3, -1)),
    (
        "Reshape",
        "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }",
        lambda x: x.reshape(-1, 3),
    ),
    (
        "Softmax",
        "",
        lambda x: np.exp(x) / np.exp(x).sum(axis=0, keepdims=True),
    ),
]


@pytest.mark.parametrize(("kind", "said", "expected"), POINTWISE)
def test_layers_without_weights(
    tmp_path: Path, kind: str, said: str, expected: Callable[[Array], Array]
) -> None:
    found = result(tmp_path, layer("x", kind, "data", said))
    np.testing.assert_allclose(found, expected(image()[0]), atol=1e-6)


@pytest.mark.parametrize(
    ("said", "expected"),
    [("", "sum"), ("eltwise_param { operation: PROD }", "product"),
     ("eltwise_param { operation: MAX }", "maximum")],
)  # fmt: skip
def test_eltwise(tmp_path: Path, said: str, expected: str) -> None:
    x = image()[0]
    positive = np.maximum(x, 0)
    values = {"sum": x + positive, "product": x * positive, "maximum": np.maximum(x, positive)}
    text = layer("r", "ReLU", "data") + layer("e", "Eltwise", ["data", "r"], said)
    np.testing.assert_allclose(result(tmp_path, text), values[expected], atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_normalize(tmp_path: Path, shared: bool) -> None:
    scale = np.asarray([20.0] if shared else [1.0, 2.0, 3.0], np.float32)
    said = f"norm_param {{ across_spatial: false channel_shared: {str(shared).lower()} }}"
    found = result(tmp_path, layer("n", "Normalize", "data", said), {"n": [scale]})
    x = image()[0]
    expected = x / np.sqrt((x**2).sum(axis=0)) * scale.reshape(-1, 1, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["DepthwiseConvolution", "ConvolutionDepthwise"])
def test_depthwise_types_mean_a_group_for_each_channel(tmp_path: Path, kind: str) -> None:
    section = "convolution_param { num_output: 3 kernel_size: 1 bias_term: false }"
    factors = np.asarray([2.0, 3.0, 4.0], np.float32).reshape(3, 1, 1, 1)
    found = result(tmp_path, layer("d", kind, "data", section), {"d": [factors]})
    np.testing.assert_allclose(found, image()[0] * factors[:, 0], atol=1e-6)
