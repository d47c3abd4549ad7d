"""The plain post-processing, against an independent reading of the same rules in Python floats."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.errors import ArtifactError
from hexdet.runtime.contract import DetectorContract, InputSpec, Level, Thresholds
from hexdet.runtime.detections import Detections
from hexdet.runtime.placement import place
from hexdet.runtime.plain_postprocess import gather, plain_postprocess

Float = npt.NDArray[np.float32]
Outputs = dict[str, Float]

CONTRACT = DetectorContract(
    name="tiny",
    network="net",
    classes=("head", "person"),
    input=InputSpec(width=64, height=32),
    levels=(
        Level(
            stride=16,
            rows=2,
            columns=4,
            anchors=((10.0, 12.0), (14.0, 9.0)),
            scores="scores_16",
            boxes="boxes_16",
        ),
        Level(
            stride=32, rows=1, columns=2, anchors=((25.0, 28.0),), scores="scores_32",
            boxes="boxes_32",
        ),
    ),
)  # fmt: skip
SIGMOID = dataclasses.replace(CONTRACT, activation="sigmoid")
ALL = Thresholds(score=0.0, nms_iou=1.0, max_detections=1000)


def silent(contract: DetectorContract = CONTRACT) -> Outputs:
    """Return outputs that are sure of the background everywhere, with all deltas zero."""
    outputs = {n: np.zeros(s, np.float32) for n, s in contract.output_shapes().items()}
    for level in contract.levels:
        if contract.activation == "softmax":
            outputs[level.scores][..., :: contract.scores_per_anchor] = 30.0
        else:
            outputs[level.scores][:] = -30.0
    return outputs


def random_outputs(contract: DetectorContract, seed: int) -> Outputs:
    random = np.random.default_rng(seed)
    return {
        name: random.normal(0, 2.0, shape).astype(np.float32)
        for name, shape in contract.output_shapes().items()
    }


Found = tuple[float, int, list[float]]


def reference(
    outputs: Outputs, contract: DetectorContract, size: tuple[int, int], thresholds: Thresholds
) -> list[Found]:
    """Walk over every anchor and class in plain Python floats."""
    found: list[Found] = []
    width, height = contract.input.width, contract.input.height
    count = contract.scores_per_anchor
    for level in contract.levels:
        for row in range(level.rows):
            for column in range(level.columns):
                cell_scores = outputs[level.scores][0, row, column].tolist()
                cell_boxes = outputs[level.boxes][0, row, column].tolist()
                for index, (anchor_w, anchor_h) in enumerate(level.anchors):
                    raw = cell_scores[index * count : (index + 1) * count]
                    if contract.activation == "softmax":
                        total = sum(math.exp(v) for v in raw)
                        shares = [math.exp(v) / total for v in raw[1:]]
                    else:
                        shares = [1 / (1 + math.exp(-v)) for v in raw]
                    dx, dy, dw, dh = cell_boxes[index * 4 : (index + 1) * 4]
                    cx = (column + 0.5) * level.stride + dx * contract.variances[0] * anchor_w
                    cy = (row + 0.5) * level.stride + dy * contract.variances[0] * anchor_h
                    w = anchor_w * math.exp(min(dw * contract.variances[1], math.log(62.5)))
                    h = anchor_h * math.exp(min(dh * contract.variances[1], math.log(62.5)))
                    box = [
                        min(max(cx - w / 2, 0), width),
                        min(max(cy - h / 2, 0), height),
                        min(max(cx + w / 2, 0), width),
                        min(max(cy + h / 2, 0), height),
                    ]
                    if box[2] > box[0] and box[3] > box[1]:
                        found += [
                            (share, label, box)
                            for label, share in enumerate(shares, 1)
                            if share >= thresholds.score
                        ]
    kept: list[Found] = []
    for candidate in sorted(found, key=lambda f: -f[0]):
        rivals = [k for k in kept if k[1] == candidate[1]]
        if all(overlap(candidate[2], k[2]) <= thresholds.nms_iou for k in rivals):
            kept.append(candidate)
    scale = [size[0] / width, size[1] / height] * 2
    return [
        (score, label, [v * s for v, s in zip(box, scale, strict=True)])
        for score, label, box in kept[: thresholds.max_detections]
    ]


def overlap(a: list[float], b: list[float]) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


def run(
    outputs: Outputs,
    contract: DetectorContract = CONTRACT,
    size: tuple[int, int] = (64, 32),
    thresholds: Thresholds | None = None,
) -> Detections:
    placement = place(*size, contract.input)
    return plain_postprocess(outputs, {}, placement, contract, thresholds or contract.thresholds)


def test_no_score_above_the_threshold_gives_an_empty_result() -> None:
    found = run(silent())
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.boxes.dtype == np.float32
    assert found.scores.dtype == np.float32
    assert found.labels.dtype == np.int64
    assert found.classes == ("head", "person")


def test_one_sure_anchor_gives_its_own_box() -> None:
    outputs = silent()
    # Second row, third column, second anchor of the finer level, second class.
    outputs["scores_16"][0, 1, 2, 3:6] = [0, 0, 20]
    found = run(outputs)
    assert found.labels.tolist() == [2]
    assert found.scores[0] == pytest.approx(1.0)
    np.testing.assert_allclose(found.boxes, [[40 - 7, 24 - 4.5, 40 + 7, 24 + 4.5]])


@pytest.mark.parametrize("size", [(64, 32), (32, 32), (640, 480), (1921, 1083), (1, 1)])
def test_boxes_are_in_pixels_of_the_image(size: tuple[int, int]) -> None:
    outputs = silent()
    outputs["scores_32"][0, 0, 1] = [0, 20, 0]
    found = run(outputs, size=size)
    box = np.asarray([48 - 12.5, 16 - 14, 48 + 12.5, 16 + 14]).clip(0, [64, 32, 64, 32])
    scale = [size[0] / 64, size[1] / 32, size[0] / 64, size[1] / 32]
    np.testing.assert_allclose(found.boxes, [box * scale], rtol=1e-6)


@pytest.mark.parametrize("width", [5, 20, 27, 127, 640, 1280, 1920])
def test_a_box_to_the_border_is_not_one_rounding_past_it(width: int) -> None:
    contract = dataclasses.replace(CONTRACT, input=InputSpec(width=300, height=300))
    outputs = silent()
    outputs["scores_32"][0, 0, 1] = [0, 20, 0]
    outputs["boxes_32"][0, 0, 1] = [0, 0, 20, 20]  # far larger than the image
    found = run(outputs, contract, size=(width, width))
    assert found.boxes.tolist() == [[0, 0, width, width]]


def test_a_box_that_lies_outside_is_not_a_detection() -> None:
    outputs = silent()
    outputs["scores_32"][0, 0, 1] = [0, 20, 0]
    outputs["boxes_32"][0, 0, 1] = [1000, 0, 0, 0]
    assert len(run(outputs)) == 0


@pytest.mark.parametrize("contract", [CONTRACT, SIGMOID], ids=["softmax", "sigmoid"])
@pytest.mark.parametrize(
    "thresholds",
    [
        ALL,
        Thresholds(),
        Thresholds(score=0.5, nms_iou=0.2, max_detections=3),
        Thresholds(score=0.05, nms_iou=0.6, max_detections=10),
    ],
    ids=["everything", "defaults", "strict", "loose"],
)
@settings(deadline=None, max_examples=12, database=None)
@given(seed=st.integers(0, 2**31), size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)))
def test_agrees_with_a_plain_reading(
    contract: DetectorContract, thresholds: Thresholds, seed: int, size: tuple[int, int]
) -> None:
    outputs = random_outputs(contract, seed)
    found = run(outputs, contract, size, thresholds)
    expected = reference(outputs, contract, size, thresholds)
    assert found.labels.tolist() == [label for _, label, _ in expected]
    np.testing.assert_allclose(found.scores, [score for score, _, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(
        found.boxes.reshape(-1), [v for _, _, box in expected for v in box], rtol=1e-4, atol=1e-2
    )


@settings(deadline=None, max_examples=30, database=None)
@given(seed=st.integers(0, 2**31), size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)))
def test_detections_lie_inside_the_image_and_are_sorted(seed: int, size: tuple[int, int]) -> None:
    found = run(random_outputs(CONTRACT, seed), size=size, thresholds=ALL)
    assert len(found) > 0
    assert (found.boxes >= 0).all()
    assert (found.boxes <= np.asarray([*size, *size])).all()
    assert (np.diff(found.scores) <= 0).all()
    assert set(found.labels.tolist()) <= {1, 2}


def test_gather_brings_cells_and_levels_into_the_anchors_order() -> None:
    outputs = silent()
    for name, shape in CONTRACT.output_shapes().items():
        outputs[name] = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    scores, deltas = gather(outputs, CONTRACT)
    assert scores.shape == (CONTRACT.anchor_count, 3)
    assert deltas.shape == (CONTRACT.anchor_count, 4)
    # Anchor 1 of the cell in row 1, column 2; then the first of the coarser level.
    flat = (1 * 4 + 2) * 2 + 1
    np.testing.assert_array_equal(scores[flat], outputs["scores_16"][0, 1, 2, 3:6])
    np.testing.assert_array_equal(deltas[flat], outputs["boxes_16"][0, 1, 2, 4:8])
    np.testing.assert_array_equal(deltas[16], outputs["boxes_32"][0, 0, 0])


@pytest.mark.parametrize("name", list(CONTRACT.output_shapes()))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_not_finite_is_refused(name: str, value: float) -> None:
    outputs = silent()
    outputs[name][0, 0, 1, 1] = value
    with pytest.raises(ArtifactError, match="not finite"):
        run(outputs)
