"""`hexdet data inspect` on a dataset in which nearly everything is wrong, as its user sees it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

RECIPE = """
data: {format: voc, folder: set, classes: [head, hat], train: all, val: all, test: all,
       address: https://example.org/set}
"""


def xml_of(*objects: tuple[str, int, int, int, int], size: tuple[int, int] = (60, 40)) -> str:
    items = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for name, a, b, c, d in objects
    )
    return (
        f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"{items}</annotation>"
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A recipe beside its dataset of eight images, one for each thing that can be wrong."""
    folder = tmp_path / "set"
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    head = ("head", 5, 5, 20, 20)
    annotations = {
        "a_good": xml_of(head, ("cat", 1, 1, 9, 9)),
        "b_twice": xml_of(head, ("head", 5, 5, 20, 21)),
        "c_zero": xml_of(head, ("head", 7, 7, 7, 7)),
        "d_outside": xml_of(head, ("head", 70, 5, 90, 20)),
        "e_truncated": xml_of(head),
        "f_missing": xml_of(head),
        "g_no_xml": "<annotation><size>",
        "h_other_size": xml_of(head, size=(30, 20)),
        "i_empty": xml_of(),
    }
    for name, text in annotations.items():
        (folder / "Annotations" / f"{name}.xml").write_text(text)
        image = np.full((40, 60, 3), 90, np.uint8)
        cv2.imwrite(str(folder / "JPEGImages" / f"{name}.jpg"), image)
    truncated = folder / "JPEGImages" / "e_truncated.jpg"
    truncated.write_bytes(truncated.read_bytes()[:-30])
    (folder / "JPEGImages" / "f_missing.jpg").unlink()
    recipe = tmp_path / "broken.yaml"
    recipe.write_text(RECIPE)
    return recipe


def test_every_defect_is_listed_with_its_image(
    broken: Path, hexdet_cli: Run, tmp_path: Path
) -> None:
    env = {"HEXDET_DATA": str(broken.parent)}
    out = tmp_path / "look"
    shown = hexdet_cli("data", "inspect", broken, "--out", out, env=env)
    content = json.loads((out / "inspect.json").read_text())
    assert {(d["kind"], d["image"]) for d in content["defects"]} == {
        ("near-duplicate", "b_twice"),
        ("zero area", "c_zero"),
        ("outside the image", "d_outside"),
        ("unreadable image", "e_truncated"),
        ("missing image", "f_missing"),
        ("unreadable annotation", "g_no_xml"),
        ("image size", "h_other_size"),
        ("class without objects", ""),
        ("unknown class", "a_good"),
    }
    assert (content["images"], content["unreadable"], content["objects"]) == (9, 3, 5)
    assert content["defect_counts"] == {d["kind"]: 1 for d in content["defects"]}
    for kind in content["defect_counts"]:
        assert kind in shown.stdout
    assert str(out / "inspect.html") in shown.stdout
    assert "e_truncated" in (out / "inspect.html").read_text()
    assert cv2.imread(str(out / "contact_sheet.jpg")) is not None
    # The same dataset is refused by everything that would use it.
    refused = hexdet_cli("train", broken, code=1, env=env)
    assert "g_no_xml.xml cannot be read" in refused.stderr


def test_json_is_the_file_and_the_folder_is_the_recipes(
    broken: Path, hexdet_cli: Run, tmp_path: Path
) -> None:
    env = {"HEXDET_DATA": str(broken.parent)}
    arguments = ("data", "inspect", broken, "--split", "test", "--limit", "2", "--json")
    shown = hexdet_cli(*arguments, "--set", "data.classes=[head]", cwd=tmp_path, env=env)
    folder = tmp_path / "build" / "broken" / "data" / "test"
    content = json.loads(shown.stdout)
    assert content == json.loads((folder / "inspect.json").read_text())
    assert (content["images"], content["images_available"], content["split"]) == (2, 9, "test")
    assert [c["name"] for c in content["classes"]] == ["head"]


def test_rendered_scenes_can_be_inspected(hexdet_cli: Run, tmp_path: Path) -> None:
    shown = hexdet_cli("data", "inspect", "heads", "--limit", "2", "--out", tmp_path)
    assert "scenes-train, 2 of 5,600 images" in shown.stdout


def test_a_missing_dataset_names_its_address_and_layout(
    broken: Path, hexdet_cli: Run, tmp_path: Path
) -> None:
    env = {"HEXDET_DATA": str(tmp_path / "nowhere")}
    refused = hexdet_cli("data", "inspect", broken, code=1, env=env)
    assert "https://example.org/set" in refused.stderr
    assert "expected layout" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_help_shows_an_example(hexdet_cli: Run) -> None:
    assert "Example: hexdet data inspect" in hexdet_cli("data", "inspect", "--help").stdout
    assert "inspect" in hexdet_cli("data", code=2).stdout
