"""Starting a training from a checkpoint: what fits is taken, what does not is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hexdet.errors import ArtifactError
from hexdet.recipe import Recipe, load_recipe
from hexdet.training.checkpoint import network_of, save_checkpoint, start_from
from hexdet.training.networks import SSD


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("heads", ["network.width=64", "network.height=64"])


@pytest.fixture(scope="module")
def source(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("source") / "whole.safetensors"
    return save_checkpoint(path, network_of(recipe), recipe, {}, dtype=torch.float32)


@pytest.fixture
def network(recipe: Recipe) -> SSD:
    torch.manual_seed(2)
    return network_of(recipe)


def copied(source: Path, target: Path, **changes: torch.Tensor | None) -> Path:
    """Write the checkpoint again with other tensors (None: without it)."""
    with safe_open(source, "pt") as stream:
        metadata = stream.metadata()
    tensors = load_file(source)
    for name, value in changes.items():
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    save_file(tensors, target, metadata)
    return target


def test_a_whole_checkpoint_is_taken_whole(
    network: SSD, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="hexdet"):
        start_from(network, str(source))
    for name, value in load_file(source).items():
        assert torch.equal(network.state_dict()[name], value)
    assert "new" not in caplog.text


def test_heads_of_other_classes_begin_anew(
    source: Path, recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    other = recipe.model_copy(update={"data": load_recipe("bccd").data})
    torch.manual_seed(3)
    network = network_of(other)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with caplog.at_level("INFO", logger="hexdet"):
        start_from(network, str(source))
    after, given = network.state_dict(), load_file(source)
    # Scores of 4 instead of 2 classes; deltas and the depthwise part of the heads are the same.
    for level in range(4):
        for kind in ("weight", "bias"):
            name = f"score_heads.{level}.1.{kind}"
            assert torch.equal(after[name], before[name])
            name = f"box_heads.{level}.1.{kind}"
            assert torch.equal(after[name], given[name])
    assert torch.equal(
        after["features.backbone.blocks.0.conv.weight"],
        given["features.backbone.blocks.0.conv.weight"],
    )
    text = "random weights: score_heads.0, score_heads.1, score_heads.2, score_heads.3"
    assert text in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("features.extra.project.conv.weight", None),
        ("score_heads.0.1.bias", None),
        ("a.stranger", torch.zeros(1)),
        ("features.backbone.blocks.3.expand.conv.weight", torch.zeros(3)),
    ],
    ids=["missing", "missing of a head", "extra", "shape"],
)
def test_another_architecture_is_refused_with_its_tensors(
    network: SSD, source: Path, tmp_path: Path, name: str, value: torch.Tensor | None
) -> None:
    path = copied(source, tmp_path / "x.safetensors", **{name: value})
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(ArtifactError, match=rf"x\.safetensors does not fit this network at {name}"):
        start_from(network, str(path))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_many_tensors_that_do_not_fit_are_counted(network: SSD, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {f"layer.{i}": torch.zeros(1) for i in range(9)}
    save_file(tensors, path, {"hexdet_schema": "1", "recipe": "{}", "covers": "layer"})
    with pytest.raises(ArtifactError, match=r"at layer\.0, layer\.1, layer\.2 and 6 more"):
        start_from(network, str(path))


def test_a_missing_file_names_the_shipped_ones_and_the_import(network: SSD) -> None:
    with pytest.raises(ArtifactError, match=r"'nowhere'.*heads.*`hexdet import`"):
        start_from(network, "nowhere")


def test_another_kind_of_file_is_refused(network: SSD, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ArtifactError, match="no checkpoint of this version"):
        start_from(network, str(tmp_path / "x.safetensors"))
