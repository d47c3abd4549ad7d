"""`.pth` files of the pytorch-ssd family: the same numbers, or a refusal that runs nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hexdet.errors import ArtifactError, HexdetError, RecipeError
from hexdet.quantization.cpu_session import cpu_session
from hexdet.recipe import Recipe, apply_override, load_recipe, parse_recipe
from hexdet.training.checkpoint import (
    load_checkpoint,
    network_of,
    save_checkpoint,
    start_from,
)
from hexdet.training.weights_in import batches
from hexdet.training.weights_in.published import import_state_dict, refuse_to_lose
from hexdet.training.weights_in.state_dict import read_state_dict

from .conftest import MODELS
from .published import Mb1Ssd, Mb2SsdLite, trained

RFB = MODELS / "ultra_light_face"
PTH = RFB / "version-RFB-320.pth"
VOC = [f"class_{i}" for i in range(20)]
SIX = [[10 + i, 20 + i] for i in range(6)]
"""Anchors of a cell: as many as the published networks have."""
needs_rfb = pytest.mark.skipif(not PTH.is_file(), reason=f"no weights at {PTH}: set HEXDET_DATA")


def recipe_of(name: str, *overrides: str) -> Recipe:
    network = {"name": name}
    content: dict[str, Any] = {"name": "t", "network": network}
    for override in overrides:
        apply_override(content, override)
    return parse_recipe(content, "test")


@pytest.fixture(scope="module")
def lite() -> Mb2SsdLite:
    torch.manual_seed(0)
    network = trained(Mb2SsdLite(len(VOC) + 1))
    assert isinstance(network, Mb2SsdLite)
    return network


@pytest.fixture(scope="module")
def lite_file(lite: Mb2SsdLite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lite") / "mb2-ssd-lite.pth"
    torch.save(lite.state_dict(), path)
    return path


@needs_rfb
def test_rfb320_gives_what_its_onnx_twin_gives(tmp_path: Path) -> None:
    imported = import_state_dict(PTH, load_recipe("rfb320"))
    assert imported.whole
    assert imported.filled.left == ()
    network = load_checkpoint(imported.save(tmp_path / "best.safetensors")).network
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 240, 320)).astype(np.float32)
    session = cpu_session(_onnx(RFB / "version-RFB-320_without_postprocessing.onnx"))
    expected = session.run(["scores", "boxes"], {"input": image})
    with torch.no_grad():
        levels = network(torch.from_numpy(image))
    # [1, anchors * n, h, w] -> [1, h * w * anchors, n]
    scores, deltas = (
        torch.cat([v.permute(0, 2, 3, 1).reshape(1, -1, n) for v in kind], dim=1)
        for kind, n in zip(levels, (2, 4), strict=True)
    )
    np.testing.assert_allclose(scores.softmax(dim=2).numpy(), expected[0], atol=1e-5, rtol=0)
    np.testing.assert_allclose(deltas.numpy(), expected[1], atol=1e-4, rtol=0)


def _onnx(path: Path) -> Any:
    import onnx

    model = onnx.load(path)
    # Its weights stand among the inputs as well, which onnxruntime warns of.
    kept = [i for i in model.graph.input if i.name == "input"]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return model


def same(theirs: list[Tensor], ours: list[Tensor]) -> None:
    for a, b in zip(theirs, ours, strict=True):
        assert float(a.std()) > 0.01
        torch.testing.assert_close(b, a, atol=1e-3, rtol=1e-3)


def with_voc(name: str, levels: int) -> Recipe:
    recipe = recipe_of(name, f"network.anchors={[SIX] * levels}")
    return recipe.model_copy(update={"data": _voc()})


def test_mb2_ssd_lite_is_one_of_our_networks(
    lite: Mb2SsdLite, lite_file: Path, tmp_path: Path
) -> None:
    imported = import_state_dict(lite_file, with_voc("mb2_ssd_lite", 6))
    assert imported.whole
    assert imported.filled.left == ()
    network = load_checkpoint(imported.save(tmp_path / "best.safetensors")).network
    image = torch.rand(1, 3, 300, 300) * 2 - 1
    with torch.no_grad():
        expected, found = lite(image), network(image)
    for theirs, ours in zip(expected, found, strict=True):
        same(theirs, ours)


def test_mb2_ssd_lite_goes_into_the_levels_that_f38_has(
    lite: Mb2SsdLite, lite_file: Path, tmp_path: Path
) -> None:
    recipe = with_voc("mb2_ssd_lite_f38", 4)
    imported = import_state_dict(lite_file, recipe)
    missing = {".".join(name.split(".")[:2]) for name in imported.filled.missing}
    assert missing == {"score_heads.0", "box_heads.0"}
    left = {".".join(name.split(".")[:2]) for name in imported.filled.left}
    assert left == {
        *(f"extras.{i}" for i in (1, 2, 3)),
        *(f"{kind}_headers.{i}" for kind in ("classification", "regression") for i in (3, 4, 5)),
    }
    network = network_of(recipe)
    start_from(network, str(imported.save(tmp_path / "imported.safetensors")))
    image = torch.rand(1, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        expected, found = lite(image), network.eval()(image)
    for theirs, ours in zip(expected, found, strict=True):
        same(theirs[:3], ours[1:])


def _voc() -> Any:
    return load_recipe("bccd", [f"data.classes={VOC}"]).data


def test_heads_of_other_anchors_are_left_out(lite_file: Path) -> None:
    imported = import_state_dict(lite_file, recipe_of("mb2_ssd_lite_f38"))
    given = {name.split(".")[0] for name in imported.filled.given}
    # 2 anchors of 2 scores where theirs are 6 of 21: the depthwise half of a head fits.
    assert given == {"features", "score_heads", "box_heads"}
    assert not [n for n in imported.filled.given if n.endswith((".1.weight", ".1.bias"))]
    assert "classification_headers.0.3.weight" in imported.filled.left
    assert "regression_headers.2.3.bias" in imported.filled.left


@pytest.fixture(scope="module")
def mobilenet() -> Mb1Ssd:
    torch.manual_seed(1)
    network = trained(Mb1Ssd(len(VOC) + 1))
    assert isinstance(network, Mb1Ssd)
    return network


@pytest.fixture(scope="module")
def mobilenet_file(mobilenet: Mb1Ssd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mobilenet") / "mb1-ssd.pth"
    # As nn.DataParallel names them, in a training's own file.
    parallel = {f"module.{k}": v for k, v in mobilenet.state_dict().items()}
    torch.save({"state_dict": parallel, "epoch": 3}, path)
    return path


def test_mb1_ssd_gives_its_backbone_to_caffes(
    mobilenet: Mb1Ssd, mobilenet_file: Path, tmp_path: Path
) -> None:
    recipe = recipe_of("mb1_ssd")
    imported = import_state_dict(mobilenet_file, recipe)
    assert {n.split(".")[0] for n in imported.filled.left} == {
        "extras",
        "classification_headers",
        "regression_headers",
    }
    network = network_of(recipe)
    start_from(network, str(imported.save(tmp_path / "imported.safetensors")))
    image = torch.rand(1, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        x, expected = image, []
        for index, block in enumerate(mobilenet.base_net):
            x = block(x)
            expected += [x] if index in (11, 13) else []
        same(expected, network.eval().features(image)[:2])


def test_mb1_ssd_gives_all_that_3x3_has(mobilenet: Mb1Ssd, mobilenet_file: Path) -> None:
    """Its extra layers have no batch norm: ours are measured on the recipe's images."""
    recipe = recipe_of("mb1_ssd_3x3", f"network.anchors={[SIX] * 6}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "IMAGES", 8)
        imported = import_state_dict(mobilenet_file, recipe)
    assert imported.filled.folded[:2] == ("features.conv14_1", "features.conv14_2")
    network = imported.network.eval()
    norm = network.get_submodule("features.conv15_2.norm")
    assert float(norm.running_var.std()) > 0
    assert float(norm.weight.detach().std()) > 0
    image = torch.rand(1, 3, 300, 300) * 2 - 1
    with torch.no_grad():
        expected, found = mobilenet(image), network(image)
    # Of the scores theirs are for 21 classes; the coarsest level is another one.
    same(expected[1][:5], found[1][:5])


class Bomb:
    """What unpickling would run."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("place", ["beside", "alone", "a whole module"])
def test_pickled_code_is_refused_and_not_run(
    tmp_path: Path, lite: Mb2SsdLite, place: str, old_format: bool
) -> None:
    path, proof = tmp_path / "x.pth", tmp_path / "was-run"
    content = {
        "beside": {**lite.state_dict(), "bomb": Bomb(proof)},
        "alone": Bomb(proof),
        "a whole module": lite,
    }[place]
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    with pytest.raises(ArtifactError, match=r"x\.pth.*can run code.*state_dict\(\) alone"):
        read_state_dict(path)
    assert not proof.exists()
    if place != "a whole module":  # the bomb is a real one
        torch.load(path, weights_only=False)
        assert proof.exists()


@pytest.mark.parametrize(
    "content",
    [{}, [1, 2], torch.zeros(3), {"a": 1}, {"state_dict": {"a": "b"}}, {"a": {"b": torch.ones(1)}}],
    ids=["empty", "list", "tensor", "number", "text", "nested"],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ArtifactError, match=r"x\.pth holds no state dict"):
        read_state_dict(tmp_path / "x.pth")


@pytest.mark.parametrize("kept", [0, 1, 10, 1000, 100_000, -1, -100])
@pytest.mark.parametrize("old_format", [False, True])
def test_a_truncated_file_is_refused(
    tmp_path: Path, lite_file: Path, kept: int, old_format: bool
) -> None:
    path = tmp_path / "x.pth"
    torch.save(torch.load(lite_file), path, _use_new_zipfile_serialization=not old_format)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"x\.pth"):
        read_state_dict(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot read .*none\.pth"):
        read_state_dict(tmp_path / "none.pth")
    with pytest.raises(ArtifactError, match="cannot read"):
        read_state_dict(tmp_path)


Change = Callable[[dict[str, Tensor]], object]
CHANGES: list[tuple[str, Change, type[HexdetError], str]] = [
    (
        "missing",
        lambda d: d.pop("base_net.5.conv.1.weight"),
        ArtifactError,
        r"lacks base_net\.5\.conv\.1\.weight, which belongs into features\.backbone\.blocks\.5",
    ),
    (
        "shape",
        lambda d: d.update({"base_net.5.conv.0.weight": torch.zeros(7, 32, 1, 1)}),
        ArtifactError,
        r"base_net\.5\.conv\.0 is \[7, 32, 1, 1\], the recipe's network has \[192, 32, 1, 1\]",
    ),
    (
        "not finite",
        lambda d: d["extras.0.conv.0.weight"].fill_(float("inf")),
        ArtifactError,
        r"extras\.0\.conv\.0\.weight holds values that are not finite",
    ),
    (
        "another family",
        lambda d: [d.pop(k) for k in list(d) if k.startswith("base_net")],
        ArtifactError,
        r"of no network that is known here \(RFB-320, mb2-ssd-lite, mb1-ssd\).*classification_h",
    ),
]


@pytest.mark.parametrize(
    ("change", "kind", "message"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES]
)
def test_what_does_not_fit_is_named(
    lite_file: Path, tmp_path: Path, change: Change, kind: type[HexdetError], message: str
) -> None:
    tensors = torch.load(lite_file)
    change(tensors)
    torch.save(tensors, tmp_path / "x.pth")
    with pytest.raises(kind, match=message):
        import_state_dict(tmp_path / "x.pth", recipe_of("mb2_ssd_lite_f38"))


def test_the_recipe_must_have_its_network(lite_file: Path) -> None:
    with pytest.raises(RecipeError, match=r"mb2-ssd-lite: set network.name to mb2_ssd_lite or"):
        import_state_dict(lite_file, recipe_of("mb1_ssd"))


def test_a_trained_checkpoint_is_not_overwritten(tmp_path: Path) -> None:
    recipe = load_recipe("heads", ["network.width=64", "network.height=64"])
    path = tmp_path / "best.safetensors"
    refuse_to_lose(path)
    save_checkpoint(path, network_of(recipe), recipe, {"imported_from": "x.pth"})
    refuse_to_lose(path)
    save_checkpoint(path, network_of(recipe), recipe, {"epoch": 3})
    with pytest.raises(ArtifactError, match=r"best\.safetensors was trained: give another --out"):
        refuse_to_lose(path)
