"""WIDER FACE, RetinaFace's landmarks and lists of faces: flags, zeros, unknown points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hexdet.datasets.faults import Faults
from hexdet.errors import DataError

from .conftest import OpenData, PutImage

PutText = Callable[[str, str], Path]

FACES = """0--Parade/a.jpg
6
1 2 20 30 0 0 0 0 0 0 
30 2 7 8 2 0 0 0 0 0 
1 2 5 6 0 0 0 1 0 0 
20 20 0 4 0 0 0 1 0 0 
30 20 20 20 1 0 0 0 2 1 
3 3 15 15 0 1 1 0 0 0 
0--Parade/b.jpg
0
0 0 0 0 0 0 0 0 0 0 
0--Parade/c.jpg
0
1--Handshaking/d.jpg
1
5 5 10 10 0 0 0 0 0 0 
"""  # noqa: W291  # the real file ends its lines so

GT = "widerface/wider_face_split/wider_face_train_bbx_gt.txt"


@pytest.fixture
def wider(put_image: PutImage, put_text: PutText) -> Path:
    """A WIDER FACE of four images, two of them without faces; the path of its text."""
    for name in ("0--Parade/a", "0--Parade/b", "0--Parade/c", "1--Handshaking/d"):
        put_image(f"widerface/WIDER_train/images/{name}.jpg")
    return put_text(GT, FACES)


@pytest.mark.parametrize(
    ("section", "ignored"),
    [
        ({}, [0, 0, 1, 0, 0]),
        ({"ignore": []}, [0, 0, 0, 0, 0]),
        ({"ignore": "blur"}, [0, 1, 0, 0, 0]),
        ({"ignore": ["invalid", "occlusion"]}, [0, 0, 1, 1, 0]),
        ({"ignore": ["expression"]}, [0, 0, 0, 0, 1]),
        ({"ignore": ["pose"]}, [0, 0, 0, 1, 0]),
        ({"min_side_px": 8}, [0, 1, 1, 0, 0]),
    ],
)
def test_flags_and_small_sides_make_a_face_one_to_be_ignored(
    section: dict[str, object], ignored: list[int], wider: Path, open_data: OpenData
) -> None:
    dataset = open_data(format="widerface", **section)
    assert [len(dataset.annotation(i)) for i in range(4)] == [5, 0, 0, 1]
    assert dataset.annotation(0).ignore.astype(int).tolist() == ignored
    assert [(d.image, d.reason) for d in dataset.dropped] == [("0--Parade/a", "zero area")]
    assert dataset[3].name == "1--Handshaking/d"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("6\n1 2", "5\n1 2", "'5' faces are announced, 6 follow"),
        ("6\n1 2", "1 2", "'1 2 20 30.*' faces are announced"),
        ("20 20 0 4 0", "20 20 0 4", "is no face of 10 numbers"),
        ("20 20 0 4", "20 x 0 4", "is no face of 10 numbers"),
        ("0--Parade/a.jpg\n", "0--Parade/a\n", "is no path of an image"),
        ("1\n5 5 10 10 0 0 0 0 0 0", "1", "'1' faces are announced, 0 follow"),
    ],
)
def test_a_text_that_does_not_add_up_is_refused_and_listed_by_an_inspection(
    old: str, new: str, said: str, wider: Path, open_data: OpenData
) -> None:
    wider.write_text(FACES.replace(old, new))
    with pytest.raises(DataError, match=said):
        open_data(format="widerface")
    faults = Faults(keep=True)
    dataset = open_data(faults=faults, format="widerface")
    assert len(dataset) >= 3
    assert {f.reason for f in faults.found} == {"unreadable annotation"}


LABELS = """# 0--Parade/a.jpg
4 5 20 30 9.5 12.5 0.0 19.0 12.0 0.0 14.0 18.0 1.0 -1.0 -1.0 -1.0 18.0 25.0 0.0 0.82
30 2 7 8 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 -1.0 0.2
# 0--Parade/b.jpg
"""


def test_retinafaces_points_are_read_and_the_unknown_are_nan(
    put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    for name in ("a", "b"):
        put_image(f"retinaface/train/images/0--Parade/{name}.jpg")
    put_text("retinaface/train/label.txt", LABELS)
    truth = open_data(format="retinaface")[0].annotation
    assert truth.boxes.tolist() == [[4, 5, 24, 35], [30, 2, 37, 10]]
    points = truth.points()
    np.testing.assert_array_equal(points[0, :3], [[9.5, 12.5], [19, 12], [14, 18]])
    assert np.isnan(points[0, 3]).all()
    assert np.isnan(points[1]).all()
    assert open_data(format="retinaface").annotation(1).landmarks is None


def test_faces_of_the_validation_images_are_boxes_alone(
    put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    put_image("retinaface/val/images/24--Soldier/a.jpg")
    put_text("retinaface/val/label.txt", "# 24--Soldier/a.jpg\n4 5 4 4\n10 10 20 20\n")
    dataset = open_data("val", format="retinaface", min_side_px=5)
    assert dataset.annotation(0).boxes.tolist() == [[4, 5, 8, 9], [10, 10, 30, 30]]
    assert dataset.annotation(0).ignore.tolist() == [True, False]
    assert dataset.annotation(0).landmarks is None


def test_scrfds_second_version_tells_sizes_and_corners(
    put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    put_image("retinaface/train/images/0--Parade/a.jpg")
    points = " ".join(f"{v:.5f}" for v in (9, 12, 0, 19, 12, 0, 14, 18, 0, 10, 25, 0, 18, 25, 0))
    put_text(
        "retinaface/train/labelv2.txt",
        f"# 0--Parade/a.jpg 60 40\n4.00000 5.00000 24.00000 35.00000 {points}\n",
    )
    dataset = open_data(format="retinaface", annotations="{split}/labelv2.txt")
    assert dataset.annotation(0).boxes.tolist() == [[4, 5, 24, 35]]
    np.testing.assert_array_equal(dataset.annotation(0).points()[0, 4], (18, 25))


@pytest.mark.parametrize("line", ["4 5 20", "4 5 20 30 1 2", "a b c d"])
def test_a_face_with_another_number_of_columns_is_refused(
    line: str, put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    put_image("retinaface/train/images/a.jpg")
    put_text("retinaface/train/label.txt", f"# a.jpg\n{line}\n")
    with pytest.raises(DataError, match=r"label\.txt, line 2.*no face with five landmarks"):
        open_data(format="retinaface")


def test_aflws_19_points_become_five(
    put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    put_image("aflw/0/image00002.jpg")
    points = [(10 + place, 5 + place) for place in range(19)]
    points[15] = (0, 0)  # the left corner of the mouth is not known
    seen = [1] * 19
    seen[15] = seen[17] = 0
    row = [4, 34, 5, 35, *(v for point in points for v in point), *seen, 40, 60]
    put_text("aflw/train.txt", "0/image00002.jpg " + " ".join(map(str, row)) + "\n")
    dataset = open_data(format="face_list", folder="aflw", train="train.txt")
    truth = dataset[0].annotation
    assert truth.boxes.tolist() == [[4, 5, 34, 35]]
    expected = [[17, 12], [20, 15], [23, 18], [np.nan, np.nan], [27, 22]]
    np.testing.assert_array_equal(truth.points()[0], expected)


def test_celebas_partition_decides_the_split(
    put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    for name in ("000001", "000002"):
        put_image(f"celeba/img_celeba/{name}.jpg")
    rows = "".join(f"00000{i}.jpg {i} 5 20 30\n" for i in (1, 2))
    put_text("celeba/list_bbox_celeba.txt", "2\nimage_id x_1 y_1 width height\n" + rows)
    rows = "".join(f"00000{i}.jpg 9 12 19 12 14 18 10 25 18 25\n" for i in (1, 2))
    put_text("celeba/list_landmarks_celeba.txt", "2\nlefteye_x lefteye_y\n" + rows)
    partition = put_text("celeba/list_eval_partition.txt", "000001.jpg 0\n000002.jpg 2\n")
    assert [open_data(s, format="celeba")[0].name for s in ("train", "test")] == [
        "000001",
        "000002",
    ]
    with pytest.raises(DataError, match=r"no image of .* is of partition '1'"):
        open_data("val", format="celeba")
    partition.write_text("000001.jpg 0\n000009.jpg 0\n")
    with pytest.raises(DataError, match=r"000009\.jpg is not in list_bbox"):
        open_data(format="celeba")
