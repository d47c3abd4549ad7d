"""Brainwash's idl: its punctuation, images without heads, corners in either order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hexdet.datasets.faults import Faults
from hexdet.errors import DataError

from .conftest import OpenData, PutImage

FOLDER = "brainwash_11_13_2014_images"


@pytest.fixture
def write(put_image: PutImage, put_text: Callable[[str, str], Path]) -> Callable[[str], None]:
    """Return a function that writes an idl with one line after the image's name."""

    def make(rest: str) -> None:
        put_image(f"brainwash/{FOLDER}/00153000_640x480.png")
        put_text("brainwash/brainwash_train.idl", f'"{FOLDER}/00153000_640x480.png"{rest}\n')

    return make


@pytest.mark.parametrize(
    ("rest", "boxes"),
    [
        (";", []),
        (".", []),
        ("", []),
        (":;", []),
        (": (1.0, 2.0, 20.0, 30.0);", [[1, 2, 20, 30]]),
        (": (1.0, 2.0, 20.0, 30.0), (8, 9, 18.5, 19);", [[1, 2, 20, 30], [8, 9, 18.5, 19]]),
        (":(1,2,20,30),(8,9,18,19).", [[1, 2, 20, 30], [8, 9, 18, 19]]),
        (": (20.0, 30.0, 1.0, 2.0);", [[1, 2, 20, 30]]),
        (": (-3.0, 2.0, 20.0, 30.0);", [[0, 2, 20, 30]]),
        (": (1, 2, 20, 30):0.87, (8, 9, 18, 19)/2;", [[1, 2, 20, 30], [8, 9, 18, 19]]),
    ],
)
def test_a_line_is_read(
    rest: str, boxes: list[list[float]], write: Callable[[str], None], open_data: OpenData
) -> None:
    write(rest)
    dataset = open_data(format="brainwash")
    assert dataset[0].name == f"{FOLDER}/00153000_640x480"
    assert dataset.annotation(0).boxes.tolist() == boxes


@pytest.mark.parametrize(
    "rest",
    [
        ": (1, 2, 3);",
        ": (1, 2, 20, 30) (3, 4, 5, 6);",
        ": (1, 2, 20, x);",
        ": (1, 2, 20, 30",
        ' "b.png": (1, 2, 3, 4);',
        ": nothing;",
    ],
)
def test_a_line_of_another_form_is_refused_by_its_number(
    rest: str, write: Callable[[str], None], open_data: OpenData
) -> None:
    write(rest)
    with pytest.raises(DataError, match=r"brainwash_train\.idl, line 1 is not"):
        open_data(format="brainwash")


def test_an_inspection_goes_on_after_a_bad_line(
    write: Callable[[str], None], open_data: OpenData
) -> None:
    write(f';\n"{FOLDER}/00154000_640x480.png": (1, 2')
    faults = Faults(keep=True)
    assert len(open_data(faults=faults, format="brainwash")) == 1
    assert [f.image for f in faults.found] == ["line 2"]
