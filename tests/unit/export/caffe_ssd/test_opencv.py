"""Imported Caffe networks against OpenCV 4's dnn, which reads them itself.

The expected values are opencv_4.npz; opencv_reference.py writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import hexdet
from hexdet.export.caffe_ssd.building import build, import_caffe_ssd
from hexdet.export.caffe_ssd.contract import derive
from hexdet.export.caffe_ssd.folding import fold
from hexdet.export.caffe_ssd.reading import read_caffemodel, read_prototxt
from hexdet.recipe import load_recipe, parse_recipe
from hexdet.runtime.boxes import iou
from hexdet.runtime.contract import DetectorContract
from hexdet.runtime.detector import Detector
from hexdet.runtime.images import normalise, read_image, to_pixels
from hexdet.training.contract import contract_of

from .conftest import FACE, CaffeFiles, GraphBackend, run
from .opencv_reference import MODELS
from .random_weights import random_image

REFERENCE = np.load(Path(__file__).with_name("opencv_4.npz"))
DEPLOYED = ("deploy", "template_MobileNetSSD_deploy_template", "voc_MobileNetSSD_deploy")
PER_CLASS = 100
"""Candidates of a class that Caffe's NMS looks at (nms_param.top_k)."""
CONTRACT = Path(hexdet.__file__).parent / "export" / "contracts" / "rfb320.yaml"
needs_face = pytest.mark.skipif(not FACE.is_dir(), reason=f"no {FACE}: set HEXDET_DATA")


def derived_contract(files: CaffeFiles) -> tuple[onnx.ModelProto, DetectorContract]:
    net = read_prototxt(files.prototxt)
    graph = build(fold(net, read_caffemodel(files.weights), files.weights), files.weights)
    sections = dict(derive(net, graph.shapes, None).sections)
    data = {"format": "images", "classes": sections.pop("classes"), "train": "a", "test": "b"}
    sections["network"] = {"name": "caffe", **sections["network"]}
    recipe = parse_recipe({"name": "t", "data": data, **sections}, "test")
    return graph.model(17), contract_of(recipe)


@pytest.mark.parametrize("stem", DEPLOYED)
def test_outputs_are_opencvs(caffe_files: Callable[[str], CaffeFiles], stem: str) -> None:
    model, contract = derived_contract(caffe_files(stem))
    picture = to_pixels(random_image(300, 300), contract.input)
    found = run(model, normalise(picture, contract.input))
    for name, key, every in (("mbox_loc", "loc", 11), ("mbox_conf_flatten", "conf", 37)):
        expected = REFERENCE[f"{stem}/{key}"]
        assert float(np.ptp(expected)) > 0.5
        np.testing.assert_allclose(found[name].reshape(-1)[::every], expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("stem", DEPLOYED)
def test_detections_are_opencvs(caffe_files: Callable[[str], CaffeFiles], stem: str) -> None:
    """With the contract that the prototxt itself gives: anchors, variances, normalisation."""
    model, contract = derived_contract(caffe_files(stem))
    picture = random_image(300, 300)
    with Detector(contract, GraphBackend(model, contract)) as detector:
        found = detector(picture, nms_iou=1.0)
    scores = run(model, normalise(to_pixels(picture, contract.input), contract.input))
    width = len(contract.classes) + 1
    by_class = np.sort(scores["mbox_conf_flatten"].reshape(-1, width), axis=0)
    # Below this score one of the two looks at candidates that the other leaves out.
    least = max(contract.thresholds.score, float(by_class[-PER_CLASS, 1:].max()))
    expected = REFERENCE[f"{stem}/detections"]
    least = max(least, float(expected[-1, 2])) + 1e-5
    expected = expected[expected[:, 2] > least]
    ours = found.scores > least
    assert int(ours.sum()) == len(expected) > 30
    boxes = np.clip(expected[:, 3:7], 0, 1) * 300
    for label in range(len(contract.classes)):
        mine = ours & (found.labels == label + 1)
        theirs = expected[:, 1] == label + 1
        assert int(mine.sum()) == int(theirs.sum())
        if mine.any():
            np.testing.assert_allclose(
                np.sort(found.scores[mine]), np.sort(expected[theirs, 2]), atol=1e-4
            )
            assert iou(boxes[theirs], found.boxes[mine]).max(axis=1).min() > 0.999


@needs_face
def test_rfb320_is_opencvs() -> None:
    contract = contract_of(load_recipe(str(CONTRACT), ["network.name=foreign"]))
    model = import_caffe_ssd(FACE / "RFB-320.caffemodel", FACE / "RFB-320.prototxt", 17)
    # The reference was given the channels as they are.
    spec = replace(contract.input, colour="bgr")
    found = run(model, normalise(to_pixels(random_image(240, 320), spec), spec))
    for name, key in (("boxes", "loc"), ("scores", "conf")):
        expected = REFERENCE[f"RFB-320/{key}"]
        np.testing.assert_allclose(found[name].reshape(-1)[::11], expected, atol=2e-5, rtol=0)


@needs_face
def test_rfb320_finds_the_faces_of_its_onnx_twin() -> None:
    contract = contract_of(load_recipe(str(CONTRACT), ["network.name=foreign"]))
    photos = sorted((MODELS.parent / "data" / "photos").glob("*.jpg"))
    caffe = import_caffe_ssd(FACE / "RFB-320.caffemodel", FACE / "RFB-320.prototxt", 17)
    twin = onnx.load(FACE / "version-RFB-320_simplified.onnx")
    ours, theirs = (Detector(contract, GraphBackend(m, contract)) for m in (caffe, twin))
    faces = 0
    for path in photos[::4]:
        image = read_image(path)
        found, expected = ours(image), theirs(image)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
        faces += len(found)
    assert faces > 5
