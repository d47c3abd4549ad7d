"""The post-processing on codes gives what the plain reading gives: same boxes, same order."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.errors import ArtifactError
from hexdet.runtime.activation import activate
from hexdet.runtime.contract import DetectorContract, InputSpec, Level, Thresholds
from hexdet.runtime.detections import Detections
from hexdet.runtime.encodings import Encoding
from hexdet.runtime.placement import place
from hexdet.runtime.plain_postprocess import dequantize, gather, plain_postprocess
from hexdet.runtime.postprocess import Postprocessor

Outputs = dict[str, npt.NDArray[Any]]
LAW = settings(deadline=None, max_examples=60, database=None)

LEVELS = (
    Level(
        stride=8,
        rows=3,
        columns=4,
        anchors=((10.0, 12.0), (14.0, 9.0)),
        scores="scores_8",
        boxes="boxes_8",
    ),
    Level(
        stride=16,
        rows=2,
        columns=2,
        anchors=((25.0, 28.0), (20.0, 40.0), (31.0, 9.5)),
        scores="scores_16",
        boxes="boxes_16",
    ),
    Level(
        stride=32, rows=1, columns=1, anchors=((28.0, 15.0),), scores="scores_32", boxes="boxes_32"
    ),
)


def contract_of(
    classes: int, activation: str = "softmax", fit: str = "stretch"
) -> DetectorContract:
    return DetectorContract(
        name="tiny",
        network="net",
        classes=tuple(f"class {n}" for n in range(1, classes + 1)),
        input=InputSpec(width=32, height=24, fit=fit),  # type: ignore[arg-type]
        levels=LEVELS,
        activation=activation,  # type: ignore[arg-type]
    )


CONTRACT = contract_of(1)
PLACEMENT = place(640, 480, CONTRACT.input)


def encodings_of(
    contract: DetectorContract, random: np.random.Generator, scales: tuple[float, float]
) -> dict[str, Encoding]:
    low, high = np.log(scales)
    return {
        name: Encoding(
            scale=float(np.exp(random.uniform(low, high))), zero_point=int(random.integers(0, 256))
        )
        for name in contract.output_shapes()
    }


def codes_of(contract: DetectorContract, random: np.random.Generator, spread: int) -> Outputs:
    """Return codes of all outputs: over the whole range or, with few values, full of ties."""
    middle = int(random.integers(0, 256))
    low, high = max(middle - spread, 0), min(middle + spread, 255)
    return {
        name: random.integers(low, high + 1, shape).astype(np.uint8)
        for name, shape in contract.output_shapes().items()
    }


def same(found: Detections, expected: Detections) -> None:
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    assert found.classes == expected.classes
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.labels.dtype == np.int64
    assert found.boxes.flags.c_contiguous and found.boxes.shape == (len(found), 4)


def check(
    contract: DetectorContract,
    encodings: Mapping[str, Encoding],
    outputs: Outputs,
    *many: Thresholds,
    size: tuple[int, int] = (640, 480),
) -> None:
    """Hold codes and floats against the plain reading, one `Postprocessor` for all thresholds."""
    placement = place(*size, contract.input)
    postprocess = Postprocessor(contract, encodings)
    floats = dequantize(outputs, encodings)
    for thresholds in many:
        expected = plain_postprocess(outputs, encodings, placement, contract, thresholds)
        same(postprocess(outputs, placement, thresholds), expected)
        same(postprocess(floats, placement, thresholds), expected)
        same(Postprocessor(contract, {})(floats, placement, thresholds), expected)


def scores_of(
    contract: DetectorContract, encodings: Mapping[str, Encoding], outputs: Outputs
) -> npt.NDArray[np.float32]:
    """Return every score there is."""
    return activate(gather(dequantize(outputs, encodings), contract)[0], contract).reshape(-1)


options = st.builds(
    Thresholds,
    score=st.sampled_from([0.0, 1e-33, 0.01, 0.3, 0.5, 0.9, 0.99999, 1.0, 1.5]),
    nms_iou=st.sampled_from([0.0, 0.3, 0.45, 0.9, 1.0]),
    max_detections=st.sampled_from([1, 3, 200]),
    nms=st.sampled_from(["class_aware", "class_agnostic"]),
    soft_nms=st.sampled_from(["off", "off", "linear", "gaussian"]),
    soft_sigma=st.sampled_from([0.1, 0.5, 2.0]),
    top_k=st.sampled_from([1, 2, 7, 30, 1000]),
    per_class=st.dictionaries(
        st.just("class 1") | st.just("class 2"), st.sampled_from([0.0, 0.2, 0.7, 1.0])
    ),
)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@LAW
@given(
    classes=st.sampled_from([2, 2, 3, 4, 5, 8, 20]),
    spread=st.sampled_from([0, 1, 3, 20, 255]),
    scales=st.sampled_from([(0.01, 0.2), (1e-4, 1e-3), (1, 5)]),
    thresholds=st.tuples(options, options),
    seed=st.integers(0, 2**31),
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    fit=st.sampled_from(["stretch", "letterbox"]),
)
def test_several_classes_agree_with_the_plain_reading(
    activation: str,
    classes: int,
    spread: int,
    scales: tuple[float, float],
    thresholds: tuple[Thresholds, Thresholds],
    seed: int,
    size: tuple[int, int],
    fit: str,
) -> None:
    random = np.random.default_rng(seed)
    contract = contract_of(classes, activation, fit)
    encodings = encodings_of(contract, random, scales)
    check(contract, encodings, codes_of(contract, random, spread), *thresholds, size=size)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@LAW
@given(
    spread=st.sampled_from([0, 1, 3, 20, 255]),
    scales=st.sampled_from([(0.01, 0.2), (1e-4, 1e-3), (1, 5)]),
    thresholds=options.map(lambda v: dataclasses.replace(v, per_class={})),
    seed=st.integers(0, 2**31),
)
def test_one_class_agrees_with_the_plain_reading(
    activation: str, spread: int, scales: tuple[float, float], thresholds: Thresholds, seed: int
) -> None:
    random = np.random.default_rng(seed)
    contract = contract_of(1, activation)
    encodings = encodings_of(contract, random, scales)
    outputs = codes_of(contract, random, spread)
    changed = dataclasses.replace(thresholds, per_class={"class 1": 0.4})
    check(contract, encodings, outputs, thresholds, changed)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("classes", [1, 2, 6])
@settings(LAW, max_examples=20)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1e-3, 0.02, 0.1, 0.7]))
def test_a_threshold_that_is_a_score_keeps_it(
    classes: int, activation: str, seed: int, scale: float
) -> None:
    random = np.random.default_rng(seed)
    contract = contract_of(classes, activation)
    encodings = encodings_of(contract, random, (scale, scale * 1.5))
    encodings |= {v.boxes: Encoding(scale=0.02, zero_point=128) for v in contract.levels}
    outputs = codes_of(contract, random, 255)
    scores = scores_of(contract, encodings, outputs)
    chosen = random.choice(scores, 4)
    steps = [chosen, np.nextafter(chosen, np.float32(0)), np.nextafter(chosen, np.float32(2))]
    check(
        contract,
        encodings,
        outputs,
        *(Thresholds(score=float(score)) for score in np.concatenate(steps)),
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 100.0, 1e30, 1e36])
@pytest.mark.parametrize("zero_point", [0, 128, 255])
def test_extreme_encodings(activation: str, classes: int, scale: float, zero_point: int) -> None:
    contract = contract_of(classes, activation)
    encodings = {
        name: Encoding(scale=scale, zero_point=zero_point) for name in contract.output_shapes()
    }
    outputs = codes_of(contract, np.random.default_rng(0), 255)
    check(
        contract,
        encodings,
        outputs,
        *(Thresholds(score=score) for score in (0.0, 1e-20, 0.3, 0.5, 1.0)),
    )


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_equal_scores_come_in_the_order_of_anchors_then_classes(
    classes: int, activation: str
) -> None:
    contract = contract_of(classes, activation)
    encodings = {n: Encoding(scale=0.1, zero_point=128) for n in contract.output_shapes()}
    outputs = {n: np.full(s, 128, np.uint8) for n, s in contract.output_shapes().items()}
    everything = Thresholds(score=0.0, nms_iou=1.0, max_detections=10**6)
    check(contract, encodings, outputs, everything)
    found = Postprocessor(contract, encodings)(outputs, place(32, 24, contract.input), everything)
    assert len(set(found.scores.tolist())) == 1
    # Every anchor is found once a class, the finer level first.
    assert found.labels.tolist() == list(range(1, classes + 1)) * contract.anchor_count
    np.testing.assert_array_equal(found.boxes[0], [0, 0, 4 + 5, 4 + 6])
    np.testing.assert_array_equal(found.boxes[-1], [2, 8.5, 30, 23.5])


def test_top_k_cuts_the_candidates_before_nms() -> None:
    encodings = {n: Encoding(scale=0.1, zero_point=128) for n in CONTRACT.output_shapes()}
    outputs = {n: np.full(s, 128, np.uint8) for n, s in CONTRACT.output_shapes().items()}
    outputs["scores_8"][0, 0, 0] = [0, 255, 0, 250]  # two anchors of one cell
    outputs["scores_8"][0, 2, 3, :2] = [0, 240]
    postprocess = Postprocessor(CONTRACT, encodings)
    base = Thresholds(nms_iou=0.3)
    counts = [
        len(postprocess(outputs, PLACEMENT, dataclasses.replace(base, score=0.9, top_k=k)))
        for k in (1, 2, 3)
    ]
    assert counts == [1, 1, 2]


def test_soft_nms_settles_what_became_equal_by_the_same_order() -> None:
    contract = contract_of(3, "sigmoid")
    encodings = {n: Encoding(scale=0.1, zero_point=128) for n in contract.output_shapes()}
    outputs = {n: np.full(s, 0, np.uint8) for n, s in contract.output_shapes().items()}
    outputs["scores_8"][0, 1, 1, :3] = [140, 150, 160]
    outputs["boxes_8"][:] = 128
    thresholds = Thresholds(score=0.0, nms="class_agnostic", soft_nms="linear", top_k=3)
    check(contract, encodings, outputs, thresholds)
    found = Postprocessor(contract, encodings)(outputs, PLACEMENT, thresholds)
    # One box three times: the best lowers the others to zero, where the lower class comes first.
    assert found.labels.tolist() == [3, 1, 2]
    assert found.scores.tolist()[1:] == [0, 0]


def test_a_class_has_its_own_threshold() -> None:
    contract = contract_of(2, "sigmoid")
    encodings = {n: Encoding(scale=0.1, zero_point=128) for n in contract.output_shapes()}
    outputs = {n: np.full(s, 0, np.uint8) for n, s in contract.output_shapes().items()}
    outputs["scores_8"][0, 0, 0, :2] = 138  # sigmoid(1) = 0.73
    outputs["scores_8"][0, 2, 3, :2] = 158  # sigmoid(3) = 0.95
    outputs["boxes_8"][:] = 128
    postprocess = Postprocessor(contract, encodings)
    for per_class, labels in (
        ({}, [1, 2, 1, 2]),
        ({"class 2": 0.9}, [1, 2, 1]),
        ({"class 1": 0.99, "class 2": 0.7}, [2, 2]),
    ):
        found = postprocess(outputs, PLACEMENT, Thresholds(score=0.5, per_class=per_class))
        assert found.labels.tolist() == labels


def test_a_threshold_of_an_unknown_class_is_refused() -> None:
    encodings = {n: Encoding(scale=0.1, zero_point=128) for n in CONTRACT.output_shapes()}
    outputs = codes_of(CONTRACT, np.random.default_rng(0), 255)
    with pytest.raises(ValueError, match="no class 'cat': there are class 1"):
        Postprocessor(CONTRACT, encodings)(outputs, PLACEMENT, Thresholds(per_class={"cat": 0.2}))


def test_no_candidate_gives_an_empty_result() -> None:
    encodings = {n: Encoding(scale=0.1, zero_point=128) for n in CONTRACT.output_shapes()}
    outputs = {n: np.zeros(s, np.uint8) for n, s in CONTRACT.output_shapes().items()}
    for thresholds in (Thresholds(score=0.9), Thresholds(score=0.9, soft_nms="linear")):
        check(CONTRACT, encodings, outputs, thresholds)
        assert len(Postprocessor(CONTRACT, encodings)(outputs, PLACEMENT, thresholds)) == 0


def test_one_call_does_not_change_the_result_of_the_last() -> None:
    random = np.random.default_rng(3)
    encodings = encodings_of(CONTRACT, random, (0.02, 0.1))
    first, second = (codes_of(CONTRACT, random, 255) for _ in range(2))
    postprocess = Postprocessor(CONTRACT, encodings)
    thresholds = Thresholds(score=0.4)
    before = postprocess(first, PLACEMENT, thresholds)
    copy = (before.boxes.copy(), before.scores.copy(), before.labels.copy())
    postprocess(second, PLACEMENT, thresholds)
    for column, old in zip((before.boxes, before.scores, before.labels), copy, strict=True):
        np.testing.assert_array_equal(column, old)


def test_arrays_of_any_memory_layout_are_read() -> None:
    random = np.random.default_rng(5)
    encodings = encodings_of(CONTRACT, random, (0.02, 0.1))
    outputs = codes_of(CONTRACT, random, 255)
    turned = {n: v.transpose(0, 3, 1, 2).copy().transpose(0, 2, 3, 1) for n, v in outputs.items()}
    for value in outputs.values():
        value.flags.writeable = False
    thresholds = Thresholds(score=0.4)
    postprocess = Postprocessor(CONTRACT, encodings)
    expected = postprocess(outputs, PLACEMENT, thresholds)
    assert len(expected) > 0
    same(postprocess(turned, PLACEMENT, thresholds), expected)


def floats() -> Outputs:
    random = np.random.default_rng(1)
    return {
        name: random.normal(0, 2, shape).astype(np.float32)
        for name, shape in CONTRACT.output_shapes().items()
    }


def refuse(outputs: Outputs, words: str, encodings: Mapping[str, Encoding] | None = None) -> None:
    with pytest.raises(ArtifactError, match=words):
        Postprocessor(CONTRACT, encodings or {})(outputs, PLACEMENT, Thresholds())


@pytest.mark.parametrize("name", list(CONTRACT.output_shapes()))
def test_an_output_that_does_not_fit_is_refused_by_name(name: str) -> None:
    missing = floats()
    del missing[name]
    refuse(missing, f"{name} is nothing")
    for change in (
        lambda v: v[0],
        lambda v: v.transpose(0, 3, 1, 2),
        lambda v: v[..., :-1],
        lambda v: np.concatenate([v, v]),
        lambda v: v[:0],
        lambda v: v.astype(np.float64),
        lambda v: v.astype(np.float16),
        lambda v: v.astype(np.int8),
        lambda v: v.astype(np.uint16),
    ):
        outputs = floats()
        outputs[name] = change(outputs[name])
        refuse(outputs, name)


def test_codes_and_floats_together_are_refused() -> None:
    outputs = floats()
    outputs["boxes_16"] = outputs["boxes_16"].astype(np.uint8)
    refuse(outputs, "boxes_16 is uint8, those before it are float32")


@pytest.mark.parametrize("name", list(CONTRACT.output_shapes()))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_refused(name: str, value: float) -> None:
    outputs = floats()
    outputs[name][0, 0, 0, 1] = value
    refuse(outputs, "not finite")


def test_wild_finite_numbers_are_boxes_at_the_border() -> None:
    outputs = floats()
    outputs["boxes_8"][:] = np.random.default_rng(0).choice([-3e38, 3e38], outputs["boxes_8"].shape)
    outputs["scores_8"][:] = np.random.default_rng(1).choice(
        [-3e38, 3e38], outputs["scores_8"].shape
    )
    thresholds = Thresholds(score=0.3)
    expected = plain_postprocess(outputs, {}, PLACEMENT, CONTRACT, thresholds)
    same(Postprocessor(CONTRACT, {})(outputs, PLACEMENT, thresholds), expected)


def test_codes_want_encodings_that_float32_can_hold() -> None:
    encodings = {n: Encoding(scale=0.1, zero_point=128) for n in CONTRACT.output_shapes()}
    outputs = codes_of(CONTRACT, np.random.default_rng(0), 255)
    refuse(outputs, "codes without encodings")
    for name in CONTRACT.output_shapes():
        fewer = {k: v for k, v in encodings.items() if k != name}
        refuse(outputs, f"{name} of tiny has no encoding", fewer)
        for scale in (1e38, 1e300):
            wild = {**encodings, name: Encoding(scale=scale, zero_point=1)}
            refuse(outputs, f"{name} is not finite", wild)


def test_an_output_that_the_contract_does_not_name_is_left_alone() -> None:
    outputs = floats()
    outputs["features"] = np.full((1, 2), np.nan, np.float64)
    assert len(Postprocessor(CONTRACT, {})(outputs, PLACEMENT, Thresholds())) > 0


def test_gathering_is_in_the_anchors_order() -> None:
    outputs = codes_of(CONTRACT, np.random.default_rng(2), 255)
    encodings = {n: Encoding(scale=1.0, zero_point=0) for n in outputs}
    scores, deltas = Postprocessor(CONTRACT, encodings)._gather(outputs)
    plain_scores, plain_deltas = gather(dequantize(outputs, encodings), CONTRACT)
    np.testing.assert_array_equal(scores, plain_scores)
    np.testing.assert_array_equal(deltas, plain_deltas)
