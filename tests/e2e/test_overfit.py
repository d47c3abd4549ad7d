"""Every network learns four pictures by heart, and its INT8 form still knows them on the HTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from hexdet.cli.verbs.detect import Wishes, detect
from hexdet.datasets.opening import open_split
from hexdet.evaluation.running import evaluate
from hexdet.export.bundle import Bundle
from hexdet.export.pipeline import Watcher, check_bundle, export_bundle
from hexdet.recipe import Recipe, parse_recipe
from hexdet.runtime.detector import BackendName, Detector
from hexdet.training.checkpoint import load_checkpoint
from hexdet.training.loop import train

BACKENDS: tuple[BackendName, ...] = ("cpu", "htp")
SIDE = 128
LEARNT, OTHERS = 4, 2
"""Pictures that are learnt, and others that the pipeline asks for to test on."""
STEPS_AN_EPOCH = 10
"""An epoch ends in writing files: the list of training images names each picture so often."""
CASES: dict[str, dict[str, Any]] = {
    "mb2_ssd_lite_f38": {"network": {"width_multiplier": 0.5}, "training": {"epochs": 12}},
    "mb2_ssd_lite_f38_tiny": {},
    "mb2_ssd_lite": {"network": {"width_multiplier": 0.5, "levels": 4}},
    "mb1_ssd": {
        "network": {"width_multiplier": 0.5, "levels": 4},
        "training": {"loss": "hard_negative"},
    },
    "mb1_ssd_3x3": {"network": {"width_multiplier": 0.25, "levels": 4, "relu": "relu6"}},
    "ssd300_vgg16": {
        "network": {"width_multiplier": 0.125, "levels": 4, "anchor_step": "cells"},
        "training": {"loss": "hard_negative", "learning_rate": 2e-3, "epochs": 12},
    },
    "ssd512_vgg16": {
        "network": {"width_multiplier": 0.125, "levels": 5},
        "training": {"loss": "hard_negative", "learning_rate": 2e-3, "epochs": 12},
    },
}
"""By network, what its recipe says beyond `recipe_of`: thin, and without levels of no cell."""


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    """Keep torch on one core: the tests beside this one want theirs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a VOC folder of pictures with discs and squares, 24 to 78 px of 128, on noise."""
    folder = tmp_path_factory.mktemp("shapes")
    names = [f"{number:02}" for number in range(LEARNT + OTHERS)]
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    learnt, others = names[:LEARNT], names[LEARNT:]
    lists = {"train": learnt * STEPS_AN_EPOCH, "learnt": learnt, "test": others}
    for name, lines in lists.items():
        (folder / "ImageSets/Main" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    for name in names:
        image, objects = draw(np.random.default_rng(int(name)))
        cv2.imwrite(str(folder / "JPEGImages" / f"{name}.jpg"), image)
        described = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
            f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for kind, x1, y1, x2, y2 in objects
        )
        (folder / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>{SIDE}</width><height>{SIDE}"
            f"</height><depth>3</depth></size>{described}</annotation>"
        )
    return folder


def draw(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[str, int, int, int, int]]]:
    """Return a picture, BGR uint8, and its objects (class, x1, y1, x2, y2) of four sizes."""
    image = rng.integers(30, 90, (SIDE, SIDE, 3), np.uint8)
    objects = []
    for side, left, top in ((78, 4, 4), (36, 86, 6), (24, 8, 94), (28, 88, 88)):
        side += int(rng.integers(-3, 4))
        x, y = left + int(rng.integers(0, 5)), top + int(rng.integers(0, 5))
        kind = str(rng.choice(["disc", "square"]))
        colour = tuple(int(c) for c in rng.integers(140, 256, 3))
        if kind == "square":
            cv2.rectangle(image, (x, y), (x + side, y + side), colour, -1)
        else:
            cv2.circle(image, (x + side // 2, y + side // 2), side // 2, colour, -1)
        objects.append((kind, x, y, x + side, y + side))
    return image, objects


def recipe_of(name: str, pictures: Path) -> Recipe:
    """Return the recipe that makes one network learn the pictures, with its published anchors."""
    case = CASES[name]
    off = ("photometric", "grey", "expand", "crop", "flip")
    content = {
        "name": name,
        "data": {
            "format": "voc",
            "folder": str(pictures),
            "classes": ["disc", "square"],
            "train": "train",
            "val": "learnt",
            "test": "test",
        },
        "network": {"name": name, "width": SIDE, "height": SIDE, **case.get("network", {})},
        "training": {
            "epochs": 10,
            "batch_size": LEARNT,
            "learning_rate": 8e-3,
            "schedule": "cosine",
            "warmup": 0.1,
            "ema_decay": 0.8,
            "workers": 0,
            "precision": "float32",
            "validate_every": 100,
            "augment": dict.fromkeys(off, 0.0),
            **case.get("training", {}),
        },
        "calibration": {"images": LEARNT},
    }
    return parse_recipe(content, "test")


@pytest.mark.parametrize("name", CASES)
def test_it_learns_by_heart_and_keeps_it_in_int8(name: str, pictures: Path, tmp_path: Path) -> None:
    recipe = recipe_of(name, pictures)
    trained = train(recipe, tmp_path / "training")
    bundle = tmp_path / name
    export_bundle(recipe, load_checkpoint(trained.best, recipe), bundle, Watcher())
    check_bundle(Bundle(bundle, ()), recipe)
    learnt = open_split(recipe.data, "val")
    found = {}
    for backend in BACKENDS:
        with Detector.load(bundle, backend=backend, precision="int8") as detector:
            found[backend] = evaluate(detector, learnt, score=0.01).accuracy.ap50
    assert trained.ap50 > 0.9
    assert min(found.values()) > 0.9, found
    picture, seen = pictures / "JPEGImages" / "00.jpg", tmp_path / "seen"
    assert detect(bundle, str(picture), Wishes(output=seen, backend="cpu")) == 0
    (entry,) = json.loads((seen / "detections.json").read_text())["images"]
    assert len(entry["detections"]) >= 3  # of four, from the default score up
