"""A bundle's anchors are those that its network was trained with, or it is refused by the level."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.errors import ArtifactError
from hexdet.runtime.anchor_hashes import KEY
from hexdet.runtime.anchors import all_anchors, anchors_sha256
from hexdet.runtime.contract import (
    FILE_NAME,
    DetectorContract,
    InputSpec,
    Level,
    Thresholds,
    load_contract,
)

Sizes = tuple[tuple[float, float], ...]


def contract_with(
    first: Sizes = ((3.0, 4.5), (6.0, 7.0)), second: Sizes = ((12.0, 13.0),)
) -> DetectorContract:
    return DetectorContract(
        name="tiny",
        network="net",
        classes=("head",),
        input=InputSpec(width=60, height=28),
        levels=(
            Level(stride=8, rows=4, columns=8, anchors=first, scores="s8", boxes="b8"),
            Level(stride=16, rows=2, columns=4, anchors=second, scores="s16", boxes="b16"),
        ),
    )


def saved(folder: Path) -> dict[str, Any]:
    contract_with().save(folder)
    content: dict[str, Any] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    return content


def write(folder: Path, content: dict[str, Any]) -> None:
    (folder / FILE_NAME).write_text(json.dumps(content), encoding="utf-8")


def test_the_hash_is_of_the_rows_as_little_endian_floats() -> None:
    anchors = np.asarray([[4, 4, 3, 4.5], [12, 4, 3, 4.5]], np.float32)
    expected = hashlib.sha256(struct.pack("<8f", *anchors.ravel())).hexdigest()
    assert anchors_sha256(anchors) == expected
    assert anchors_sha256(anchors.astype(">f4")) == expected  # type: ignore[arg-type]
    assert anchors_sha256(anchors[:0]) == hashlib.sha256(b"").hexdigest()


def test_a_bundle_holds_the_hash_of_all_its_anchors(tmp_path: Path) -> None:
    content = saved(tmp_path)
    assert content[KEY] == anchors_sha256(all_anchors(contract_with()))
    assert len({content[KEY], *(level[KEY] for level in content["levels"])}) == 3
    assert load_contract(tmp_path) == contract_with()


def test_thresholds_and_names_may_be_changed_by_hand(tmp_path: Path) -> None:
    content = saved(tmp_path)
    content["name"], content["thresholds"]["score"] = "other", 0.5
    write(tmp_path, content)
    expected = dataclasses.replace(
        contract_with(), name="other", thresholds=dataclasses.replace(Thresholds(), score=0.5)
    )
    assert load_contract(tmp_path) == expected


def test_an_older_bundle_has_no_hash_and_loads(tmp_path: Path) -> None:
    content = saved(tmp_path)
    del content[KEY]
    for level in content["levels"]:
        del level[KEY]
    write(tmp_path, content)
    assert load_contract(tmp_path) == contract_with()


@pytest.mark.parametrize(
    ("level", "key", "value", "said"),
    [
        (0, "anchors", [[3.0, 4.5], [6.0, 7.1]], "of stride 8 (now 3 x 4.5, 6 x 7.1 on 8 x 4"),
        (0, "anchors", [[6.0, 7.0], [3.0, 4.5]], "of stride 8 (now 6 x 7, 3 x 4.5 on 8 x 4"),
        (1, "anchors", [[12.0, 13.0]] * 2, "of stride 16 (now 12 x 13, 12 x 13 on 4 x 2"),
        (1, "stride", 15, "of stride 15 (now 12 x 13 on 4 x 2"),
        (1, "rows", 3, "of stride 16 (now 12 x 13 on 4 x 3"),
        (1, KEY, "", "of stride 16"),
    ],
    ids=["a height", "the order", "one more", "the stride", "the rows", "the hash"],
)
def test_a_changed_anchor_is_refused_by_its_level(
    level: int, key: str, value: object, said: str, tmp_path: Path
) -> None:
    content = saved(tmp_path)
    content["levels"][level][key] = value
    write(tmp_path, content)
    with pytest.raises(ArtifactError, match=re.escape(str(tmp_path / FILE_NAME))) as caught:
        load_contract(tmp_path)
    assert f"the anchors {said}" in str(caught.value)
    assert KEY in str(caught.value) and "train it" in str(caught.value)
    assert str(caught.value).count("stride") == 1


def test_another_step_from_cell_to_cell_changes_the_levels_it_moves(tmp_path: Path) -> None:
    content = saved(tmp_path)
    content["anchor_step"] = "cells"
    write(tmp_path, content)
    with pytest.raises(ArtifactError, match=r"of stride 8 .* and of stride 16 "):
        load_contract(tmp_path)


def test_levels_that_changed_places_are_refused(tmp_path: Path) -> None:
    content = saved(tmp_path)
    content["levels"].reverse()
    write(tmp_path, content)
    with pytest.raises(ArtifactError, match="the anchors as a whole are not those"):
        load_contract(tmp_path)


def test_a_file_that_asks_for_all_memory_is_refused_before_it_gets_it(tmp_path: Path) -> None:
    content = saved(tmp_path)
    content["levels"][0] |= {"rows": 16384, "columns": 16384}
    write(tmp_path, content)
    with pytest.raises(ArtifactError, match="more than 16,777,216 anchors"):
        load_contract(tmp_path)


sides = st.floats(1.0, 300.0, width=32)


@given(first=st.lists(st.tuples(sides, sides), min_size=1, max_size=3), data=st.data())
def test_the_hash_changes_with_any_anchor(
    first: list[tuple[float, float]], data: st.DataObject
) -> None:
    before = anchors_sha256(all_anchors(contract_with(tuple(first))))
    index = data.draw(st.integers(0, len(first) - 1))
    other = data.draw(st.tuples(sides, sides).filter(lambda v: v != first[index]))
    changed = [other if i == index else v for i, v in enumerate(first)]
    assert anchors_sha256(all_anchors(contract_with(tuple(changed)))) != before
    assert anchors_sha256(all_anchors(contract_with(tuple(first)))) == before
