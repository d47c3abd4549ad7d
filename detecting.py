"""The verb `detect`: image files in, annotated images and JSON out; needs the base install only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2

from . import console
from .errors import ArtifactError, DataError
from .runtime.backend import Precision
from .runtime.detector import BackendName, Detector
from .runtime.files import replacing, write_text
from .runtime.images import list_images, read_image

FILE_NAME = "detections.json"


def detect_files(
    bundle: Path,
    source: Path,
    output: Path,
    backend: BackendName,
    precision: Precision,
    score: float | None,
    as_json: bool,
) -> None:
    """Detect objects in an image or in all images of a folder.

    A damaged image among others is named and skipped. Raises DataError where it stands alone,
    where none is readable, or where the folder is empty.
    """
    paths = [source] if source.is_file() else list_images(source)
    originals = {path.resolve() for path in paths}
    rows: list[dict[str, Any]] = []
    with (
        Detector.load(bundle, backend=backend, precision=precision) as detector,
        console.bar(f"detecting on {detector.backend.name}") as step,
    ):
        for done, path in enumerate(paths, 1):
            try:
                image = read_image(path)
            except DataError as error:
                if len(paths) == 1:
                    raise
                console.warn(f"{error}; skipped")
                continue
            found = detector(image, score=score)
            drawn = (
                output / f"{path.stem}.jpg"
                if path.suffix == ".jpg"
                else output / (f"{path.name}.jpg")
            )
            if drawn.resolve() in originals:
                raise DataError(f"{drawn} is one of the images: give another folder with --out")
            with replacing(drawn) as temporary:
                if not cv2.imwrite(str(temporary), found.draw(image)):
                    raise ArtifactError(f"cannot write {drawn}: is the disk full?")
            rows.append(
                {
                    "image": str(path),
                    "width": image.shape[1],
                    "height": image.shape[0],
                    "annotated": str(drawn),
                    "detections": found.to_json(),
                }
            )
            step(done, len(paths))
        if not rows:
            raise DataError(f"none of the {len(paths)} images in {source} is readable")
        content = {"backend": detector.backend.name, "images": rows}
    write_text(output / FILE_NAME, json.dumps(content, indent=1) + "\n")
    if as_json:
        console.print_json(content)
        return
    skipped = len(paths) - len(rows)
    total = sum(len(row["detections"]) for row in rows)
    console.out.print(
        f"{total} detections in {len(rows)} image(s)"
        + (f", {skipped} unreadable and skipped" if skipped else "")
        + f": {output}/{FILE_NAME} and annotated images beside it",
        markup=False,
    )
