"""From a recipe to the contract: which outputs the network has and which anchors lie under them."""

from __future__ import annotations

from ..errors import RecipeError
from ..recipe import Recipe
from ..runtime.contract import DetectorContract, InputSpec, Level, Thresholds
from .networks import NETWORKS, strides_of


def contract_of(recipe: Recipe) -> DetectorContract:
    """Return the contract of the recipe's network.

    Raises RecipeError where the network is unknown or has another number of levels, or a class has
    a threshold that is none of the dataset's.
    """
    section = recipe.network
    strides = section.strides
    if section.name in NETWORKS or not strides:
        known = strides_of(section.name, levels=len(section.anchors))
        if strides not in ((), known):
            raise RecipeError(f"network.strides: {section.name} has {known}, not {strides}")
        if section.activation != "softmax":
            raise RecipeError(f"network.activation: {section.name} is trained with softmax")
        strides = known
    if len(strides) != len(section.anchors):
        raise RecipeError(
            f"network: {len(strides)} strides, but anchors for {len(section.anchors)} levels"
        )
    levels = tuple(
        Level(
            stride=stride,
            rows=-(-section.height // stride),  # every stride-2 convolution rounds up
            columns=-(-section.width // stride),
            anchors=anchors,
            scores=f"scores_{stride}",
            boxes=f"boxes_{stride}",
        )
        for stride, anchors in zip(strides, section.anchors, strict=True)
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
        input=InputSpec(
            width=section.width,
            height=section.height,
            colour=section.colour,
            mean=section.mean,
            std=section.std,
            fit=section.fit,
            pad=section.pad,
        ),
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
