"""From a recipe to the contract: which outputs the network has and which anchors lie under them."""

from __future__ import annotations

from ..datasets.network_input import input_of
from ..errors import RecipeError
from ..recipe import NetworkSection, Recipe
from ..runtime.contract import DetectorContract, Level, Thresholds
from .networks import NETWORKS, Grid, grids_of


def contract_of(recipe: Recipe) -> DetectorContract:
    """Return the contract of the recipe's network.

    Raises RecipeError where the network is unknown or has another number of levels, or a class has
    a threshold that is none of the dataset's.
    """
    section = recipe.network
    grids = _grids(section)
    network = NETWORKS.get(section.name)
    with_landmarks = network is not None and network.gives_landmarks
    levels = tuple(
        Level(
            stride=grid.stride,
            rows=grid.rows,
            columns=grid.columns,
            anchors=anchors,
            scores=f"scores_{grid.stride}",
            boxes=f"boxes_{grid.stride}",
            landmarks=f"landmarks_{grid.stride}" if with_landmarks else None,
        )
        for grid, anchors in zip(grids, section.anchors, strict=True)
    )
    scoring = recipe.evaluation
    unknown = sorted(set(scoring.per_class) - set(recipe.classes))
    if unknown:
        raise RecipeError(
            f"evaluation.per_class: no class {unknown[0]!r}, there are {', '.join(recipe.classes)}"
        )
    return DetectorContract(
        name=recipe.name,
        network=section.name,
        classes=recipe.classes,
        input=input_of(section),
        activation=section.activation,
        anchor_step=section.anchor_step,
        levels=levels,
        variances=section.variances,
        thresholds=Thresholds(
            score=scoring.default_score,
            nms_iou=scoring.nms_iou,
            max_detections=scoring.max_detections,
            nms=scoring.nms,
            soft_nms=scoring.soft_nms,
            soft_sigma=scoring.soft_sigma,
            top_k=scoring.top_k,
            per_class=scoring.per_class,
        ),
    )


def _grids(section: NetworkSection) -> tuple[Grid, ...]:
    """Return the cells of every level: as our network makes them, or as a foreign one's strides."""
    if section.name in NETWORKS or not section.strides:
        grids = grids_of(section)
        known = tuple(grid.stride for grid in grids)
        if section.strides not in ((), known):
            raise RecipeError(f"network.strides: {section.name} has {known}, not {section.strides}")
        if section.activation != "softmax":
            raise RecipeError(f"network.activation: {section.name} is trained with softmax")
        return grids
    count = len(section.anchors)
    if {len(section.strides), section.levels or count} != {count}:
        raise RecipeError(
            f"network: {len(section.strides)} strides, but anchors for {count} levels"
        )
    return tuple(
        Grid(stride=s, rows=-(-section.height // s), columns=-(-section.width // s))
        for s in section.strides
    )
