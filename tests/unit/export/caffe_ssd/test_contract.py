"""The contract that a Caffe definition gives by itself, and the two files of an import."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hexdet.errors import ArtifactError, RecipeError
from hexdet.export.caffe_ssd.building import build
from hexdet.export.caffe_ssd.contract import Derived, derive, read_labels
from hexdet.export.caffe_ssd.folding import fold
from hexdet.export.caffe_ssd.reading import read_caffemodel, read_prototxt
from hexdet.export.caffe_ssd.writing import Written, import_caffe_files
from hexdet.export.foreign import foreign_sources, load_foreign, prototxt_of
from hexdet.recipe import load_recipe
from hexdet.recipe.anchors import published_anchors
from hexdet.training.contract import contract_of

from .conftest import MOBILENET, CaffeFiles
from .small import INPUT, layer

VOC = tuple(f"class_{i}" for i in range(1, 21))
SHAPE = (1, 8, 4, 3)


def import_(files: CaffeFiles, out: Path, *overrides: str, labels: Path | None = None) -> Written:
    return import_caffe_files(files.weights, files.prototxt, labels, out, overrides)


def test_anchors_are_those_of_mobilenet_ssd(
    caffe_files: Callable[[str], CaffeFiles], tmp_path: Path
) -> None:
    written = import_(caffe_files("deploy"), tmp_path)
    network = written.recipe.network
    assert (network.width, network.height, network.colour) == (300, 300, "bgr")
    assert (network.mean, network.std) == (127.5, 127.5)
    assert network.strides == (16, 32, 64, 128, 256, 300)
    assert network.anchor_step == "cells"
    assert network.variances == (0.1, 0.2)
    expected = published_anchors("mb1_ssd", 300, 300)
    for ours, theirs in zip(network.anchors, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.006)
    scoring = written.recipe.evaluation
    assert (scoring.default_score, scoring.nms_iou, scoring.max_detections) == (0.25, 0.45, 100)
    assert written.recipe.classes == VOC
    assert written.folded == 70
    assert written.assumed == (
        "names of the classes",
        "pixels normalised by (p - 127.5) / 127.5, BGR",
    )


@pytest.mark.parametrize("stem", ["train", "voc_MobileNetSSD_train"])
def test_a_trainings_definition_says_its_normalisation(
    caffe_files: Callable[[str], CaffeFiles], stem: str
) -> None:
    files = caffe_files(stem)
    net = read_prototxt(files.prototxt)
    graph = build(fold(net, read_caffemodel(files.weights), files.weights), files.weights)
    assert [output.name for output in graph.model(17).graph.output] == ["mbox_loc", "mbox_conf"]
    derived = derive(net, graph.shapes, None)
    assert derived.assumed == ("names of the classes",)
    network = derived.sections["network"]
    assert (network["width"], network["mean"], network["std"]) == (300, 127.5, 127.5)


def test_the_written_files_are_what_export_takes(
    caffe_files: Callable[[str], CaffeFiles], tmp_path: Path
) -> None:
    files = caffe_files("voc_MobileNetSSD_deploy")
    labels = tmp_path / "labels.txt"
    labels.write_text("background\n" + "\n".join(f"name {i}" for i in range(20)))
    written = import_(files, tmp_path, "data.test=photos", labels=labels)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "labels.txt",
        "voc_MobileNetSSD_deploy.onnx",
        "voc_MobileNetSSD_deploy.yaml",
    ]
    recipe = load_recipe(str(written.contract))
    assert recipe == written.recipe
    assert recipe.classes[:2] == ("name 0", "name 1")
    assert recipe.data.test == "photos"
    again, cut = load_foreign(written.graph, contract_of(recipe), recipe.export.opset)
    assert sorted(cut.heads.values()) == sorted(contract_of(recipe).output_shapes())
    direct, _ = load_foreign(files.weights, contract_of(recipe), recipe.export.opset)
    assert direct.graph == again.graph


def test_the_definition_is_beside_the_weights_or_named(tmp_path: Path) -> None:
    weights = tmp_path / "x.caffemodel"
    weights.write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"needs its definition: no .*x\.prototxt.*--prototxt"):
        prototxt_of(weights, None)
    other = tmp_path / "deploy.prototxt"
    other.write_text("x")
    assert prototxt_of(weights, other) == other
    assert foreign_sources(weights, other).keys() == {"caffemodel", "prototxt"}
    (tmp_path / "x.prototxt").write_text("y")
    assert prototxt_of(weights, None) == tmp_path / "x.prototxt"
    assert foreign_sources(weights) != foreign_sources(weights, other)


def test_a_bad_override_writes_nothing(
    caffe_files: Callable[[str], CaffeFiles], tmp_path: Path
) -> None:
    files = caffe_files("voc_MobileNetSSD_deploy")
    with pytest.raises(RecipeError, match=r"unknown key 'network.widht'"):
        import_(files, tmp_path, "network.widht=3")
    with pytest.raises(ArtifactError, match=r"level of stride"):
        import_(files, tmp_path, "network.strides=[16,32,64,100,256,300]", "network.height=310")
    assert list(tmp_path.iterdir()) == []


def test_a_contract_needs_prior_boxes(tmp_path: Path) -> None:
    face = MOBILENET.parent / "ultra_light_face"
    if not face.is_dir():
        pytest.skip(f"no {face}: set HEXDET_DATA")
    with pytest.raises(ArtifactError, match=r"no layer DetectionOutput.*--contract FILE"):
        import_caffe_files(
            face / "RFB-320.caffemodel", face / "RFB-320.prototxt", None, tmp_path, []
        )


PRIOR = "min_size: 2 max_size: 4 aspect_ratio: 2 variance: 0.1 variance: 0.1 variance: 0.2 "
PRIOR += "variance: 0.2"
OUTPUT = "num_classes: 3 code_type: CENTER_SIZE"


def ssd(prior: str = PRIOR, output: str = OUTPUT) -> str:
    """Return the definition of an SSD of one level of 4x3 cells for an image of 7x5 pixels."""
    return (
        INPUT
        + layer("map", "ReLU", "data")
        + layer("p", "PriorBox", ["map", "data"], f"prior_box_param {{ {prior} }}")
        + layer(
            "d", "DetectionOutput", ["map", "map", "p"], f"detection_output_param {{ {output} }}"
        )
    )


def derived(folder: Path, prior: str = PRIOR, output: str = OUTPUT) -> Derived:
    path = folder / "x.prototxt"
    path.write_text(ssd(prior, output))
    return derive(read_prototxt(path), {"map": SHAPE}, None)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", [(2, 2), (2.8284, 2.8284), (2.8284, 1.4142), (1.4142, 2.8284)]),
        ("flip: false", [(2, 2), (2.8284, 2.8284), (2.8284, 1.4142)]),
        (
            "aspect_ratio: 0.5 aspect_ratio: 1",
            [(2, 2), (2.8284, 2.8284), (2.8284, 1.4142), (1.4142, 2.8284)],
        ),
        (
            "min_size: 3 max_size: 3 flip: false",
            [(2, 2), (2.8284, 2.8284), (2.8284, 1.4142), (3, 3), (3, 3), (4.2426, 2.1213)],
        ),
    ],
)
def test_sizes_of_a_cell_in_caffes_order(
    tmp_path: Path, more: str, expected: list[tuple[float, float]]
) -> None:
    network = derived(tmp_path, f"{PRIOR} {more}").sections["network"]
    np.testing.assert_allclose(network["anchors"], [expected])
    assert (network["strides"], network["anchor_step"]) == ([2], "cells")


def test_a_step_is_a_stride(tmp_path: Path) -> None:
    network = derived(tmp_path, f"{PRIOR} step: 2").sections["network"]
    assert (network["strides"], network["anchor_step"]) == ([2], "stride")


STRANGE = [
    (f"{PRIOR} clip: true", OUTPUT, r"layer p \(PriorBox\): clip is True"),
    (f"{PRIOR} offset: 0", OUTPUT, "offset is 0.0"),
    (f"{PRIOR} img_size: 300", OUTPUT, "img_size is 300"),
    (f"{PRIOR} step: 2.5", OUTPUT, r"step is \[2.5, 2.5\]"),
    (f"{PRIOR} step_w: 2 step_h: 1", OUTPUT, r"step is \[2.0, 1.0\]"),
    (f"{PRIOR} step: 3", OUTPUT, "looks at 4x3 cells, which no stride makes of 7x5"),
    (PRIOR.replace("0.1", "0.3", 1), OUTPUT, "variance is"),
    ("variance: 0.1", OUTPUT, "min_size and max_size is"),
    (f"{PRIOR} max_size: 3", OUTPUT, "min_size and max_size is"),
    (PRIOR, "num_classes: 3", r"layer d \(DetectionOutput\): code_type is 1"),
    (PRIOR, f"{OUTPUT} background_label_id: -1", "background_label_id is -1"),
    (PRIOR, f"{OUTPUT} share_location: false", "share_location is False"),
    (PRIOR, f"{OUTPUT} variance_encoded_in_target: true", "variance_encoded_in_target is True"),
    (PRIOR, OUTPUT.replace("3", "1"), "num_classes is 1"),
]


@pytest.mark.parametrize(("prior", "output", "message"), STRANGE)
def test_what_a_contract_has_no_word_for_is_named(
    tmp_path: Path, prior: str, output: str, message: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        derived(tmp_path, prior, output)
    assert re.search(message, str(caught.value))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("a\nb\n\n", ["a", "b"]),
        ("background\na\n", ["a"]),
        ("BACKGROUND\nface", ["face"]),
        (
            'item { name: "none" label: 0 display_name: "background" }\n'
            'item { name: "n2" label: 2 display_name: "cat" }\nitem { name: "dog" label: 1 }',
            ["dog", "cat"],
        ),
    ],
)
def test_class_names(tmp_path: Path, text: str, names: list[str]) -> None:
    path = tmp_path / "labels"
    path.write_text(text)
    assert read_labels(path) == names


def test_class_names_must_be_as_many_and_readable(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot read the class names"):
        read_labels(tmp_path / "none")
    (tmp_path / "labels").write_text("item { nonsense")
    with pytest.raises(ArtifactError, match="is no label map: line"):
        read_labels(tmp_path / "labels")
    path = tmp_path / "x.prototxt"
    path.write_text(ssd())
    with pytest.raises(ArtifactError, match="there are 1 class names, the network has 2"):
        derive(read_prototxt(path), {"map": SHAPE}, ["one"])


def test_a_mean_for_each_channel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.prototxt"
    data = (
        'layer { name: "in" type: "AnnotatedData" top: "data" top: "label" transform_param '
        "{ mean_value: 104 mean_value: 117 mean_value: 123 "
        "resize_param { height: 7 width: 5 } } }\n"
    )
    path.write_text(ssd().replace(INPUT, data))
    with pytest.raises(ArtifactError, match=r"a mean for each channel \(\[104.0, 117.0, 123.0\]"):
        derive(read_prototxt(path), {"map": SHAPE}, None)
