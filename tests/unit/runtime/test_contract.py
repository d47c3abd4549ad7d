"""detector.json comes back as it was saved, and a damaged one is refused by its name."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hexdet.errors import ArtifactError
from hexdet.recipe import load_recipe
from hexdet.runtime.contract import (
    FILE_NAME,
    DetectorContract,
    InputSpec,
    Level,
    Thresholds,
    load_contract,
)
from hexdet.runtime.encodings import Encoding
from hexdet.training.contract import contract_of

CONTRACT = DetectorContract(
    name="tiny",
    network="net",
    classes=("head", "person"),
    input=InputSpec(width=64, height=32, colour="bgr", mean=1.5, std=2.5),
    levels=(
        Level(
            stride=8,
            rows=4,
            columns=8,
            anchors=((3.0, 4.5), (6.0, 7.0)),
            scores="scores_8",
            boxes="boxes_8",
        ),
        Level(
            stride=16,
            rows=2,
            columns=4,
            anchors=((12.0, 13.0),),
            scores="scores_16",
            boxes="boxes_16",
        ),
    ),
    variances=(0.25, 0.5),
    thresholds=Thresholds(score=0.2, nms_iou=0.6, max_detections=7),
)
ENCODINGS = {
    name: Encoding(scale=0.1 / (i + 3), zero_point=40 * i)
    for i, name in enumerate(CONTRACT.output_shapes())
}


@pytest.mark.parametrize(
    "contract",
    [
        CONTRACT,
        dataclasses.replace(CONTRACT, encodings=ENCODINGS),
        dataclasses.replace(CONTRACT, activation="sigmoid"),
        dataclasses.replace(
            CONTRACT,
            input=InputSpec(width=64, height=32, fit="letterbox", pad=114),
            target_arch=68,
        ),
        dataclasses.replace(
            CONTRACT,
            thresholds=Thresholds(
                nms="class_agnostic",
                soft_nms="gaussian",
                soft_sigma=0.7,
                top_k=400,
                per_class={"person": 0.4},
            ),
        ),
        contract_of(load_recipe("heads")),
        contract_of(load_recipe("bccd")),
    ],
    ids=["float", "with encodings", "sigmoid", "letterbox", "options", "heads", "three classes"],
)
def test_what_is_saved_is_loaded(contract: DetectorContract, tmp_path: Path) -> None:
    path = contract.save(tmp_path)
    assert path == tmp_path / FILE_NAME
    assert load_contract(tmp_path) == contract


def test_a_recipes_letterbox_reaches_the_contract() -> None:
    recipe = load_recipe("heads", ["network.fit=letterbox", "network.pad=114"])
    spec = contract_of(recipe).input
    assert (spec.fit, spec.pad) == ("letterbox", 114)
    assert contract_of(load_recipe("heads")).input.fit == "stretch"


def test_thresholds_of_an_older_bundle_get_the_defaults(tmp_path: Path) -> None:
    path = CONTRACT.save(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["thresholds"] = {"score": 0.25, "nms_iou": 0.5, "max_detections": 9}
    path.write_text(json.dumps(content), encoding="utf-8")
    expected = Thresholds(score=0.25, nms_iou=0.5, max_detections=9)
    assert load_contract(tmp_path).thresholds == expected
    assert (expected.nms, expected.soft_nms, expected.top_k) == ("class_aware", "off", 1000)


def test_the_least_score_of_every_class() -> None:
    thresholds = Thresholds(score=0.3, per_class={"person": 0.5})
    np.testing.assert_array_equal(
        thresholds.of_classes(("head", "person")), np.asarray([0.3, 0.5], np.float32)
    )
    with pytest.raises(ValueError, match="no class 'person': there are head"):
        thresholds.of_classes(("head",))


def test_saving_replaces_the_old_contract(tmp_path: Path) -> None:
    CONTRACT.save(tmp_path)
    other = dataclasses.replace(CONTRACT, name="other")
    other.save(tmp_path)
    assert load_contract(tmp_path) == other
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]


def test_output_shapes_are_nhwc_scores_first() -> None:
    assert list(CONTRACT.output_shapes().items()) == [
        ("scores_8", (1, 4, 8, 2 * 3)),
        ("scores_16", (1, 2, 4, 1 * 3)),
        ("boxes_8", (1, 4, 8, 2 * 4)),
        ("boxes_16", (1, 2, 4, 1 * 4)),
    ]
    assert CONTRACT.anchor_count == 4 * 8 * 2 + 2 * 4


def test_only_softmax_has_a_background_score() -> None:
    assert CONTRACT.scores_per_anchor == 3
    assert dataclasses.replace(CONTRACT, activation="sigmoid").scores_per_anchor == 2


def test_a_folder_without_a_contract_is_no_bundle(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ArtifactError, match=re.escape(str(folder))) as caught:
            load_contract(folder)
        assert FILE_NAME in str(caught.value)
        assert "hexdet export" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b'"text"',
        b"{}",
        b"\xff\xfe\x00",
        b"\x00" * 64,
        b"[" * 100_000,
    ],
    ids=[
        "empty",
        "cut off",
        "a list",
        "null",
        "a number",
        "a text",
        "no keys",
        "not UTF-8",
        "zeros",
        "too deep",
    ],
)
def test_a_file_that_is_no_contract_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ArtifactError, match=re.escape(str(tmp_path / FILE_NAME))):
        load_contract(tmp_path)


def saved(folder: Path) -> dict[str, Any]:
    """Return the JSON of a contract with encodings, which loads."""
    dataclasses.replace(CONTRACT, encodings=ENCODINGS).save(folder)
    load_contract(folder)
    content: dict[str, Any] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    return content


def refuse(content: dict[str, Any], folder: Path) -> str:
    """Return the error's text; it names the file."""
    (folder / FILE_NAME).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ArtifactError, match=re.escape(str(folder / FILE_NAME))) as caught:
        load_contract(folder)
    return str(caught.value)


KEYS = ["schema", *(f.name for f in dataclasses.fields(DetectorContract))]


@pytest.mark.parametrize(
    "key",
    [
        key for key in KEYS if key not in ("activation", "anchor_step", "target_arch")
    ],  # which have a default
)
def test_a_missing_key_is_refused(key: str, tmp_path: Path) -> None:
    content = saved(tmp_path)
    del content[key]
    refuse(content, tmp_path)


def test_a_contract_from_before_letterboxes_stretches(tmp_path: Path) -> None:
    content = saved(tmp_path)
    del content["input"]["fit"], content["input"]["pad"], content["target_arch"]
    (tmp_path / FILE_NAME).write_text(json.dumps(content), encoding="utf-8")
    found = load_contract(tmp_path)
    assert (found.input.fit, found.input.pad, found.target_arch) == ("stretch", 127, None)
    assert found == dataclasses.replace(CONTRACT, encodings=ENCODINGS)


@pytest.mark.parametrize("key", ["levels", "input", "thresholds"])
def test_an_unknown_key_is_refused(key: str, tmp_path: Path) -> None:
    content = saved(tmp_path)
    place = content[key][0] if key == "levels" else content[key]
    place["colour_of_the_sky"] = "blue"
    assert "colour_of_the_sky" in refuse(content, tmp_path)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_refused(schema: object, tmp_path: Path) -> None:
    content = saved(tmp_path)
    content["schema"] = schema
    assert "this version reads 1" in refuse(content, tmp_path)


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (("name",), [None, 3, ""]),
        (("network",), [None, []]),
        (("classes",), [[], [1], [None], "head", {}, None]),
        (("input",), [[], None, 3, {}]),
        (("input", "width"), [0, -1, 16385, 64.0, "64", None, True]),
        (("input", "height"), [0, 1e9, [], None]),
        (("input", "colour"), ["grey", None, []]),
        (("input", "mean"), ["127", None, NAN, INFINITY]),
        (("input", "std"), ["128", None, 0, -1.0, NAN, INFINITY]),
        (("input", "fit"), ["crop", "", None, 3, []]),
        (("input", "pad"), [-1, 256, 1.5, "127", None, True]),
        (("target_arch",), ["73", 73.0, [], True]),
        (("levels",), [[], {}, None, [3], "ab"]),
        (("levels", 0), [None, {}, []]),
        (("levels", 0, "stride"), [0, -8, 8.5, "8", None]),
        (("levels", 0, "rows"), [0, 10**9, "4", None]),
        (("levels", 1, "columns"), [0, -4, None]),
        (("levels", 0, "scores"), [None, 3, "", "boxes_8", "scores_16"]),
        (("levels", 0, "boxes"), [None, "boxes_16"]),
        (("levels", 0, "anchors"), [[], None, 3, [3, 4], [[3]], [[3, 4, 5]], ["ab"]]),
        (("levels", 0, "anchors", 0), [[0, 4], [-3, 4], [3, NAN], [3, INFINITY], ["x", 4]]),
        (("variances",), [[], [0.1], [0, 0.2], [0.1, -1], [NAN, 0.2], [0.1, INFINITY], None, "ab"]),
        (("activation",), ["relu", None, [], ""]),
        (("thresholds",), [None, [], 3]),
        (("thresholds", "score"), [-0.1, 1.5, NAN, "0.3", None]),
        (("thresholds", "nms_iou"), [-1, 2, "x", None]),
        (("thresholds", "max_detections"), [0, -1, 2.5, "7", None]),
        (("thresholds", "nms"), ["none", None, 3, []]),
        (("thresholds", "soft_nms"), ["on", None, True, []]),
        (("thresholds", "soft_sigma"), [0, -1, NAN, INFINITY, "0.5", None]),
        (("thresholds", "top_k"), [0, -1, 2.5, "7", None]),
        (("thresholds", "per_class"), [None, [], 3, {"cat": 0.5}, {"head": 1.5}, {"head": None}]),
        (("encodings",), [None, [], 3]),
        (("encodings", "scores_8"), [None, 3, {}, {"scale": 0.1}]),
        (("encodings", "scores_8", "scale"), [0, -0.1, NAN, INFINITY, "0.1", None]),
        (("encodings", "scores_8", "zero_point"), [-1, 256, 1.5, "3", None]),
    ],
    ids=lambda v: ".".join(map(str, v)) if isinstance(v, tuple) else "",
)
def test_a_damaged_value_is_refused_by_name(
    path: tuple[str | int, ...], values: list[object], tmp_path: Path
) -> None:
    for value in values:
        content = saved(tmp_path)
        place: Any = content
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        refuse(content, tmp_path)
