"""Landmarks: decoded for the survivors alone, as the plain reading decodes them for all anchors."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.errors import ArtifactError
from hexdet.runtime.anchors import all_anchors
from hexdet.runtime.contract import (
    LANDMARK_VALUES,
    LANDMARKS,
    DetectorContract,
    InputSpec,
    Level,
    Thresholds,
    load_contract,
)
from hexdet.runtime.detections import Detections
from hexdet.runtime.drawing import POINTS
from hexdet.runtime.encodings import Encoding
from hexdet.runtime.landmarks import decode_landmarks, encode_landmarks
from hexdet.runtime.placement import place
from hexdet.runtime.plain_postprocess import dequantize, plain_postprocess
from hexdet.runtime.postprocess import Postprocessor
from hexdet.runtime.signature import expected_signature
from hexdet.runtime.stream.drawing import draw_result
from hexdet.runtime.stream.frames import Frame, FrameResult, StageTimes

Outputs = dict[str, npt.NDArray[Any]]
LAW = settings(deadline=None, max_examples=40, database=None)


def level(stride: int, rows: int, columns: int, *anchors: tuple[float, float]) -> Level:
    return Level(
        stride=stride, rows=rows, columns=columns, anchors=anchors, scores=f"scores_{stride}",
        boxes=f"boxes_{stride}", landmarks=f"landmarks_{stride}",
    )  # fmt: skip


CONTRACT = DetectorContract(
    name="tiny",
    network="net",
    classes=("face", "partial"),
    input=InputSpec(width=64, height=48, fit="letterbox"),
    levels=(
        level(16, 3, 4, (10.0, 12.0), (14.0, 19.0)),
        level(32, 2, 2, (25.0, 28.0)),
        level(64, 1, 1, (40.0, 40.0), (48.0, 44.0)),
    ),
)
ENCODINGS = {
    name: Encoding(scale=0.02 + 0.013 * i, zero_point=100 + 7 * i)
    for i, name in enumerate(CONTRACT.output_shapes())
}
ALL = Thresholds(score=0.0, nms_iou=1.0, max_detections=1000)


def codes(seed: int) -> Outputs:
    random = np.random.default_rng(seed)
    return {
        name: random.integers(0, 256, shape).astype(np.uint8)
        for name, shape in CONTRACT.output_shapes().items()
    }


def points_of(detections: Detections) -> npt.NDArray[np.float32]:
    assert detections.landmarks is not None
    assert detections.landmarks.dtype == np.float32
    assert detections.landmarks.shape == (len(detections), len(LANDMARKS), 2)
    return detections.landmarks


def test_no_points_in_no_points_out() -> None:
    nothing = np.zeros((0, 4), np.float32)
    deltas = encode_landmarks(np.zeros((0, 5, 2), np.float32), nothing, (0.1, 0.2))
    assert deltas.shape == (0, LANDMARK_VALUES)
    assert decode_landmarks(deltas, nothing, (0.1, 0.2)).shape == (0, 5, 2)


@LAW
@given(seed=st.integers(0, 2**31), variance=st.sampled_from([0.1, 0.33, 1.0]))
def test_decoding_undoes_encoding(seed: int, variance: float) -> None:
    anchors = all_anchors(CONTRACT)
    random = np.random.default_rng(seed)
    points = random.uniform(-100, 200, (len(anchors), 5, 2)).astype(np.float32)
    points[random.random((len(anchors), 5)) < 0.2] = np.nan
    deltas = encode_landmarks(points, anchors, (variance, 0.2))
    assert deltas.dtype == np.float32
    found = decode_landmarks(deltas, anchors, (variance, 0.2))
    np.testing.assert_allclose(found, points, atol=1e-3)
    assert found.dtype == np.float32


def test_a_point_is_counted_from_the_centre_in_sides_of_the_anchor() -> None:
    anchor = np.asarray([[50, 40, 20, 10]], np.float32)
    points = np.asarray([[[50, 40], [60, 40], [50, 45], [30, 40], [50, 20]]], np.float32)
    expected = [[0, 0, 5, 0, 0, 5, -10, 0, 0, -20]]
    np.testing.assert_allclose(encode_landmarks(points, anchor, (0.1, 0.2)), expected, atol=1e-5)


@pytest.mark.parametrize("thresholds", [
    ALL,
    Thresholds(score=0.5),
    Thresholds(score=0.5, nms="class_agnostic", max_detections=3),
    Thresholds(score=0.3, soft_nms="linear"),
    Thresholds(score=0.3, soft_nms="gaussian", top_k=9),
    Thresholds(score=1.0),
], ids=["all", "usual", "class agnostic", "linear", "gaussian", "none"])  # fmt: skip
@pytest.mark.parametrize("seed", range(4))
def test_codes_and_floats_give_the_points_of_the_plain_reading(
    seed: int, thresholds: Thresholds
) -> None:
    outputs, placement = codes(seed), place(640, 300, CONTRACT.input)
    expected = plain_postprocess(outputs, ENCODINGS, placement, CONTRACT, thresholds)
    assert (len(expected) > 0) == (thresholds.score < 1)
    postprocess = Postprocessor(CONTRACT, ENCODINGS)
    for raw in (outputs, dequantize(outputs, ENCODINGS)):
        found = postprocess(raw, placement, thresholds)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(points_of(found), points_of(expected))


def test_a_box_without_area_takes_its_points_with_it() -> None:
    """Of all anchors some boxes fall away before NMS: the rest must keep their own points."""
    outputs = dequantize(codes(9), ENCODINGS)
    outputs["boxes_16"] = outputs["boxes_16"].copy()
    outputs["boxes_16"][0, 1, :, 0::4] = 1e6  # half of the boxes of a row far to the right
    placement = place(64, 48, CONTRACT.input)
    expected = plain_postprocess(outputs, {}, placement, CONTRACT, ALL)
    assert 0 < len(expected) < 2 * CONTRACT.anchor_count
    found = Postprocessor(CONTRACT, {})(outputs, placement, ALL)
    np.testing.assert_array_equal(points_of(found), points_of(expected))


def test_points_are_in_pixels_of_the_image_and_not_cut_to_it() -> None:
    outputs = {n: np.zeros(s, np.float32) for n, s in CONTRACT.output_shapes().items()}
    outputs["scores_32"][0, 1, 0, 1] = 50  # the anchor centred at (16, 48)
    outputs["landmarks_32"][0, 1, 0, :2] = (-10, 10)  # one side to the left, one down
    placement = place(640, 240, CONTRACT.input)  # scale 0.1, 12 px of bar above
    (found,) = points_of(Postprocessor(CONTRACT, {})(outputs, placement, Thresholds(score=0.9)))
    np.testing.assert_allclose(found[0], [-90, 640], rtol=1e-5)
    np.testing.assert_allclose(found[1:], [[160, 360]] * 4, rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_landmarks_that_are_no_numbers_are_refused(value: float) -> None:
    outputs = dequantize(codes(0), ENCODINGS)
    outputs["landmarks_64"] = outputs["landmarks_64"].copy()
    outputs["landmarks_64"][0, 0, 0, 19] = value
    placement = place(64, 48, CONTRACT.input)
    with pytest.raises(ArtifactError, match="not finite"):
        Postprocessor(CONTRACT, {})(outputs, placement, ALL)
    with pytest.raises(ArtifactError, match="not finite"):
        plain_postprocess(outputs, {}, placement, CONTRACT, ALL)


def test_a_landmark_output_that_does_not_fit_is_refused() -> None:
    outputs, placement = codes(0), place(64, 48, CONTRACT.input)
    postprocess = Postprocessor(CONTRACT, ENCODINGS)
    for wrong in (outputs["landmarks_32"][..., :4], outputs["landmarks_32"].astype(np.float32)):
        with pytest.raises(ArtifactError, match="landmarks_32 is"):
            postprocess({**outputs, "landmarks_32": wrong}, placement, ALL)
    del outputs["landmarks_32"]
    with pytest.raises(ArtifactError, match="landmarks_32 is nothing"):
        postprocess(outputs, placement, ALL)


def test_the_contract_names_a_third_output_a_level(tmp_path: Path) -> None:
    CONTRACT.save(tmp_path)
    assert load_contract(tmp_path) == CONTRACT
    names = [port.name for port in expected_signature(CONTRACT, "int8").outputs]
    assert names[6:] == ["landmarks_16", "landmarks_32", "landmarks_64"]
    assert CONTRACT.output_shapes()["landmarks_16"] == (1, 3, 4, 20)


def test_a_bundle_from_before_landmarks_is_read(tmp_path: Path) -> None:
    path = CONTRACT.save(tmp_path)
    content = json.loads(path.read_text())
    for stored in content["levels"]:
        del stored["landmarks"]
    path.write_text(json.dumps(content))
    contract = load_contract(tmp_path)
    assert not contract.has_landmarks
    assert len(contract.output_shapes()) == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "landmarks on some levels only"),
        ("scores_16", "names an output twice"),
        ("", "a name that is not a text"),
        (5, "a name that is not a text"),
    ],
)
def test_landmarks_that_cannot_be_read_are_refused(name: Any, message: str, tmp_path: Path) -> None:
    path = CONTRACT.save(tmp_path)
    content = json.loads(path.read_text())
    content["levels"][1]["landmarks"] = name
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=message):
        load_contract(tmp_path)


FOUND = Detections(
    boxes=np.asarray([[20, 20, 120, 120], [150, 60, 190, 110]], np.float32),
    scores=np.asarray([0.9, 0.5], np.float32),
    labels=np.asarray([1, 2], np.int64),
    classes=CONTRACT.classes,
    landmarks=np.asarray([
        [[50, 60], [90, 60], [70, 80], [55.12345, 100], [85, 100]],
        [[-3, 70], [180, 70], [170, 85], [163, 98], [400, 98]],
    ], np.float32),
)  # fmt: skip


def test_chosen_detections_keep_their_points() -> None:
    np.testing.assert_array_equal(points_of(FOUND[1:]), points_of(FOUND)[1:])
    np.testing.assert_array_equal(points_of(FOUND.above(0.6)), points_of(FOUND)[:1])
    assert points_of(FOUND[:0]).shape == (0, 5, 2)
    assert dataclasses.replace(FOUND, landmarks=None)[:1].landmarks is None


def test_json_names_the_points_and_coco_lists_them() -> None:
    rows = json.loads(json.dumps(FOUND.to_json()))
    assert tuple(rows[0]["landmarks"]) == LANDMARKS
    assert rows[0]["landmarks"]["left mouth corner"] == [55.123, 100.0]
    assert rows[1]["landmarks"]["left eye"] == [-3.0, 70.0]
    coco = json.loads(json.dumps(FOUND.to_coco(3)))
    assert coco[0]["keypoints"] == [50, 60, 2, 90, 60, 2, 70, 80, 2, 55.123, 100, 2, 85, 100, 2]
    plain = dataclasses.replace(FOUND, landmarks=None)
    assert "landmarks" not in plain.to_json()[0]
    assert "keypoints" not in plain.to_coco(3)[0]


@pytest.mark.parametrize("colour", ["bgr", "rgb"])
def test_five_points_are_drawn_at_their_places(colour: Any) -> None:
    drawn = FOUND[:1].draw(np.full((140, 200, 3), 90, np.uint8), colour=colour)
    for (x, y), expected in zip(points_of(FOUND)[0], POINTS, strict=True):
        seen = drawn[round(float(y)), round(float(x))]
        np.testing.assert_array_equal(seen, expected if colour == "rgb" else expected[::-1])


def test_a_tracked_face_shows_its_points_too() -> None:
    frame = Frame(index=0, seconds=0.0, image=np.full((140, 200, 3), 90, np.uint8))
    times = StageTimes(capture_ms=1, pre_ms=1, net_ms=1, post_ms=1)
    drawn = draw_result(
        FrameResult(frame=frame, detections=FOUND, times=times, identities=np.asarray([3, 4]))
    )
    nose = points_of(FOUND)[0, 2].astype(int)
    assert drawn[nose[1], nose[0]].tolist() == [255, 255, 255]


def test_points_outside_the_picture_do_no_harm() -> None:
    wild = points_of(FOUND).copy()
    wild[0] = [[1e30, 5], [np.nan, 5], [-1e9, 5], [5, 1e6], [np.inf, -np.inf]]
    image = np.full((140, 200, 3), 90, np.uint8)
    without = dataclasses.replace(FOUND, landmarks=None)[:1].draw(image)
    found = dataclasses.replace(FOUND, landmarks=wild)[:1].draw(image)
    np.testing.assert_array_equal(found, without)
