"""Caffe files that cannot be imported: each is refused by the name of what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.errors import ArtifactError
from hexdet.export.caffe_ssd.building import import_caffe_ssd
from hexdet.export.caffe_ssd.reading import read_caffemodel, read_prototxt
from hexdet.export.caffe_ssd.schema import message_class

from .small import (
    BATCH_NORM,
    CONV,
    INPUT,
    SCALE,
    convolution_weights,
    layer,
    norm_weights,
    refusal,
    write,
)

CONV_OK = CONV % ""
REFUSED: list[tuple[str, str, str]] = [
    ("nothing", "", "it has no layer"),
    ("no prototxt", "hello world", "no prototxt of a network: line 2:"),
    ("a brace", "layer {", "no prototxt of a network: line"),
    ("a wrong value", CONV.replace("4", "four") % "", "line 2:.*four"),
    ("unknown layer", layer("u", "PReLU", "data"), r"layer u \(PReLU\).*did you mean ReLU"),
    ("unknown layer", layer("u", "LSTM", "data"), r"layer u \(LSTM\).*known are BatchNorm, Con"),
    ("unknown blob", layer("r", "ReLU", "nowhere"), "layer r reads nowhere, which no layer"),
    ("a name twice", layer("r", "ReLU", "data") * 2, "two layers have the name r"),
    ("two inputs", layer("r", "ReLU", ["data", "data"]), r"layer r \(ReLU\) has 2 inputs"),
    ("its input's name", layer("data", "ReLU", "data"), "layer data .* has the name of the input"),
    ("no kernel", layer("p", "Pooling", "data"), r"layer p \(Pooling\) needs a kernel"),
    (
        "a large window",
        layer("p", "Pooling", "data", "pooling_param { kernel_size: 9 }"),
        r"window larger than its input of \(7, 5\)",
    ),
    (
        "groups",
        layer("c", "Convolution", "data", "convolution_param { num_output: 4 group: 2 }"),
        "makes 4 of 3 channels in 2 groups",
    ),
    (
        "sizes",
        layer("p", "Pooling", "data", "pooling_param { kernel_size: 2 }")
        + layer("e", "Eltwise", ["data", "p"]),
        r"layer e \(Eltwise\) joins 2 inputs",
    ),
    (
        "coefficients",
        layer("r", "ReLU", "data")
        + layer("e", "Eltwise", ["data", "r"], "eltwise_param { coeff: 1 coeff: -1 }"),
        r"has the coefficients \[1.0, -1.0\]",
    ),
    (
        "concat",
        layer("p", "Pooling", "data", "pooling_param { kernel_size: 2 }")
        + layer("x", "Concat", ["data", "p"]),
        r"layer x \(Concat\) joins the shapes",
    ),
    (
        "reshape",
        layer("x", "Reshape", "data", "reshape_param { shape { dim: 1 dim: 4 dim: -1 } }"),
        r"layer x \(Reshape\) cannot make \[1, 4, -1\] of \(1, 3, 7, 5\)",
    ),
    (
        "permute",
        layer("x", "Permute", "data", "permute_param { order: 0 order: 5 }"),
        r"has the order \[0, 5\]",
    ),
    (
        "axis",
        layer("x", "Softmax", "data", "softmax_param { axis: 7 }"),
        "names the axis 7",
    ),
    ("normalize", layer("n", "Normalize", "data"), "normalises across the image"),
    ("weights missing", CONV_OK, r"at the layer c \(Convolution\): its weights are missing"),
    ("input", 'input: "data" input_dim: 1 input_dim: 3\n' + CONV_OK, r"not an image \(1, 3, h, w"),
    ("grey", INPUT.replace("dim: 3", "dim: 1") + CONV_OK, r"is \[1, 1, 7, 5\], not an image"),
    ("old", 'input: "data" layers { name: "x" }', "of the format before 2014"),
]


@pytest.mark.parametrize(("text", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_cannot_be_imported_is_named(tmp_path: Path, text: str, message: str) -> None:
    assert re.search(message, refusal(tmp_path, text))


@pytest.mark.parametrize(
    ("blobs", "message"),
    [
        ([(4, 3, 3, 3)], r"\[\[4, 3, 3, 3\]\], the prototxt means \[\[4, 3, 3, 3\], \[4\]\]"),
        ([(5, 3, 3, 3), (5,)], r"layer c \(Convolution\): its weights are \[\[5, 3, 3, 3\]"),
        ([(4, 3, 5, 5), (4,)], r"small\.caffemodel does not fit .*small\.prototxt at the layer c"),
        ([(4, 3, 3, 3), (4,), (1,)], "does not fit"),
    ],
)
def test_weights_of_another_network_name_the_layer(
    tmp_path: Path, blobs: list[tuple[int, ...]], message: str
) -> None:
    weights = {"c": [np.zeros(shape, np.float32) for shape in blobs]}
    assert re.search(message, refusal(tmp_path, CONV_OK, weights))


@pytest.mark.parametrize("kind", ["n", "s"])
def test_norms_of_another_network_name_the_layer(tmp_path: Path, kind: str) -> None:
    text = CONV_OK + {"n": BATCH_NORM, "s": SCALE}[kind]
    found = refusal(tmp_path, text, {"c": convolution_weights(), kind: [np.ones(5, np.float32)]})
    assert f"layer {kind} (" in found
    assert "has [5] weights, the prototxt means [4, 4" in found
    found = refusal(tmp_path, text, {"c": convolution_weights()})
    assert f"layer {kind} (" in found
    assert "has no weights" in found


def test_a_folded_convolution_without_weights_is_named(tmp_path: Path) -> None:
    found = refusal(tmp_path, CONV_OK + BATCH_NORM, {"n": norm_weights()["n"]})
    assert "layer c (Convolution) has no weights" in found


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    weight, bias = convolution_weights()
    bias[1] = value
    assert "layer c has weights that are not finite" in refusal(
        tmp_path, CONV_OK, {"c": [weight, bias]}
    )


@pytest.mark.parametrize("shape", [[4, 3, 3, 4], [-4, 3, 3, -3], [4, 3, 3, 2**62]])
def test_a_shape_that_lies_is_refused(tmp_path: Path, shape: list[int]) -> None:
    weight, bias = convolution_weights()
    caffemodel, prototxt = write(tmp_path, CONV_OK, {"c": [weight, bias]})
    net = message_class("NetParameter").FromString(caffemodel.read_bytes())
    net.layer[0].blobs[0].shape.dim[:] = shape
    caffemodel.write_bytes(net.SerializeToString())
    with pytest.raises(ArtifactError, match=r"layer c has 108 weights where its shape is"):
        import_caffe_ssd(caffemodel, prototxt, 17)


def test_another_format_of_weights_is_refused(tmp_path: Path) -> None:
    for change, message in (
        (lambda net: net.layers.add(name="x"), "format before 2014"),
        (lambda net: net.ClearField("layer"), "holds no weights"),
    ):
        caffemodel, _ = write(tmp_path, CONV_OK, {"c": convolution_weights()})
        net = message_class("NetParameter").FromString(caffemodel.read_bytes())
        change(net)
        caffemodel.write_bytes(net.SerializeToString())
        with pytest.raises(ArtifactError, match=message):
            read_caffemodel(caffemodel)


@pytest.mark.parametrize("kept", [0, 1, 5, 100, 400, -30])
def test_a_truncated_caffemodel_is_an_error(tmp_path: Path, kept: int) -> None:
    caffemodel, prototxt = write(tmp_path, CONV_OK, {"c": convolution_weights()})
    caffemodel.write_bytes(caffemodel.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"small\.caffemodel (is|does not)"):
        import_caffe_ssd(caffemodel, prototxt, 17)


def test_missing_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot read .*none\.prototxt"):
        read_prototxt(tmp_path / "none.prototxt")
    with pytest.raises(ArtifactError, match=r"cannot read .*none\.caffemodel"):
        read_caffemodel(tmp_path / "none.caffemodel")


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10**6), value=st.integers(0, 255))
def test_a_damaged_caffemodel_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    caffemodel, prototxt = write(folder, CONV_OK, {"c": convolution_weights()})
    content = bytearray(caffemodel.read_bytes())
    content[place % len(content)] = value
    caffemodel.write_bytes(content)
    said = str(caffemodel)
    try:
        import_caffe_ssd(caffemodel, prototxt, 17)
    except ArtifactError as error:
        said = str(error)
    assert str(caffemodel) in said
