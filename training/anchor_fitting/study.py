"""The whole of `hexdet anchors`: collect, fit, and hold old and new anchors against the objects."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import RecipeError
from ...recipe import Recipe
from ...runtime.anchors import all_anchors, anchors_sha256
from ...runtime.contract import DetectorContract
from ..contract import contract_of
from ..networks import NETWORKS
from .bands import LevelAnchors
from .fitting import LevelFit, Method, fit
from .recall import Reach, Row, reach, recall_table
from .truths import Collected, Truths
from .yaml_edit import anchors_section

USUAL_COUNT = 2
"""Anchors a cell of a network that has none yet: as the f38 person detector."""


@dataclass(frozen=True, kw_only=True)
class AnchorSet:
    """Anchors of every level, placed, and what they reach.

    recall: by the kind of objects, `annotated` and, where samples were drawn, `augmented`.
    """

    levels: tuple[LevelAnchors, ...]
    count: int
    sha256: str
    recall: dict[str, list[Row]]


@dataclass(frozen=True, kw_only=True, eq=False)
class AnchorStudy:
    """What `hexdet anchors` found; before: None where the recipe has no anchors yet.

    fitted_to: `augmented` or `annotated`. gain: points of recall over `before` on these objects,
    nan without; certain: twice the standard error of the difference is less than the gain.
    """

    recipe: str
    network: str
    input_size: tuple[int, int]
    dataset: str
    match_iou: float
    method: Method
    collected: Collected
    fits: list[LevelFit]
    before: AnchorSet | None
    after: AnchorSet
    gain: float
    certain: bool

    @property
    def fitted_to(self) -> str:
        """Return which of the objects the anchors were fitted to."""
        return "annotated" if self.collected.augmented is None else "augmented"

    @property
    def note(self) -> str:
        """Return what a recipe's comment says of the anchors."""
        truths = self.collected.fitted
        how = "k-means" if any(v.method == "kmeans" for v in self.fits) else "statistics"
        recall = self.after.recall[self.fitted_to][0].recall
        return (
            f"By `hexdet anchors`, {how} of {len(truths.boxes):,} {self.fitted_to} objects of "
            f"{self.dataset}: recall {recall:.3f}"
        )

    @property
    def section(self) -> str:
        """Return the recipe's section as YAML."""
        return anchors_section(self.after.levels, self.note)

    @property
    def verdict(self) -> str:
        """Return in a sentence what the fitted anchors are worth."""
        of = f"of the {self.fitted_to} objects at IoU {self.match_iou:g}"
        after = self.after.recall[self.fitted_to][0].recall
        if self.before is None:
            return f"The fitted anchors reach {100 * after:.1f} % {of}."
        before = self.before.recall[self.fitted_to][0].recall
        known = (
            f"The fitted anchors reach {100 * after:.1f} % {of}, the recipe's {100 * before:.1f} %"
        )
        if not self.certain:
            return f"{known}: no more apart than chance explains, keep the recipe's."
        points = f"{abs(self.gain):.1f} points"
        return f"{known}: {points} " + ("more." if self.gain > 0 else "fewer. Keep the recipe's.")

    def to_json(self) -> dict[str, Any]:
        """Return everything but the boxes as plain JSON; what is not known is nan."""
        truths = self.collected.fitted
        return {
            "recipe": self.recipe,
            "network": self.network,
            "input_size": self.input_size,
            "dataset": self.dataset,
            "fitted_to": self.fitted_to,
            "images": truths.images,
            "objects": len(truths.boxes),
            "ignored": truths.ignored,
            "method": self.method,
            "match_iou": self.match_iou,
            "verdict": self.verdict,
            "gain_points": self.gain,
            "gain_is_certain": self.certain,
            "levels": [dataclasses.asdict(level) for level in self.fits],
            "before": None if self.before is None else dataclasses.asdict(self.before),
            "after": dataclasses.asdict(self.after),
        }


def geometry_of(recipe: Recipe) -> tuple[DetectorContract, bool]:
    """Return the contract of the recipe's network, and whether its anchors are the recipe's.

    A recipe may have none yet, or those of a network with another number of levels: then they are
    placeholders. Raises RecipeError as `contract_of` does.
    """
    section = recipe.network
    network = NETWORKS.get(section.name)
    levels = len(section.strides)
    if network is not None:
        levels = section.levels or len(network.cells(section.height))
    if levels in (0, len(section.anchors)):
        return contract_of(recipe), True
    return contract_of(with_anchors(recipe, [((1.0, 1.0),)] * levels)), False


def with_anchors(recipe: Recipe, anchors: Sequence[LevelAnchors]) -> Recipe:
    """Return the recipe with other anchors."""
    network = recipe.network.model_copy(update={"anchors": tuple(anchors)})
    return recipe.model_copy(update={"network": network})


def counts_of(asked: str | None, recipe: Recipe) -> tuple[int, ...]:
    """Return how many anchors a cell of each level gets.

    asked: `3`, or `2,2,3,3` with one number a level; the recipe's own numbers where None.
    Raises RecipeError where it says something else.
    """
    contract, known = geometry_of(recipe)
    if asked is None:
        return tuple(len(level.anchors) if known else USUAL_COUNT for level in contract.levels)
    words = asked.split(",")
    levels = len(contract.levels)
    if not all(word.strip().isdecimal() and 1 <= int(word) <= 64 for word in words):
        raise RecipeError(
            f"--anchors-per-level {asked!r}: give a number of 1 to 64, or one a level"
        )
    counts = tuple(int(word) for word in words)
    if len(counts) not in (1, levels):
        raise RecipeError(
            f"--anchors-per-level {asked!r}: {len(counts)} numbers for the {levels} levels of "
            f"{contract.network}"
        )
    return counts * levels if len(counts) == 1 else counts


def study(
    recipe: Recipe,
    dataset: str,
    collected: Collected,
    counts: Sequence[int],
    method: Method,
) -> AnchorStudy:
    """Fit anchors to the collected objects and hold them against the recipe's.

    dataset: its name. Raises DataError where there are fewer objects than anchors.
    """
    contract, known = geometry_of(recipe)
    truths = collected.fitted
    fits = fit(truths.sizes, contract, counts, method, seed=recipe.training.seed)
    fitted = contract_of(with_anchors(recipe, [level.anchors for level in fits]))
    after, reached_after = _judge(fitted, recipe, collected)
    before, reached_before = _judge(contract, recipe, collected) if known else (None, None)
    gain, certain = math.nan, True
    if reached_before is not None:
        gain, certain = _compare(reached_before, reached_after, truths.image)
    return AnchorStudy(
        recipe=recipe.name,
        network=contract.network,
        input_size=(contract.input.width, contract.input.height),
        dataset=dataset,
        match_iou=recipe.training.match_iou,
        method=method,
        collected=collected,
        fits=fits,
        before=before,
        after=after,
        gain=gain,
        certain=certain,
    )


def _judge(
    contract: DetectorContract, recipe: Recipe, collected: Collected
) -> tuple[AnchorSet, Reach]:
    """Return what the anchors of a contract reach, and the same of each fitted object."""
    anchors = all_anchors(contract)
    kinds: dict[str, Truths] = {"annotated": collected.annotated}
    if collected.augmented is not None:
        kinds["augmented"] = collected.augmented
    found = {k: reach(v.boxes, anchors, recipe.training.match_iou) for k, v in kinds.items()}
    judged = AnchorSet(
        levels=tuple(level.anchors for level in contract.levels),
        count=len(anchors),
        sha256=anchors_sha256(anchors),
        recall={k: recall_table(v, found[k], recipe.classes) for k, v in kinds.items()},
    )
    return judged, found["annotated" if collected.augmented is None else "augmented"]


def _compare(before: Reach, after: Reach, image: npt.NDArray[np.int64]) -> tuple[float, bool]:
    """Return the gain in points of recall, and whether it is beyond two standard errors.

    The objects of one image are alike, and its samples too: the error counts images, as the
    cluster-robust one of a paired difference does (Liang and Zeger 1986).
    """
    won = after.reached.astype(np.int64) - before.reached
    by_image = np.bincount(image, weights=won)
    gain = 100 * float(won.sum()) / len(won)
    return gain, bool(abs(won.sum()) > 2 * np.sqrt((by_image**2).sum()))
