"""A report of the tiny bundle, made with onnxruntime's CPU provider in the emulator's place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hexdet.quantization.advice import AdvisedLayerError
from hexdet.quantization.report import measuring
from hexdet.quantization.report.making import make_report
from hexdet.quantization.report.schema import Placement, Report
from hexdet.recipe import Recipe
from hexdet.recipe.data import ScenesData
from hexdet.runtime.backend import CpuBackend
from hexdet.runtime.contract import DetectorContract

from ...conftest import MakeBundle

IMAGES = 4
VERSIONS = {"tool": "1.0"}
MakeReport = Callable[..., Report]
LAYER = AdvisedLayerError(
    tensor="t", node="conv", operator="Conv", bits=8, is_output=False, sqnr_db=20.0,
    sqnr_alone_db=30.0, weight_share=0.4, activation_share=0.6, saturated=0.001, advice="good",
)  # fmt: skip


class PretendedHtp(CpuBackend):
    """The INT8 graph under the emulator's name and arguments."""

    def __init__(self, bundle: Path, contract: DetectorContract, **options: Any) -> None:
        super().__init__(bundle, contract, "int8", threads=1)
        self.name = "int8 on the pretended HTP"


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(name="tiny", data=ScenesData(train=4, val=1, test=IMAGES))


@pytest.fixture
def bundle(make_bundle: MakeBundle) -> Path:
    return make_bundle()


@pytest.fixture
def make(bundle: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> MakeReport:
    """Return a function that makes the report of the tiny bundle."""
    monkeypatch.setattr(measuring, "HtpBackend", PretendedHtp)
    return lambda **options: make_report(
        bundle, recipe, VERSIONS, **{"placement": Placement(), "workers": 2, **options}
    )
