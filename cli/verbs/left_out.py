"""What the door says of annotations that a dataset left out."""

from __future__ import annotations

from ...datasets.opening import open_split
from ...recipe import Recipe
from ..terminal import console


def show_left_out(recipe: Recipe) -> None:
    """Say which annotations were left out, once for each split.

    Classes that the recipe does not name are no fault: to leave them out is its choice.
    """
    datasets = [open_split(recipe.data, split) for split in ("train", "test")]
    for dataset in {dataset.name: dataset for dataset in datasets}.values():
        lost = [item for item in dataset.dropped if item.reason != "unknown class"]
        for item in lost:
            console.warn(f"{dataset.name}: left out {item.reason} in {item.image}: {item.detail}")
        if lost:
            console.warn(f"{dataset.name}: {len(lost)} annotations left out")
        others = [item.detail for item in dataset.dropped if item.reason == "unknown class"]
        if others:
            names = ", ".join(detail.partition(" (")[0] for detail in others)
            console.say(
                f"{dataset.name}: {len(others)} classes that the recipe leaves out: {names}"
            )
