"""A manifest that comes from elsewhere can neither crash a run nor have files outside deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hexdet.errors import ArtifactError
from hexdet.export.bundle import FILE_NAME, Bundle, writing

DEEP = "[" * 100_000 + "]" * 100_000
SCHEMA = {"schema": 1}
PLAIN: dict[str, Any] = {"inputs": "old", "outputs": ["a.onnx"]}


def written(folder: Path, content: Any) -> Bundle:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return Bundle(folder, ("export",))


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "null", "3", DEEP, {}, SCHEMA,
        {**SCHEMA, "stages": None}, {**SCHEMA, "stages": [1]}, {**SCHEMA, "stages": {"export": 1}},
        {**SCHEMA, "stages": {"export": {"inputs": 1, "outputs": []}}},
        {**SCHEMA, "stages": {"export": {"inputs": "x", "outputs": 3}}},
        {**SCHEMA, "stages": {"export": {"inputs": "x", "outputs": [3]}}},
        {**SCHEMA, "stages": {"export": PLAIN}, "files": 3},
        {**SCHEMA, "stages": {"export": PLAIN}, "files": {"../a": "x"}},
    ],
)  # fmt: skip
def test_a_damaged_manifest_means_that_nothing_is_skipped(content: Any, tmp_path: Path) -> None:
    bundle = written(tmp_path, content)
    assert bundle.outputs("") == []
    ran = bundle.run("export", {}, ["a.onnx"], lambda: (tmp_path / "a.onnx").write_text("new"))
    assert ran and Bundle(tmp_path, ("export",)).outputs("export") == ["a.onnx"]


@pytest.mark.parametrize("name", ["../precious", "PRECIOUS", "link/precious", "a/../../precious"])
@pytest.mark.parametrize("stage", ["export", "target x"])
def test_no_file_outside_is_deleted(name: str, stage: str, tmp_path: Path) -> None:
    folder, precious = tmp_path / "bundle", tmp_path / "precious"
    folder.mkdir()
    (folder / "a").mkdir()
    (folder / "link").symlink_to(tmp_path)
    precious.write_text("mine")
    name = name.replace("PRECIOUS", str(precious))
    stages = {stage: {"inputs": "old", "outputs": ["a.onnx", name]}}
    bundle = written(folder, {**SCHEMA, "stages": stages, "files": {}})
    bundle.run("export", {}, ["a.onnx"], lambda: (folder / "a.onnx").write_text("new"))
    assert precious.read_text() == "mine"


def test_a_linked_artifact_is_still_one_of_the_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "a.onnx").symlink_to(tmp_path / "store")
    bundle = written(folder, {**SCHEMA, "stages": {"export": PLAIN}, "files": {"a.onnx": "x"}})
    assert bundle.outputs("export") == ["a.onnx"]


def test_a_bundle_that_is_not_there_is_not_made_by_asking(tmp_path: Path) -> None:
    with writing(tmp_path / "none"):
        assert not (tmp_path / "none").exists()
    with (
        writing(tmp_path / "new", make=True),
        pytest.raises(ArtifactError, match="another hexdet"),
        writing(tmp_path / "new"),
    ):
        pass
