"""Detectors of every kind get the same images; torchvision is a stand-in, or not there."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hexdet.benchmarks import compare as comparing
from hexdet.benchmarks.compare import compare, results, save_page
from hexdet.benchmarks.compare_memory import increment
from hexdet.benchmarks.contestants import open_contestant
from hexdet.datasets.scenes import Scenes
from hexdet.errors import ArtifactError, DataError, NotRunError, UsageError

from ..conftest import CONTRACT, MakeBundle

SCENES = Scenes(split="test", count=2, seed=0)


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "memory_increment", lambda subject, threads: 2**20)


def stand_in(monkeypatch: pytest.MonkeyPatch, boxes: list[Any], labels: list[int]) -> None:
    """Put a torchvision in place whose detector knows `head` and `dog`, label 0 the background."""
    import torch

    seen: list[torch.Tensor] = []

    class Network(torch.nn.Linear):
        def forward(self, pictures: Any) -> Any:
            seen.extend(pictures)
            scores = torch.linspace(0.5, 0.9, len(labels))
            return [{"boxes": torch.tensor(boxes), "labels": torch.tensor(labels),
                     "scores": scores}]  # fmt: skip

    weights = types.SimpleNamespace(meta={"categories": ["__background__", "head", "dog"]})

    def find(name: str) -> Any:
        if name != "tiny_rcnn":
            raise ValueError(f"Unknown model {name}")
        return types.SimpleNamespace(DEFAULT=weights)

    models: Any = types.ModuleType("torchvision.models")
    models.get_model_weights = find
    models.get_model = lambda name, weights: Network(3, 5)
    models.seen = seen
    for name in ("torchvision", "torchvision.models.detection"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


def test_a_detector_of_torchvision_is_called_as_it_wants_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in(monkeypatch, [[0.0, 0.0, 5.0, 5.0], [1.0, 2.0, 3.0, 4.0]], [2, 1])
    one = open_contestant("torchvision:tiny_rcnn", 1)
    image = np.zeros((4, 6, 3), np.uint8)
    image[:, :, 0] = 255  # blue
    found = one.detect(image)
    assert found is not None and found.classes == ("head", "dog")
    assert found.labels.tolist() == [1, 2] and found.boxes[0].tolist() == [1, 2, 3, 4]
    assert one.size_bytes == 4 * (3 * 5 + 5)
    (picture,) = sys.modules["torchvision.models"].seen
    assert picture.shape == (3, 4, 6) and picture[:, 0, 0].tolist() == [0, 0, 1]
    with pytest.raises(UsageError, match="has no detector 'other'"):
        open_contestant("torchvision:other", 1)


def test_without_torchvision_its_row_says_so(
    monkeypatch: pytest.MonkeyPatch, make_bundle: MakeBundle, no_memory: None
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(NotRunError, match="not run: torchvision is not importable"):
        open_contestant("torchvision:fasterrcnn_resnet50_fpn", 1)
    rows = compare([str(make_bundle()), "torchvision:fasterrcnn_resnet50_fpn"], SCENES, images=1)
    assert [bool(row.reason) for row in rows] == [False, True]
    assert {row.artifact for row in results(rows)} == {"tiny/int8.onnx"}


def test_every_kind_runs_on_the_same_images(
    monkeypatch: pytest.MonkeyPatch, make_bundle: MakeBundle, tmp_path: Path, no_memory: None
) -> None:
    box = SCENES[0].annotation.boxes[0].tolist()
    stand_in(monkeypatch, [box, box], [2, 1])
    bundle = make_bundle()
    bare = tmp_path / "bare.onnx"
    bare.write_bytes((bundle / "float.onnx").read_bytes())
    subjects = [str(bundle), str(bundle / "float.onnx"), str(bare), "torchvision:tiny_rcnn"]
    rows = compare([*subjects, subjects[0]], SCENES, images=9)
    assert [row.name for row in rows[:2]] == ["tiny/int8.onnx", "tiny/float.onnx"]
    assert len(rows) == 4 and all(row.images == 2 and row.p50_ms > 0 for row in rows)
    assert np.isnan(rows[2].ap50) and rows[2].sha256 == rows[1].sha256
    assert 0 < rows[3].ap50 < 1 and rows[3].detections == 1  # the dog is none of the classes
    known = set(CONTRACT.classes) & set(SCENES.classes)
    assert bool(known) != bool(np.isnan(rows[0].ap50))
    assert all(np.isfinite(row.value) or row.metric != "compare_call" for row in results(rows))
    text = save_page(rows, "<scenes>", tmp_path / "c.html").read_text()
    assert "&lt;scenes&gt;" in text and "not given" in text and text.count("<circle") >= 1


@pytest.mark.parametrize(
    ("subject", "error"),
    [("none.onnx", ArtifactError), ("none.dlc", UsageError), ("none", UsageError)],
)
def test_what_nothing_can_run_is_refused(subject: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        open_contestant(subject, 1)


def test_no_image_is_an_error(make_bundle: MakeBundle) -> None:
    with pytest.raises(DataError, match="no image"):
        compare([str(make_bundle())], Scenes(split="test", count=1, seed=0), images=0)


def test_memory_is_what_opening_and_running_adds(make_bundle: MakeBundle) -> None:
    bundle = str(make_bundle())
    assert (comparing.memory_increment(bundle, 1) or 0) > 0
    assert increment(bundle, 1) is not None
