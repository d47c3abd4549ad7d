"""Raw scores become probabilities, and no probability slips under the bound on its raw score."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.runtime.activation import activate, least_logit
from hexdet.runtime.contract import DetectorContract, InputSpec, Level

LEVEL = Level(stride=8, rows=1, columns=1, anchors=((3.0, 4.0),), scores="s", boxes="b")
LAW = settings(deadline=None, max_examples=200, database=None)


def contract(activation: str, classes: int = 2) -> DetectorContract:
    return DetectorContract(
        name="tiny",
        network="net",
        classes=tuple(f"class {n}" for n in range(classes)),
        input=InputSpec(width=8, height=8),
        levels=(LEVEL,),
        activation=activation,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("activation", "raw", "expected"),
    [
        ("softmax", np.zeros((0, 3)), np.zeros((0, 2))),
        ("softmax", [[0, 0, 0]], [[1 / 3, 1 / 3]]),
        ("softmax", [[0, math.log(2), math.log(5)]], [[2 / 8, 5 / 8]]),
        ("softmax", [[1e4, -1e4, 0]], [[0, 0]]),
        ("softmax", [[-1e30, 1e30, 0]], [[1, 0]]),
        ("sigmoid", [[0, math.log(3)]], [[0.5, 0.75]]),
        ("sigmoid", [[-1e30, 1e30]], [[0, 1]]),
    ],
    ids=["empty", "equal", "known", "background", "wild", "sigmoid", "wild sigmoid"],
)
def test_activation(activation: str, raw: object, expected: object) -> None:
    found = activate(np.asarray(raw, np.float32), contract(activation))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-6)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0.0, -math.inf), (1e-38, -math.inf), (1.0001, math.inf), (math.nan, math.inf)],
)
def test_the_ends_of_the_bound(threshold: float, expected: float) -> None:
    assert least_logit(threshold) == expected


def test_the_bound_is_close() -> None:
    for threshold in (0.001, 0.3, 0.5, 0.9):
        exact = math.log(threshold / (1 - threshold))
        assert exact - 0.002 < least_logit(threshold) < exact


@LAW
@given(
    classes=st.integers(1, 20),
    spread=st.sampled_from([1e-3, 0.1, 1.0, 5.0, 20.0, 80.0, 1e4]),
    seed=st.integers(0, 2**31),
)
def test_no_score_of_a_softmax_slips_under_the_bound(
    classes: int, spread: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    raw = random.normal(0, spread, (50, 1 + classes)).astype(np.float32)
    scores = activate(raw, contract("softmax", classes))
    logits = raw[:, 1:] - raw[:, :1]
    check(logits, scores)


@LAW
@given(spread=st.sampled_from([1e-3, 1.0, 20.0, 70.0, 200.0]), seed=st.integers(0, 2**31))
def test_no_score_of_a_sigmoid_slips_under_the_bound(spread: float, seed: int) -> None:
    raw = np.random.default_rng(seed).normal(0, spread, (50, 2)).astype(np.float32)
    check(raw, activate(raw, contract("sigmoid")))


def check(logits: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> None:
    """The hardest threshold for a score is the score itself."""
    for logit, score in zip(logits.reshape(-1), scores.reshape(-1), strict=True):
        assert logit >= least_logit(float(score))
