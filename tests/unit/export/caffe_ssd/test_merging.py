"""A network written again without its batch norms is the same network, for Caffe too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hexdet.errors import ArtifactError
from hexdet.export.caffe_ssd.building import import_caffe_ssd
from hexdet.export.caffe_ssd.merging import write_merged
from hexdet.export.caffe_ssd.reading import read_caffemodel, read_prototxt

from .conftest import CaffeFiles, run
from .small import BATCH_NORM, CONV, SCALE, convolution_weights, layer, norm_weights, result, write


def test_mobilenet_merged_is_the_published_merged_network(
    caffe_files: Callable[[str], CaffeFiles], tmp_path: Path
) -> None:
    files = caffe_files("deploy")
    out = tmp_path / "merged.caffemodel"
    prototxt, count = write_merged(files.weights, files.prototxt, out)
    assert (prototxt.name, count) == ("merged.prototxt", 70)
    merged = read_prototxt(prototxt)
    published = read_prototxt(caffe_files("voc_MobileNetSSD_deploy").prototxt)
    assert [(v.name, v.kind) for v in merged.layers] == [(v.name, v.kind) for v in published.layers]
    shapes = {k: [b.shape for b in v] for k, v in read_caffemodel(out).items()}
    other = read_caffemodel(caffe_files("voc_MobileNetSSD_deploy").weights)
    assert shapes == {k: [b.shape for b in v] for k, v in other.items()}
    image = np.random.default_rng(3).uniform(-1, 1, (1, 3, 300, 300)).astype(np.float32)
    before = run(import_caffe_ssd(files.weights, files.prototxt, 17), image)
    after = run(import_caffe_ssd(out, prototxt, 17), image)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)


@pytest.mark.parametrize("in_place", [True, False])
def test_names_of_merged_outputs_stay(tmp_path: Path, in_place: bool) -> None:
    norms = BATCH_NORM + SCALE
    after = "c"
    if not in_place:
        norms = layer("n", "BatchNorm", "c") + layer(
            "s", "Scale", "n", "scale_param { bias_term: true }"
        )
        after = "s"
    text = CONV % "bias_term: false" + norms + layer("r", "ReLU", after)
    weights = {"c": convolution_weights(bias=False), **norm_weights()}
    files = write(tmp_path, text, weights)
    expected = result(tmp_path, text, weights)
    prototxt, count = write_merged(*files, tmp_path / "merged.caffemodel")
    assert count == 2
    merged = read_prototxt(prototxt)
    assert [v.kind for v in merged.layers] == ["Convolution", "ReLU"]
    assert merged.layers[0].parameters.top[0] == after
    model = import_caffe_ssd(tmp_path / "merged.caffemodel", prototxt, 17)
    image = np.asarray(np.random.default_rng(5).normal(size=(1, 3, 7, 5)), np.float32)
    (found,) = run(model, image).values()
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["small.caffemodel", "small.prototxt", "x.prototxt"])
def test_the_input_is_not_overwritten(tmp_path: Path, name: str) -> None:
    files = write(tmp_path, CONV % "", {"c": convolution_weights()})
    before = {path: path.read_bytes() for path in files}
    with pytest.raises(ArtifactError, match="is an input: give another name"):
        write_merged(*files, tmp_path / name)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
