"""An ImageNet classifier as the backbone of a detector: the same function, and trainable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hexdet.errors import ArtifactError, DataError, RecipeError
from hexdet.recipe import Recipe, load_recipe
from hexdet.runtime.contract import InputSpec
from hexdet.training.checkpoint import load_checkpoint, network_of, start_from
from hexdet.training.contract import contract_of
from hexdet.training.networks import SSD
from hexdet.training.networks.mobilenet_v2 import MobileNetV2
from hexdet.training.weights_in import batches
from hexdet.training.weights_in.backbone import import_backbone
from hexdet.training.weights_in.batches import training_batches
from hexdet.training.weights_in.described_graph import read_described_graph
from hexdet.training.weights_in.mobilenet_v2 import blocks_of, fill_backbone
from hexdet.training.weights_in.normalisation import Normalisation, for_input

from .conftest import DATA, Classify

SMALL = ["network.width=96", "network.height=96"]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("heads", SMALL)


@pytest.fixture(scope="module")
def imported(classifier: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("imported") / "imported.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "IMAGES", 16)
        return import_backbone(classifier, recipe, out)


@pytest.fixture(scope="module")
def started(imported: Path, recipe: Recipe) -> SSD:
    network = network_of(recipe)
    start_from(network, str(imported))
    return network


def scenes(recipe: Recipe, count: int) -> Tensor:
    given = training_batches(recipe)
    return torch.cat([next(given) for _ in range(count // batches.BATCH)])


def backbone_of(network: nn.Module) -> MobileNetV2:
    return next(m for m in network.modules() if isinstance(m, MobileNetV2))


def last_map(network: nn.Module, image: Tensor) -> Tensor:
    with torch.no_grad():
        maps: list[Tensor] = backbone_of(network)(image)
    return maps[-1]


def test_it_computes_what_the_classifier_does(started: SSD, described: Classify) -> None:
    """Up to the last map, as the description says, with padding on both sides."""
    theirs = torch.rand(2, 3, 96, 96) * 2 - 1  # (p - 128) / 128
    ours = theirs + 1 / 128  # (p - 127) / 128
    found = last_map(started.eval(), ours)
    with torch.no_grad():
        expected = described(theirs, symmetric=True, stop=62)
        other_padding = described(theirs, symmetric=False, stop=62)
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    # At the border a padding of zeros is the pixel 127 here and 128 there.
    assert float((found - expected)[inside].abs().mean()) < 0.02
    assert float((other_padding - expected)[inside].abs().mean()) > 0.2
    assert float(expected[inside].mean()) > 0.2


def test_without_a_difference_in_normalisation_it_is_exact(
    classifier: Path, described: Classify, recipe: Recipe
) -> None:
    network = network_of(recipe)
    spec = InputSpec(width=96, height=96, mean=128.0, std=128.0)
    fill_backbone(network, read_described_graph(classifier), spec)
    image = torch.rand(1, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        expected = described(image, symmetric=True, stop=62)
    torch.testing.assert_close(last_map(network.eval(), image), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("given", [Normalisation(), Normalisation(mean=(104, 117, 123), std=1.0)])
@pytest.mark.parametrize(
    ("mean", "std", "colour"), [(127.0, 128.0, "rgb"), (0.0, 255.0, "rgb"), (120.0, 60.0, "bgr")]
)
def test_another_normalisation_goes_into_the_first_convolution(
    given: Normalisation, mean: float, std: float, colour: Any
) -> None:
    weight, bias = torch.randn(8, 3, 3, 3), torch.randn(8)
    spec = InputSpec(width=8, height=8, mean=mean, std=std, colour=colour)
    pixels = torch.randint(0, 256, (1, 3, 8, 8)).float()  # in the order that they were trained in
    means = torch.tensor(given.mean).view(3, 1, 1)
    expected = nn.functional.conv2d((pixels - means) / given.std, weight, bias)
    read = pixels if colour == given.colour else pixels.flip(1)
    found = nn.functional.conv2d((read - mean) / std, *for_input(weight, bias, given, spec))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_symmetric_padding_is_the_same_network_a_pixel_on(described: Classify) -> None:
    """Why ImageNet's weights survive: away from the border only the sampling moves."""
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    moved = torch.roll(image, (-3, -3), (2, 3))  # 1 pixel at stride 1, and 1 at stride 2
    with torch.no_grad():
        theirs = described(image, symmetric=False, stop=6)
        unmoved = described(image, symmetric=True, stop=6)
        ours = described(moved, symmetric=True, stop=6)
    assert theirs.shape[2:] == (16, 16)
    inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    assert float((ours - theirs)[inside].abs().max()) < 1e-4
    assert float((unmoved - theirs)[inside].abs().max()) > 0.5


def test_the_classifier_says_the_same_with_both_paddings(
    described: Classify, classifier: Path
) -> None:
    images = sorted((DATA / "photos").glob("*.jpg"))
    if not images:
        pytest.skip(f"no photos at {DATA}/photos")
    same = []
    for path in images[:8]:
        pixels = cv2.resize(cv2.imread(str(path)), (224, 224), interpolation=cv2.INTER_AREA)
        image = torch.from_numpy(pixels[..., ::-1].copy()).permute(2, 0, 1)[None]
        normalised = (image.float() - 128) / 128
        with torch.no_grad():
            first, second = (described(normalised, symmetric=s)[0] for s in (False, True))
        same.append(int(first.argmax()) in second.topk(5).indices.tolist())
    assert sum(same) >= 7


def test_training_mode_computes_nearly_the_same(
    started: SSD, recipe: Recipe, classifier: Path
) -> None:
    """On images like those measured; without statistics a norm would rescale every channel."""
    images = scenes(recipe, 16)
    expected = last_map(started.eval(), images)
    apart = float((last_map(started.train(), images) - expected).abs().mean() / expected.mean())
    raw = network_of(recipe)
    fill_backbone(raw, read_described_graph(classifier), contract_of(recipe).input)
    torch.testing.assert_close(last_map(raw.eval(), images), expected, atol=1e-2, rtol=0)
    lost = float((last_map(raw.train(), images) - expected).abs().mean() / expected.mean())
    assert apart < 0.15 < 0.5 < lost


def test_channels_of_a_layer_have_one_size(imported: Path) -> None:
    """Where they are not dead: a step of the optimizer then turns each as far."""
    for name, weight in load_file(imported).items():
        if name.endswith("conv.weight"):
            sizes = weight.square().mean(dim=(1, 2, 3)).sqrt()
            alive = sizes[sizes > 0]
            assert len(alive) > len(sizes) / 2
            torch.testing.assert_close(alive, alive[:1].expand_as(alive), rtol=1e-3, atol=0)


def test_the_file_holds_the_backbone_alone(imported: Path, recipe: Recipe) -> None:
    tensors = load_file(imported)
    assert all(name.startswith("features.backbone.") for name in tensors)
    assert len(tensors) == 52 * 5
    assert {t.dtype for t in tensors.values()} == {torch.float32}
    with pytest.raises(ArtifactError, match=r"features\.backbone alone: give it as training\.st"):
        load_checkpoint(imported)


def test_what_is_new_is_said_and_stays_as_it_was(
    imported: Path, recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    network = network_of(recipe)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with caplog.at_level("INFO", logger="hexdet"):
        start_from(network, str(imported))
    assert "260 tensors of features.backbone" in caplog.text
    assert "random weights: box_heads.0, box_heads.1" in caplog.text
    assert "features.extra, score_heads.0" in caplog.text
    for name, value in network.state_dict().items():
        if name.endswith(("conv.weight", "running_mean")):
            changed = not torch.equal(value, before[name])
            assert changed == name.startswith("features.backbone")


def test_a_gradient_step_goes_through_every_layer(started: SSD, recipe: Recipe) -> None:
    started.train().zero_grad()
    scores, deltas = started(scenes(recipe, 8))
    sum(v.square().mean() for v in (*scores, *deltas)).backward()
    for block in blocks_of(backbone_of(started)):
        gradient = block.conv.weight.grad
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert float(gradient.abs().max()) > 0


Damage = Callable[[dict[str, Any], dict[str, Any]], object]
DAMAGES: list[tuple[str, Damage, str]] = [
    ("a weight less", lambda j, w: w.pop("005.weight"), "does not describe"),
    ("channels", lambda j, w: w.update({"003.bias": np.zeros(5, np.float32)}), r"003 \(Mobile"),
    ("nan", lambda j, w: w["004.weight"].fill(np.nan), r"004 .* not all finite"),
    ("an operator less", lambda j, w: j["ops"].pop(5), "output channels"),
    ("stride", lambda j, w: j["ops"][4].update(stride=[1, 1]), r"004 .* stride 1 .*it is.* 2"),
    ("activation", lambda j, w: j["ops"][5].update(act="relu6"), r"005 .* with ReLU6, in .*out"),
    ("no operators", lambda j, w: j.update(ops=[]), "has 0 convolutions"),
    ("no list", lambda j, w: j.update(ops=3), "does not describe"),
    ("uneven strides", lambda j, w: j["ops"][4].update(stride=[1, 2]), "strides 1 and 2"),
]


@pytest.mark.parametrize(
    ("damage", "message"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES]
)
def test_a_graph_that_does_not_fit_is_refused(
    classifier: Path, tmp_path: Path, recipe: Recipe, damage: Damage, message: str
) -> None:
    content = json.loads(classifier.with_suffix(".json").read_text())
    weights = {k: v.copy() for k, v in np.load(classifier).items()}
    damage(content, weights)
    path = tmp_path / "x.npz"
    np.savez(path, **weights)
    path.with_suffix(".json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=message):
        import_backbone(path, recipe, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("kept", [0, 10, 5000, 1_000_000])
def test_a_truncated_file_is_refused(
    classifier: Path, tmp_path: Path, recipe: Recipe, kept: int
) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(classifier.read_bytes()[:kept])
    shutil.copy(classifier.with_suffix(".json"), path.with_suffix(".json"))
    with pytest.raises(ArtifactError, match=r"x\.npz is no readable \.npz"):
        import_backbone(path, recipe, tmp_path / "out.safetensors")


def test_a_description_is_needed_and_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path)
    with pytest.raises(ArtifactError, match=r"needs its description beside it: .*x\.json"):
        read_described_graph(path)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(ArtifactError, match=r"x\.json is no readable JSON"):
        read_described_graph(path)
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(ArtifactError, match="does not describe"):
        read_described_graph(path)


class Bomb:
    """What unpickling would run."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_pickled_arrays_are_refused_and_not_run(tmp_path: Path) -> None:
    path, proof = tmp_path / "x.npz", tmp_path / "was-run"
    np.savez(path, **{"000.weight": np.asarray([Bomb(proof)], object)})
    path.with_suffix(".json").write_text('{"ops": []}')
    with pytest.raises(ArtifactError, match=r"no readable \.npz of plain arrays"):
        read_described_graph(path)
    assert not proof.exists()


def test_images_that_are_missing_are_named(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEXDET_DATA", str(tmp_path))
    recipe = load_recipe("bccd_imagenet")
    with pytest.raises(DataError, match="BCCD_Dataset"):
        import_backbone(classifier, recipe, tmp_path / "out.safetensors")


def test_a_network_with_another_backbone_is_refused(classifier: Path) -> None:
    class Other(nn.Module):
        pass

    spec = InputSpec(width=96, height=96)
    with pytest.raises(RecipeError, match="has no MobileNetV2 as its backbone"):
        fill_backbone(Other(), read_described_graph(classifier), spec)  # type: ignore[arg-type]
