"""Caffe weights in networks of ours: the same numbers as the imported graph's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hexdet.errors import ArtifactError, RecipeError
from hexdet.export.caffe_ssd.building import import_caffe_ssd
from hexdet.export.caffe_ssd.merging import write_merged
from hexdet.export.caffe_ssd.tensors import read_caffe_tensors
from hexdet.recipe import Recipe, parse_recipe
from hexdet.training.weights_in import batches
from hexdet.training.weights_in.caffe_networks import CAFFE_NETWORKS
from hexdet.training.weights_in.normalisation import PLAIN
from hexdet.training.weights_in.published import Imported, import_tensors

from .conftest import CaffeFiles, run
from .random_weights import random_caffemodel
from .small import BATCH_NORM, CONV, SCALE, convolution_weights, layer, norm_weights, write

VOC = [f"class_{i}" for i in range(20)]


def recipe_of(name: str, monkeypatch: pytest.MonkeyPatch, images: Path, **network: Any) -> Recipe:
    """Return a recipe with two random pictures to measure batch norms on."""
    import cv2

    rng = np.random.default_rng(0)
    for number in range(2):
        picture = rng.integers(0, 256, (60, 80, 3), np.uint8)
        cv2.imwrite(str(images / f"{number}.png"), picture)
    monkeypatch.setattr(batches, "IMAGES", 2)
    folder = str(images)
    data = {"format": "images", "classes": VOC, "train": folder, "test": folder}
    return parse_recipe({"name": "t", "data": data, "network": {"name": name, **network}}, "test")


def imported(files: CaffeFiles, recipe: Recipe) -> Imported:
    tensors = read_caffe_tensors(files.weights, files.prototxt)
    return import_tensors(tensors, CAFFE_NETWORKS, files.weights, recipe)


def same(network: Any, files: CaffeFiles, ours: Any, theirs: Any, border: bool) -> None:
    """Compare all raw scores and deltas, joined as Caffe joins them."""
    model = import_caffe_ssd(files.weights, files.prototxt, 17)
    expected = run(model, theirs)
    with torch.no_grad():
        scores, deltas = network.eval()(torch.from_numpy(ours))
    width = len(VOC) + 1
    found = {
        # [1, anchors * n, h, w] -> [h * w * anchors, n]
        key: torch.cat([v.permute(0, 2, 3, 1).reshape(-1, n) for v in kind])
        for key, kind, n in (("loc", deltas, 4), ("conf", scores, width))
    }
    found["conf"] = found["conf"].softmax(dim=1)
    allowed = 5e-2 if border else 1e-4
    for name, values in expected.items():
        key = "conf" if "conf" in name else "loc"
        apart = np.abs(found[key].numpy().reshape(-1) - values.reshape(-1))
        assert float(np.quantile(apart, 0.8 if border else 1.0)) < allowed
        assert float(values.std()) > (1e-3 if key == "conf" else 0.1)


@pytest.mark.parametrize("stem", ["deploy", "voc_MobileNetSSD_deploy"])
def test_mobilenet_ssd_is_our_mb1_ssd(
    caffe_files: Callable[[str], CaffeFiles],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stem: str,
) -> None:
    """With batch norms, and merged: those are then measured."""
    files = caffe_files(stem)
    recipe = recipe_of("mb1_ssd", monkeypatch, tmp_path, mean=127.5, std=127.5, colour="bgr")
    result = imported(files, recipe)
    assert result.whole
    assert result.filled.left == ()
    assert bool(result.filled.folded) == (stem != "deploy")
    image = np.random.default_rng(1).uniform(-1, 1, (1, 3, 300, 300)).astype(np.float32)
    same(result.network, files, image, image, border=False)


def test_a_recipes_own_normalisation_goes_into_the_first_layer(
    caffe_files: Callable[[str], CaffeFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = caffe_files("deploy")
    result = imported(files, recipe_of("mb1_ssd", monkeypatch, tmp_path))
    pixels = np.random.default_rng(1).integers(0, 256, (1, 3, 300, 300)).astype(np.float32)
    ours = (pixels[:, ::-1] - 127) / 128
    same(result.network, files, ours.copy(), (pixels - 127.5) / 127.5, border=True)


def vgg_prototxt(extras: list[tuple[str, int, int, int, int]]) -> str:
    """Return SSD-VGG's definition, thinned to a sixteenth, for an input of 300x300."""
    text = 'input: "data" input_shape { dim: 1 dim: 3 dim: 300 dim: 300 }\n'
    last = "data"

    def add(name: str, outputs: int, kernel: int, more: str = "") -> None:
        nonlocal text, last
        said = f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} {more} }}"
        text += layer(name, "Convolution", last, said) + layer(f"{name}_r", "ReLU", name, top=name)
        last = name

    for stage, (outputs, count) in enumerate(((8, 2), (8, 2), (16, 3), (32, 3), (32, 3)), 1):
        for index in range(1, count + 1):
            add(f"conv{stage}_{index}", outputs, 3, "pad: 1")
        said = "kernel_size: 3 stride: 1 pad: 1" if stage == 5 else "kernel_size: 2 stride: 2"
        text += layer(f"pool{stage}", "Pooling", last, f"pooling_param {{ {said} }}")
        last = f"pool{stage}"
    add("fc6", 64, 3, "pad: 6 dilation: 6")
    add("fc7", 64, 1)
    norm = "norm_param { across_spatial: false channel_shared: false }"
    text += layer("conv4_3_norm", "Normalize", "conv4_3", norm)
    for name, outputs, kernel, stride, pad in extras:
        add(name, outputs, kernel, f"stride: {stride} pad: {pad}")
    taps = ["conv4_3_norm", "fc7", *(e[0] for e in extras if e[0].endswith("_2"))]
    counts = (4, 6, 6, 6, 4, 4)
    for kind, width in (("loc", 4), ("conf", 21)):
        for tap, count in zip(taps, counts, strict=True):
            last = tap
            said = f"convolution_param {{ num_output: {count * width} kernel_size: 3 pad: 1 }}"
            order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
            name = f"{tap}_mbox_{kind}"
            text += layer(name, "Convolution", tap, said)
            text += layer(f"{name}_perm", "Permute", name, order)
            text += layer(f"{name}_flat", "Flatten", f"{name}_perm")
        flat = [f"{tap}_mbox_{kind}_flat" for tap in taps]
        text += layer(f"mbox_{kind}", "Concat", flat)
    shape = "reshape_param { shape { dim: 0 dim: -1 dim: 21 } }"
    text += layer("mbox_conf_reshape", "Reshape", "mbox_conf", shape)
    return text + layer("conf", "Softmax", "mbox_conf_reshape", "softmax_param { axis: 2 }")


EXTRAS = [
    ("conv6_1", 16, 1, 1, 0), ("conv6_2", 32, 3, 2, 1), ("conv7_1", 8, 1, 1, 0),
    ("conv7_2", 16, 3, 2, 1), ("conv8_1", 8, 1, 1, 0), ("conv8_2", 16, 3, 1, 0),
    ("conv9_1", 8, 1, 1, 0), ("conv9_2", 16, 3, 1, 0),
]  # fmt: skip


def test_ssd300_is_our_ssd300_vgg16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = vgg_prototxt(EXTRAS)
    prototxt, weights = tmp_path / "vgg.prototxt", tmp_path / "vgg.caffemodel"
    prototxt.write_text(text)
    weights.write_bytes(random_caffemodel(text))
    files = CaffeFiles(prototxt=prototxt, weights=weights)
    recipe = recipe_of("ssd300_vgg16", monkeypatch, tmp_path, width_multiplier=1 / 16)
    tensors = read_caffe_tensors(weights, prototxt)
    assert import_tensors(tensors, CAFFE_NETWORKS, weights, recipe).title == "SSD300"
    # As if its images were prepared as the recipe's are: the border is the same, too.
    known = [replace(each, normalisation=PLAIN) for each in CAFFE_NETWORKS]
    result = import_tensors(tensors, known, weights, recipe)
    assert result.whole
    assert result.filled.left == ()
    image = np.random.default_rng(1).uniform(-1, 1, (1, 3, 300, 300)).astype(np.float32)
    same(result.network, files, image, image, border=False)


def test_other_classes_keep_their_heads_random(
    caffe_files: Callable[[str], CaffeFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of("mb1_ssd", monkeypatch, tmp_path)
    data = recipe.data.model_copy(update={"classes": ("one", "two")})
    result = imported(caffe_files("deploy"), recipe.model_copy(update={"data": data}))
    assert {n.split(".")[0] for n in result.filled.missing} == {"score_heads"}
    left = {n.rpartition("_")[2] for n in result.filled.left}
    assert left == {"conf.weight", "conf.bias"}


def test_another_network_is_refused(
    caffe_files: Callable[[str], CaffeFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of("mb2_ssd_lite", monkeypatch, tmp_path)
    with pytest.raises(RecipeError, match=r"MobileNet-SSD: set network\.name to mb1_ssd, not"):
        imported(caffe_files("deploy"), recipe)
    files = write(tmp_path, CONV % "", {"c": convolution_weights()})
    tensors = read_caffe_tensors(*files)
    assert {k: tuple(v.shape) for k, v in tensors.items()} == {
        "c.weight": (4, 3, 3, 3),
        "c.bias": (4,),
    }
    with pytest.raises(ArtifactError, match=r"known here \(MobileNet-SSD, SSD512, SSD300\)"):
        import_tensors(tensors, CAFFE_NETWORKS, files[0], recipe)


def test_norms_have_pytorchs_names(tmp_path: Path) -> None:
    weights = {"c": convolution_weights(), **norm_weights()}
    tensors = read_caffe_tensors(*write(tmp_path, CONV % "" + BATCH_NORM + SCALE, weights))
    mean, variance, count = weights["n"]
    np.testing.assert_allclose(tensors["c/norm.running_mean"], mean / count, rtol=1e-6)
    np.testing.assert_allclose(tensors["c/norm.running_var"], variance / count, rtol=1e-6)
    np.testing.assert_allclose(tensors["c/norm.weight"], weights["s"][0])
    np.testing.assert_allclose(tensors["c/norm.bias"], weights["s"][1])


def test_a_norm_elsewhere_is_refused(tmp_path: Path) -> None:
    blobs = [np.ones(3, np.float32), np.ones(3, np.float32), np.ones(1, np.float32)]
    files = write(tmp_path, layer("n", "BatchNorm", "data"), {"n": blobs})
    with pytest.raises(ArtifactError, match=r"layer n \(BatchNorm\) stands behind no convolution"):
        read_caffe_tensors(*files)


def test_what_was_merged_and_what_was_not_become_the_same(
    caffe_files: Callable[[str], CaffeFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = caffe_files("deploy")
    merged = tmp_path / "merged.caffemodel"
    prototxt, _ = write_merged(files.weights, files.prototxt, merged)
    recipe = recipe_of("mb1_ssd", monkeypatch, tmp_path)
    networks = [
        imported(f, recipe).network.eval()
        for f in (files, CaffeFiles(prototxt=prototxt, weights=merged))
    ]
    image = torch.rand(1, 3, 300, 300) * 2 - 1
    with torch.no_grad():
        first, second = ([*chain(*network(image))] for network in networks)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=0)
