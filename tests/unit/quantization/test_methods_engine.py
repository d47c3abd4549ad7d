"""AIMET is optional: without it the methods that need it say what to install."""

from __future__ import annotations

import logging
import sys
import warnings
from types import ModuleType

import numpy.typing as npt
import onnx
import pytest

from hexdet.errors import NotRunError
from hexdet.quantization.methods.adaround import round_weights
from hexdet.quantization.methods.engine import LOGGER, engine, heard, quiet
from hexdet.quantization.methods.equalisation import equalise
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec


@pytest.fixture
def no_aimet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "aimet_onnx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aimet_onnx", None)  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_aimet")
class TestWithoutAimet:
    def test_equalisation_names_the_extra(self, float_graph: onnx.ModelProto) -> None:
        with pytest.raises(NotRunError, match=r"quantization.equalise.*hexdet\[aimet\]"):
            equalise(float_graph)

    def test_adaround_names_the_extra(
        self, float_graph: onnx.ModelProto, pixels: npt.NDArray[object], spec: InputSpec
    ) -> None:
        with pytest.raises(NotRunError, match=r"adaround.*pip install 'hexdet\[aimet\]'"):
            round_weights(float_graph, list(pixels), spec, QuantizationSection())  # type: ignore[arg-type]


def test_an_engine_that_does_not_load_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> ModuleType:
        raise OSError(f"GLIBC_2.34 not found\nby {name}")

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(NotRunError, match=r"GLIBC_2.34 not found by aimet_onnx.quantsim"):
        engine("quantsim", "a key")


def test_what_it_prints_and_warns_of_stays_inside(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        print("noise")
        print("noise", file=sys.stderr)
        warnings.warn("noise", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr() == ("", "")


def test_its_log_is_heard_and_left_as_it_was() -> None:
    logger, own = logging.getLogger(LOGGER), logging.NullHandler()
    before = list(logger.handlers), logger.level, logger.propagate
    with heard(own):
        assert logger.handlers == [own]
        assert logger.isEnabledFor(logging.INFO)
    assert (list(logger.handlers), logger.level, logger.propagate) == before
