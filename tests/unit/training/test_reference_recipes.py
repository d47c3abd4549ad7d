"""The reference's recipes, which nobody here trained, at least start, on files in real formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hexdet.recipe import SHIPPED, load_recipe
from hexdet.training.anchor_fitting.bands import bands_of
from hexdet.training.anchor_fitting.fitting import by_statistics
from hexdet.training.checkpoint import load_checkpoint
from hexdet.training.contract import contract_of
from hexdet.training.loop import StepReport, train

from ..datasets.conftest import put_image, put_text
from ..datasets.test_formats import FORMATS

REFERENCE = {"crowdhuman_heads": "crowdhuman", "wider_face": "widerface", "brainwash": "brainwash"}
TINY = [
    "training.epochs=2",
    "training.workers=0",
    "training.precision=float32",
    "network.width=128",
    "network.height=128",
]

__all__ = ["put_image", "put_text"]  # fixtures


@pytest.mark.parametrize("name", REFERENCE)
def test_it_has_the_published_settings_and_says_that_it_is_untrained(name: str) -> None:
    assert (SHIPPED / f"{name}.yaml").read_text().startswith("# Not trained here")
    assert not (SHIPPED.parent / "checkpoints" / f"{name}.safetensors").exists()
    recipe = load_recipe(name)
    section = recipe.training
    assert (section.optimizer, section.weight_decay, section.batch_size, section.epochs) == (
        "sgd",
        5e-4,
        32,
        150,
    )
    contract = contract_of(recipe)
    assert [level.stride for level in contract.levels] == [8, 16, 32, 64]
    for level, band in zip(contract.levels, bands_of(contract), strict=True):
        np.testing.assert_array_equal(level.anchors, np.round(by_statistics(band, 2, 1.7), 1))


@pytest.mark.parametrize("name", REFERENCE)
def test_two_steps_on_files_in_the_real_format_leave_a_checkpoint(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    put_image: object,
    put_text: object,
) -> None:
    _, image, texts, _ = FORMATS[REFERENCE[name]]
    for split in ("train", "val"):
        put_image(image.replace("train", split))  # type: ignore[operator]
        for path, content in texts.items():
            put_text(path.replace("train", split), content)  # type: ignore[operator]
    monkeypatch.setenv("HEXDET_DATA", str(tmp_path))
    recipe = load_recipe(name, TINY)
    steps: list[StepReport] = []
    result = train(recipe, tmp_path / "out", on_step=steps.append)
    assert len(steps) == 2 and all(np.isfinite(step.loss) for step in steps)
    assert load_checkpoint(result.best, recipe).recipe == recipe
