"""Class names of recipe and dataset: what is an error, what is a choice."""

from __future__ import annotations

import pytest

from hexdet.datasets.class_names import labels_of, plain
from hexdet.datasets.faults import Faults
from hexdet.errors import DataError, RecipeError

from .conftest import recipe_of


def labels(
    wanted: list[str], objects: dict[str, int], *, declared: bool, faults: Faults | None = None
) -> dict[str, int]:
    return labels_of(
        wanted, objects, declared=declared, objects=objects, dataset="d", faults=faults or Faults()
    )


@pytest.mark.parametrize(
    ("wanted", "objects", "declared", "expected"),
    [
        (["head"], {}, False, {}),  # a split of background images
        (["head"], {"head": 3}, True, {"head": 1}),
        (["b", "a"], {"a": 1, "b": 1}, True, {"a": 2, "b": 1}),
        (["a"], {"a": 1, "cat": 9}, True, {"a": 1}),  # to leave a class out is the recipe's choice
        (["a", "b"], {"a": 1}, False, {"a": 1}),  # no object of b in this split
        (["a"], {"a": 1, "A": 1}, False, {"a": 1}),
    ],
)
def test_labels_follow_the_recipe(
    wanted: list[str], objects: dict[str, int], declared: bool, expected: dict[str, int]
) -> None:
    assert labels(wanted, objects, declared=declared) == expected


@pytest.mark.parametrize(
    ("wanted", "objects", "declared", "said"),
    [
        (["a", "b"], {"a": 1}, True, "names the class 'b', the classes of d are 'a'$"),
        (["heed"], {"head": 1, "cat": 1}, True, "did you mean 'head'"),
        (["Head"], {"head": 1}, False, "did you mean 'head'"),
        (["a", "traffic light"], {"a": 1, "TrafficLight": 2}, False, "mean 'TrafficLight'"),
        (["a"], {"cat": 1, "dog": 1}, False, "none of the recipe's classes 'a' occurs in d"),
    ],
)
def test_a_slip_of_the_pen_is_refused_and_listed_by_an_inspection(
    wanted: list[str], objects: dict[str, int], declared: bool, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        labels(wanted, objects, declared=declared)
    faults = Faults(keep=True)
    labels(wanted, objects, declared=declared, faults=faults)
    assert {fault.reason for fault in faults.found} == {"class name"}


@pytest.mark.parametrize(
    "classes", [["a", "a"], ["Head", "head"], ["traffic light", "TrafficLight"], ["a", " "], []]
)
def test_a_recipe_whose_classes_are_the_same_or_none_is_refused(classes: list[str]) -> None:
    with pytest.raises(RecipeError, match=r"data\.classes"):
        recipe_of(format="coco", classes=classes)


def test_plain_names() -> None:
    assert plain(" Traffic  Light ") == plain("trafficlight") != plain("traffic-light")
