"""Mixed precision: what is chosen where, and that float16 leaves out what overflows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from hexdet.recipe import Recipe, TrainingSection
from hexdet.training.loop import train
from hexdet.training.precision import Precision, chosen
from hexdet.training.reports import StepReport

CPU, GPU = torch.device("cpu"), torch.device("cuda")
STATE = "state.safetensors"


@pytest.mark.parametrize(
    ("asked", "device", "native", "expected"),
    [
        ("auto", CPU, True, "bfloat16"),
        ("auto", CPU, False, "float32"),
        ("auto", GPU, True, "bfloat16"),
        ("auto", GPU, False, "float16"),
        ("float32", GPU, True, "float32"),
        ("bfloat16", CPU, False, "bfloat16"),
        ("float16", CPU, True, "float16"),
    ],
)
def test_what_is_chosen(
    monkeypatch: pytest.MonkeyPatch, asked: Any, device: torch.device, native: bool, expected: str
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    assert chosen(TrainingSection(precision=asked), device) == expected


def one_weight(kind: str) -> tuple[Precision, nn.Linear, torch.optim.SGD]:
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    section = TrainingSection(precision=kind)  # type: ignore[arg-type]
    return Precision(section, CPU), network, optimizer


def take(
    precision: Precision, network: nn.Linear, optimizer: torch.optim.SGD, slope: float
) -> bool:
    optimizer.zero_grad()
    precision.backward(network.weight.sum() * slope)
    norm = precision.clip(optimizer, network, 1e6)
    return precision.step(optimizer, finite=math.isfinite(norm))


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_a_step_is_what_it_is_without_a_scale(kind: str) -> None:
    precision, network, optimizer = one_weight(kind)
    assert take(precision, network, optimizer, 0.25)
    assert network.weight.detach().item() == 0.75


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_the_norm_is_that_before_the_clipping_and_without_the_scale(kind: str) -> None:
    precision, network, optimizer = one_weight(kind)
    precision.backward(network.weight.sum() * 8)
    assert float(precision.clip(optimizer, network, 2.0)) == 8
    precision.step(optimizer, finite=True)
    assert network.weight.detach().item() == pytest.approx(-1, abs=1e-5)


def test_a_gradient_that_overflows_is_left_out_and_lowers_the_scale() -> None:
    precision, network, optimizer = one_weight("float16")
    before = precision.state()["scale"]
    assert not take(precision, network, optimizer, math.inf)
    assert network.weight.detach().item() == 1
    assert precision.state()["scale"] == before / 2
    again, _, _ = one_weight("float16")
    again.restore(json.loads(json.dumps(precision.state())))
    assert again.state() == precision.state()


def test_where_no_scale_helps_it_says_so() -> None:
    precision, network, optimizer = one_weight("float16")
    halvings = int(math.log2(precision.state()["scale"]))
    for _ in range(halvings):
        assert not take(precision, network, optimizer, math.nan)
    with pytest.raises(FloatingPointError):
        take(precision, network, optimizer, math.nan)
    for kind in ("float32", "bfloat16"):
        precision, network, optimizer = one_weight(kind)
        with pytest.raises(FloatingPointError):
            take(precision, network, optimizer, math.inf)
        assert network.weight.detach().item() == 1
        assert precision.state() == {}


def test_a_training_in_float16_goes_on_with_its_scale(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = tiny_recipe({"network.width_multiplier": 0.25, "training.precision": "float16"})
    steps: list[StepReport] = []
    train(recipe, tmp_path / "once", on_step=steps.append)
    assert all(math.isfinite(report.loss) for report in steps)

    def interrupt(report: Any) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(recipe, tmp_path / "halves", on_epoch=interrupt)
    train(recipe, tmp_path / "halves", resume=True)
    one, other = (load_file(tmp_path / name / STATE) for name in ("once", "halves"))
    assert all(torch.equal(one[name], other[name]) for name in one)
