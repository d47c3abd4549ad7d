"""The loop, on real scenes and the real network, made small: it learns, goes on and stops well."""

from __future__ import annotations

import functools
import json
import math
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from hexdet.datasets.opening import open_split
from hexdet.datasets.record import Annotation, Dataset, Dropped, Record
from hexdet.errors import ArtifactError, TrainingError
from hexdet.recipe import Recipe
from hexdet.recipe.data import ScenesData
from hexdet.training import learner, loop, objective, validation
from hexdet.training.checkpoint import load_checkpoint
from hexdet.training.loop import train
from hexdet.training.losses import focal_loss
from hexdet.training.reports import EpochReport, StepReport
from hexdet.training.schedule import learning_rate

Overrides = Callable[..., Recipe]
BEST, LAST, STATE = "best.safetensors", "last.safetensors", "state.safetensors"
CURVES = "tensorboard"
STEPS = 2
"""Of an epoch: 8 scenes in batches of 4."""


class Remembered:
    """A dataset that renders each of its scenes once."""

    def __init__(self, dataset: Dataset) -> None:
        self.name, self.classes = dataset.name, dataset.classes
        self.dropped: list[Dropped] = []
        self._dataset = dataset
        self._record = functools.cache(dataset.__getitem__)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Record:
        return self._record(index)

    def annotation(self, index: int) -> Annotation:
        return self[index].annotation

    def fingerprint(self) -> str:
        return self._dataset.fingerprint()


@functools.cache
def remembered_split(data: ScenesData, split: Any) -> Remembered:
    return Remembered(open_split(data, split))


@pytest.fixture(scope="module", autouse=True)
def scenes_rendered_once(one_core: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "open_split", remembered_split)
        yield
    remembered_split.cache_clear()


class InterruptionError(Exception):
    """What a user's Ctrl-C is to these tests."""


def interrupt_after(epoch: int) -> Callable[[EpochReport], None]:
    def on_epoch(report: EpochReport) -> None:
        if report.epoch == epoch:
            raise InterruptionError

    return on_epoch


def interrupted(recipe: Recipe, folder: Path, epoch: int = 1) -> Path:
    with pytest.raises(InterruptionError):
        train(recipe, folder, on_epoch=interrupt_after(epoch))
    return folder


def same_tensors(a: Path, b: Path) -> bool:
    one, other = load_file(a), load_file(b)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what is in the folder beside the curves, which are never rewritten."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def progress_of(folder: Path) -> dict[str, Any]:
    with safe_open(folder / STATE, "pt") as stream:
        progress: dict[str, Any] = json.loads(stream.metadata()["progress"])
    return progress


def broken_at(step: int, breakage: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    """Return a focal loss that is broken at one step, counted from 1."""
    calls = iter(range(1, 1000))

    def loss(scores: torch.Tensor, labels: torch.Tensor, **options: float) -> torch.Tensor:
        value = focal_loss(scores, labels, **options)
        return value + breakage(scores) if next(calls) == step else value

    return loss


def no_loss(scores: torch.Tensor) -> torch.Tensor:
    return scores.sum() * math.nan


def infinite_loss(scores: torch.Tensor) -> torch.Tensor:
    return scores.sum() * 0 + math.inf


def no_gradient(scores: torch.Tensor) -> torch.Tensor:
    """Add nothing to the loss, and a slope that is no number: that of a root at zero."""
    return (scores.sum() * 0).abs().sqrt()


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Overrides) -> Recipe:
    return tiny_recipe({"training.epochs": 3})


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    train(recipe, folder)
    return folder


def test_it_learns_a_handful_of_scenes(tiny_recipe: Overrides, tmp_path: Path) -> None:
    nothing = {
        f"training.augment.{k}": 0 for k in ("photometric", "grey", "expand", "crop", "flip")
    }
    recipe = tiny_recipe(
        {"training.epochs": 12, "training.validate_every": 12, "training.warmup": 0.1, **nothing}
    )
    reports: list[EpochReport] = []
    result = train(recipe, tmp_path, on_epoch=reports.append)
    losses = [sum(report.losses.values()) for report in reports]
    assert losses[-1] < 0.5 * losses[0]
    assert max(losses[-3:]) < min(losses[:3])
    for part in ("score", "box"):
        assert reports[-1].losses[part] < reports[0].losses[part]
    assert load_checkpoint(result.best, recipe).notes["epoch"] == 12


def test_reports_count_steps_and_epochs_from_one(tiny_recipe: Overrides, tmp_path: Path) -> None:
    recipe = tiny_recipe({"training.epochs": 3, "training.validate_every": 2})
    steps: list[StepReport] = []
    epochs: list[EpochReport] = []
    result = train(recipe, tmp_path, on_step=steps.append, on_epoch=epochs.append)
    assert [(s.epoch, s.step, s.steps) for s in steps] == [
        (1, 1, 6), (1, 2, 6), (2, 3, 6), (2, 4, 6), (3, 5, 6), (3, 6, 6)
    ]  # fmt: skip
    section = recipe.training
    for report in steps:
        assert report.learning_rate == learning_rate(
            report.step - 1,
            6,
            peak=section.learning_rate,
            warmup=section.warmup,
            schedule=section.schedule,
        )
        assert math.isfinite(report.loss) and report.loss > 0
    assert [(e.epoch, e.epochs) for e in epochs] == [(1, 3), (2, 3), (3, 3)]
    # Every second epoch is validated, and the last one always.
    assert [e.ap50 is None for e in epochs] == [True, False, False]
    for epoch in epochs:
        mean = sum(s.loss for s in steps if s.epoch == epoch.epoch) / STEPS
        assert sum(epoch.losses.values()) == pytest.approx(mean)
    assert 0 < epochs[0].seconds < epochs[1].seconds < epochs[2].seconds == result.seconds
    assert result.best == tmp_path / BEST
    assert sorted(p.name for p in tmp_path.iterdir()) == [BEST, LAST, STATE, CURVES]


def test_a_resumed_training_gives_the_same_bits(
    recipe: Recipe, whole: Path, tmp_path: Path
) -> None:
    interrupted(recipe, tmp_path)
    assert progress_of(tmp_path)["epoch"] == 1
    assert not same_tensors(tmp_path / STATE, whole / STATE)
    epochs: list[int] = []
    train(recipe, tmp_path, resume=True, on_epoch=lambda report: epochs.append(report.epoch))
    assert epochs == [2, 3]
    assert same_tensors(tmp_path / STATE, whole / STATE)
    assert same_tensors(tmp_path / BEST, whole / BEST)
    assert load_checkpoint(tmp_path / BEST).notes == load_checkpoint(whole / BEST).notes
    found, expected = progress_of(tmp_path), progress_of(whole)
    assert found.pop("seconds") > 0 and expected.pop("seconds") > 0
    assert found == expected


def test_the_checkpoint_holds_the_average_of_the_weights(
    tiny_recipe: Overrides, tmp_path: Path
) -> None:
    train(tiny_recipe({"training.epochs": 1}), tmp_path)
    state, written = load_file(tmp_path / STATE), load_file(tmp_path / BEST)
    assert len(written) > 100
    for name, value in written.items():
        assert torch.equal(value, state[f"average/{name}"].half())
    assert any(not torch.equal(v, state[f"network/{k}"].half()) for k, v in written.items())


def test_a_finished_training_resumes_to_nothing(
    recipe: Recipe, tmp_path: Path, whole: Path
) -> None:
    for name in (BEST, STATE):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    epochs: list[EpochReport] = []
    result = train(recipe, tmp_path, resume=True, on_epoch=epochs.append)
    assert epochs == []
    assert result.ap50 == progress_of(whole)["best"]
    assert (tmp_path / BEST).read_bytes() == (whole / BEST).read_bytes()


def test_the_seed_decides(
    recipe: Recipe, tiny_recipe: Overrides, whole: Path, tmp_path: Path
) -> None:
    train(recipe, tmp_path / "same")
    assert same_tensors(tmp_path / "same" / STATE, whole / STATE)
    torch.manual_seed(123)  # the recipe's seed counts, not what the process did before
    train(tiny_recipe({"training.epochs": 3, "training.seed": 1}), tmp_path / "other")
    assert not same_tensors(tmp_path / "other" / STATE, whole / STATE)


def test_the_number_of_workers_does_not(
    tiny_recipe: Overrides, whole: Path, tmp_path: Path
) -> None:
    train(tiny_recipe({"training.epochs": 3, "training.workers": 1}), tmp_path)
    assert same_tensors(tmp_path / STATE, whole / STATE)


def test_an_existing_training_is_not_started_over(recipe: Recipe, whole: Path) -> None:
    before = files_of(whole)
    with pytest.raises(ArtifactError, match="already holds a training: continue it with --resume"):
        train(recipe, whole)
    assert files_of(whole) == before


@pytest.mark.parametrize(
    "change",
    [
        {"training.learning_rate": 0.001},
        {"training.epochs": 4},
        {"training.optimizer": "sgd"},
        {"training.augment.flip": 0.25},
        {"training.seed": 7},
        {"data.train": 12},
        {"data.seed": 3},
        {"network.width": 128},
        {"network.variances": [0.2, 0.2]},
    ],
    ids=str,
)
def test_resuming_with_a_changed_recipe_names_the_key(
    tiny_recipe: Overrides, whole: Path, change: dict[str, Any]
) -> None:
    before = (whole / STATE).read_bytes()
    (key,) = change
    key = key.replace(".augment.flip", ".augment")
    with pytest.raises(ArtifactError, match=rf"was started with {key} = .*same recipe"):
        train(tiny_recipe({"training.epochs": 3, **change}), whole, resume=True)
    assert (whole / STATE).read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [{"training.workers": 1}, {"training.validate_every": 3}, {"evaluation.nms_iou": 0.6}],
    ids=str,
)
def test_what_does_not_shape_the_training_may_change_on_resuming(
    tiny_recipe: Overrides, whole: Path, change: dict[str, Any]
) -> None:
    train(tiny_recipe({"training.epochs": 3, **change}), whole, resume=True)


def test_nothing_to_resume_is_said(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing to resume: .*state.safetensors is missing"):
        train(recipe, tmp_path, resume=True)


@pytest.mark.parametrize("kept", [0, 100, -1], ids=["empty", "100 bytes", "all but the last byte"])
def test_a_damaged_state_is_refused(recipe: Recipe, whole: Path, tmp_path: Path, kept: int) -> None:
    (tmp_path / STATE).write_bytes((whole / STATE).read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"state.safetensors is damaged"):
        train(recipe, tmp_path, resume=True)


def test_a_checkpoint_is_no_state_to_resume(recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    (tmp_path / STATE).write_bytes((whole / BEST).read_bytes())
    with pytest.raises(ArtifactError, match=r"state.safetensors is damaged"):
        train(recipe, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("breakage", "what"),
    [
        (no_loss, "loss is nan"),
        (infinite_loss, "loss is inf"),
        (no_gradient, "gradient's norm is nan"),
    ],
    ids=["loss nan", "loss inf", "gradient nan"],
)
@pytest.mark.parametrize(("step", "epoch"), [(3, 2), (4, 2)], ids=["first step", "last step"])
def test_a_number_that_is_not_finite_stops_and_spoils_nothing(
    recipe: Recipe,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breakage: Callable[[torch.Tensor], torch.Tensor],
    what: str,
    step: int,
    epoch: int,
) -> None:
    kept: dict[str, bytes] = {}

    def keep(report: EpochReport) -> None:
        kept.update(files_of(tmp_path))

    monkeypatch.setattr(objective, "focal_loss", broken_at(step, breakage))
    message = rf"the {what} in epoch {epoch}, step {step}: .*{STATE} is whole: go on with --resume"
    with pytest.raises(TrainingError, match=message):
        train(recipe, tmp_path, on_epoch=keep)
    assert kept.keys() == {BEST, LAST, STATE}
    assert files_of(tmp_path) == kept
    monkeypatch.undo()
    monkeypatch.setattr(loop, "open_split", remembered_split)
    if breakage is no_gradient and step == 4:  # costly, so once: it goes on as if nothing had been
        train(recipe, tmp_path, resume=True)
        assert same_tensors(tmp_path / STATE, whole / STATE)


def test_a_loss_that_is_not_finite_from_the_start_leaves_no_file(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "focal_loss", broken_at(1, no_loss))
    with pytest.raises(TrainingError, match=r"epoch 1, step 1: .*there is no good checkpoint yet"):
        train(recipe, tmp_path)
    assert files_of(tmp_path) == {}


def test_a_full_disk_is_said_in_words(recipe: Recipe, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for the checkpoint (6 MB), not for the state (50 MB).
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000_000, hard))
    try:
        with pytest.raises(ArtifactError, match=r"cannot write .*state.safetensors"):
            train(recipe, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(files_of(tmp_path)) == [BEST, LAST]


@pytest.mark.parametrize(
    ("scores", "best"),
    [((0.5, 0.3, 0.4), 1), ((0.1, 0.6, 0.2), 2), ((0.0, 0.0, 0.0), 3), ((0.2, 0.7, 0.7), 3)],
)
@pytest.mark.parametrize("resumed", [False, True], ids=["at once", "resumed"])
def test_the_best_epoch_is_kept_the_later_of_equals(
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scores: tuple[float, ...],
    best: int,
    resumed: bool,
) -> None:
    answers = iter(scores)

    def evaluate(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(accuracy=SimpleNamespace(ap50=next(answers), images=2))

    monkeypatch.setattr(validation, "evaluate", evaluate)
    if resumed:
        interrupted(recipe, tmp_path)
    result = train(recipe, tmp_path, resume=resumed)
    notes = load_checkpoint(tmp_path / BEST).notes
    assert (notes["epoch"], notes["validation_ap50"]) == (best, max(scores))
    assert result.ap50 == max(scores)


@pytest.mark.parametrize(
    "change",
    [
        {"training.optimizer": "sgd"},
        {"training.schedule": "cosine"},
        {"training.precision": "bfloat16"},
        {"training.batch_size": 100},
        {"training.focal_gamma": 0.5},
        {"network.width": 128, "network.height": 64},
    ],
    ids=str,
)
def test_other_recipes_train(
    tiny_recipe: Overrides, whole: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    recipe = tiny_recipe({"training.epochs": 1, **change})
    steps: list[StepReport] = []
    train(recipe, tmp_path, on_step=steps.append)
    assert len(steps) == (1 if "training.batch_size" in change else STEPS)
    found = load_checkpoint(tmp_path / BEST, recipe)
    assert all(v.isfinite().all() for v in found.network.state_dict().values())
    assert not same_tensors(tmp_path / BEST, whole / BEST)


def test_sgd_resumes_with_its_momentum_and_the_cosine_in_its_place(
    tiny_recipe: Overrides, tmp_path: Path
) -> None:
    recipe = tiny_recipe({"training.optimizer": "sgd", "training.schedule": "cosine"})
    train(recipe, tmp_path / "once")
    train(recipe, interrupted(recipe, tmp_path / "halves"), resume=True)
    state = load_file(tmp_path / "once" / STATE)
    assert any(k.endswith("/momentum_buffer") and v.any() for k, v in state.items())
    assert same_tensors(tmp_path / "halves" / STATE, tmp_path / "once" / STATE)


def test_biases_and_norms_are_not_decayed(tiny_recipe: Overrides) -> None:
    recipe = tiny_recipe()
    network = learner.network_of(recipe)
    decayed, free = learner.make_optimizer(network, recipe.training).param_groups
    assert decayed["weight_decay"] == recipe.training.weight_decay > 0
    assert free["weight_decay"] == 0
    names = {id(p): name for name, p in network.named_parameters()}
    assert len(decayed["params"]) + len(free["params"]) == len(names)
    assert {names[id(p)].rsplit(".", 1)[1] for p in decayed["params"]} == {"weight"}
    assert all(p.ndim == 4 for p in decayed["params"])
    assert all(p.ndim == 1 for p in free["params"])
