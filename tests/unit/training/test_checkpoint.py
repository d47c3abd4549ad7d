"""Checkpoints: what is written comes back, and what does not fit is refused in words."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hexdet import __version__
from hexdet.errors import ArtifactError
from hexdet.recipe import Recipe, load_recipe, parse_recipe
from hexdet.training import checkpoint
from hexdet.training.checkpoint import (
    default_checkpoint,
    load_checkpoint,
    network_of,
    save_checkpoint,
)
from hexdet.training.networks import SSD

NOTES = {"epoch": 3, "validation_ap50": 0.5, "torch": "x"}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("heads", ["training.epochs=3", "network.width=96", "network.height=64"])


@pytest.fixture(scope="module")
def network(recipe: Recipe) -> SSD:
    torch.manual_seed(0)
    network = network_of(recipe)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 64, 64))  # statistics of its own
    return network


@pytest.fixture
def path(tmp_path: Path, network: SSD, recipe: Recipe) -> Path:
    return save_checkpoint(tmp_path / "deep" / "best.safetensors", network, recipe, NOTES)


def contents(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as stream:
        metadata = stream.metadata()
    return load_file(path), metadata


@contextmanager
def disk_of(size_bytes: int) -> Iterator[None]:
    """Let every file end at a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_round_trip_is_the_network_rounded_to_float16(
    path: Path, network: SSD, recipe: Recipe
) -> None:
    found = load_checkpoint(path, recipe)
    assert found.path == path
    assert found.recipe == recipe
    assert found.notes == NOTES
    assert not found.network.training
    state = found.network.state_dict()
    assert state.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        assert state[name].dtype == torch.float32
        assert torch.equal(state[name], value.half().float()), name


def test_the_file_holds_float16_and_its_origin_and_no_counters(path: Path, recipe: Recipe) -> None:
    tensors, metadata = contents(path)
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    assert not [name for name in tensors if "num_batches" in name]
    assert metadata["hexdet_version"] == __version__
    assert json.loads(metadata["recipe"]) == json.loads(recipe.model_dump_json())
    assert path.stat().st_size < 6_000_000
    assert [p.name for p in path.parent.iterdir()] == ["best.safetensors"]


def test_without_a_recipe_the_stored_one_counts(path: Path, recipe: Recipe) -> None:
    assert load_checkpoint(path).recipe == recipe


def test_saving_what_was_loaded_changes_no_weight(path: Path, tmp_path: Path) -> None:
    found = load_checkpoint(path)
    again = save_checkpoint(tmp_path / "b.safetensors", found.network, found.recipe, found.notes)
    before, after = contents(path)[0], contents(again)[0]
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("given", "command"),
    [(load_recipe("bccd"), "hexdet train bccd"), (None, "hexdet train RECIPE")],
    ids=["recipe", "none"],
)
def test_a_missing_file_names_the_command_that_makes_it(
    tmp_path: Path, given: Recipe | None, command: str
) -> None:
    with pytest.raises(ArtifactError, match=f"no.such.safetensors.*`{command}`"):
        load_checkpoint(tmp_path / "no.such.safetensors", given)


def test_another_class_count_names_both(path: Path) -> None:
    message = r"1 classes \['head'\].*bccd has 3 \['RBC', 'WBC', 'Platelets'\].*`hexdet train bccd`"
    with pytest.raises(ArtifactError, match=message):
        load_checkpoint(path, load_recipe("bccd"))


def test_other_names_of_as_many_classes_are_refused(path: Path) -> None:
    data = {"format": "voc", "folder": "faces", "classes": ["face"]}
    with pytest.raises(ArtifactError, match=r"\['head'\].*t names \['face'\]"):
        load_checkpoint(path, parse_recipe({"name": "t", "data": data}, "test"))


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("network.anchors=[[[9,9]],[[9,9]],[[9,9]],[[9,9]]]", "network.anchors"),
        ("network.variances=[0.2,0.2]", "network.variances"),
        ("network.width=128", "network.width"),
        ("network.mean=0", "network.mean"),
    ],
)
def test_another_network_section_names_the_key(path: Path, override: str, key: str) -> None:
    other = load_recipe("heads", ["network.width=96", "network.height=64", override])
    with pytest.raises(ArtifactError, match=rf"another {key} than the recipe heads"):
        load_checkpoint(path, other)


@pytest.mark.parametrize(
    "override", ["training.epochs=9", "evaluation.nms_iou=0.6", "quantization.weights=per_tensor"]
)
def test_sections_that_do_not_shape_the_network_may_differ(path: Path, override: str) -> None:
    other = load_recipe("heads", ["network.width=96", "network.height=64", override])
    assert load_checkpoint(path, other).notes == NOTES


def _flip_a_bit_of_the_header(data: bytes) -> bytes:
    return data[:9] + bytes([data[9] ^ 0x80]) + data[10:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:4],
        lambda data: data[:1000],
        lambda data: data[:-1],
        lambda data: b"not a checkpoint at all",
        _flip_a_bit_of_the_header,
    ],
    ids=["empty", "4 bytes", "1000 bytes", "last byte", "text", "header"],
)
def test_a_damaged_file_is_refused(path: Path, damage: Callable[[bytes], bytes]) -> None:
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtifactError, match=r"best.safetensors is not a readable safetensors"):
        load_checkpoint(path)


class Bomb:
    """What unpickling would run."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, network: SSD) -> None:
    path, proof = tmp_path / "best.safetensors", tmp_path / "was-run"
    torch.save({"weights": network.state_dict(), "bomb": Bomb(proof)}, path)
    with pytest.raises(ArtifactError, match="not a readable safetensors file"):
        load_checkpoint(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hexdet_schema": None}, "no checkpoint of this version"),
        ({"hexdet_schema": "99"}, "no checkpoint of this version"),
        ({"recipe": None}, "damaged"),
        ({"recipe": "{"}, "damaged"),
        ({"notes": "{"}, "damaged"),
    ],
)
def test_metadata_of_another_origin_is_refused(
    path: Path, change: dict[str, str | None], message: str
) -> None:
    tensors, metadata = contents(path)
    merged = {k: v for k, v in (metadata | change).items() if v is not None}
    save_file(tensors, path, merged)
    with pytest.raises(ArtifactError, match=rf"best.safetensors is.*{message}"):
        load_checkpoint(path)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_are_not_the_networks_are_named(path: Path, change: str) -> None:
    tensors, metadata = contents(path)
    name = "score_heads.0.1.weight"
    if change == "missing":
        del tensors[name]
    elif change == "extra":
        name = "a.stranger"
        tensors[name] = torch.zeros(1)
    else:
        tensors[name] = tensors[name][:1].clone()
    save_file(tensors, path, metadata)
    with pytest.raises(ArtifactError, match=f"does not fit its own network at {name}"):
        load_checkpoint(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6, -7e4])
def test_a_weight_that_float16_cannot_hold_leaves_the_old_file(
    path: Path, recipe: Recipe, value: float
) -> None:
    before = path.read_bytes()
    broken = network_of(recipe)
    with torch.no_grad():
        broken.get_parameter("box_heads.2.1.bias")[1] = value
    with pytest.raises(ArtifactError, match=r"box_heads\.2\.1\.bias holds values.*not written"):
        save_checkpoint(path, broken, recipe, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["best.safetensors"]


def test_a_full_disk_leaves_the_old_file(path: Path, network: SSD, recipe: Recipe) -> None:
    """safetensors' own writer raises something that is no OSError there."""
    before = path.read_bytes()
    with disk_of(1_000_000), pytest.raises(ArtifactError, match=r"cannot write .*best.safetensors"):
        save_checkpoint(path, network, recipe, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["best.safetensors"]


def test_the_users_own_checkpoint_comes_before_the_shipped_one(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "shipped")
    shipped = tmp_path / "shipped" / "heads.safetensors"
    own = tmp_path / "build" / "heads" / "training" / "best.safetensors"
    # Neither is there: the one that `hexdet train` would make is named.
    assert default_checkpoint(recipe, tmp_path / "build") == own
    for file in (shipped, own):
        file.parent.mkdir(parents=True)
        file.touch()
        assert default_checkpoint(recipe, tmp_path / "build") == file
