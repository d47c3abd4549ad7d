"""The stress network: plain per-tensor INT8 is lost on it, equalised and corrected it is not."""

from __future__ import annotations

import importlib.util

import pytest

from hexdet.benchmarks.stress import METHODS, QUICK, Row, Stress, describe, measure
from hexdet.errors import UsageError

PLAIN, CLE = "per tensor", "per tensor, CLE"
BOTH = "per tensor, CLE, bias correction"


def table(**drops: float) -> Stress:
    names = {"plain": PLAIN, "cle": CLE}
    rows = [
        Row(method=names[name], ap50=90 - drop, drop=drop, minutes=0.1, cpu_minutes=0.2)
        for name, drop in drops.items()
    ]
    return Stress(
        recipe="heads_relu", factor=100.0, seed=0, ranges="minmax", images=5, original=90.0,
        rescaled=90.0, rows=rows,
    )  # fmt: skip


class TestVerdict:
    @pytest.mark.parametrize(
        ("drops", "passed"),
        [
            ({}, None),
            ({"plain": 80.0}, None),
            ({"cle": 0.1}, None),
            ({"plain": 80.0, "cle": 0.5}, True),
            ({"plain": 19.9, "cle": 0.1}, False),
            ({"plain": 80.0, "cle": 0.6}, False),
        ],
    )
    def test_of_a_table(self, drops: dict[str, float], passed: bool | None) -> None:
        stress = table(**drops)
        assert stress.passed is passed
        text = describe(stress)
        assert ("MISSED" in text) == (passed is False)
        assert ("met" in text.split()[-1:]) == (passed is True)

    def test_the_quick_rows_leave_adaround_out(self) -> None:
        assert {PLAIN, CLE, BOTH} <= set(QUICK) < set(METHODS)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown method 'magic'; known: per tensor,"):
        measure(methods=["magic"])


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("aimet_onnx") is None, reason="no AIMET: pip install 'hexdet[aimet]'"
)
def test_plain_int8_is_lost_and_equalisation_with_bias_correction_is_not() -> None:
    """Looser than the benchmark's own limits: 40 images move AP by a point."""
    stress = measure(images=40, methods=[PLAIN, BOTH])
    drops = {row.method: row.drop for row in stress.rows}
    assert abs(stress.original - stress.rescaled) < 0.05
    assert drops[PLAIN] > 20
    assert drops[BOTH] < 2
