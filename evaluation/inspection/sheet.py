"""The contact sheet: which images it shows, the same every time, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ...datasets.record import Annotation, Dataset
from ...runtime.drawing import FONT, PALETTE
from ...runtime.files import write_bytes
from .looking import Look
from .schema import Defect, Shown

FILE_NAME = "contact_sheet.jpg"
TILES, COLUMNS = 24, 4
DEFECTIVE, DENSEST = 8, 4
TILE_PX = (320, 240)
"""Width and height of a picture on the sheet."""
HEAD_PX, CAPTION_PX = 38, 40
LETTERS = 0.42
QUALITY = 88
PAPER_BGR, INK_BGR, SOFT_BGR = (24, 24, 24), (235, 235, 235), (170, 170, 170)
DUPLICATE_BGR, IGNORE_BGR = (0, 230, 255), (150, 150, 150)

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


def choose(looks: Sequence[Look], defects: Sequence[Defect]) -> list[tuple[Look, str]]:
    """Return the images to show and why: defective ones, dense ones, extremes, and a cross-section.

    looks: of images that can be used. Of each kind of defect one image in turn, so that a kind of
    which there are many hides no other.
    """
    chosen: dict[str, tuple[Look, str]] = {}
    by_name = {look.name: look for look in looks}

    def take(candidates: Iterator[tuple[Look, str]], most: int) -> None:
        for look, why in candidates:
            if most <= 0 or len(chosen) >= TILES:
                return
            if look.name not in chosen:
                chosen[look.name] = (look, why)
                most -= 1

    take(((by_name[n], why) for n, why in _in_turn(defects) if n in by_name), DEFECTIVE)
    dense = sorted(looks, key=lambda look: (-len(look.labels), look.index))
    take(((k, f"dense: {len(k.labels)} boxes") for k in dense if len(k.labels)), DENSEST)
    take(_extremes(looks), 5)
    rest = [look for look in looks if look.name not in chosen]
    steps = np.linspace(0, len(rest) - 1, min(TILES - len(chosen), len(rest))).round().astype(int)
    take(((rest[i], "cross-section") for i in steps), TILES)
    return list(chosen.values())


def _in_turn(defects: Sequence[Defect]) -> Iterator[tuple[str, str]]:
    """Yield image and kind of defects: the first of every kind, the second of every kind, ..."""
    kinds: dict[str, list[str]] = {}
    for defect in defects:
        if defect.image and defect.kind != "unknown class":
            images = kinds.setdefault(defect.kind, [])
            if defect.image not in images[-1:]:
                images.append(defect.image)
    for turn in range(max(map(len, kinds.values()), default=0)):
        for kind, images in kinds.items():
            if turn < len(images):
                yield images[turn], kind


def _extremes(looks: Sequence[Look]) -> Iterator[tuple[Look, str]]:
    sized = [
        (float(np.sqrt(look.sides.prod(axis=1)).min()), look) for look in looks if len(look.sides)
    ]
    large = [
        (float(np.sqrt(look.sides.prod(axis=1)).max()), look) for look in looks if len(look.sides)
    ]
    if sized:
        least, look = min(sized, key=lambda item: (item[0], item[1].index))
        yield look, f"smallest: {least:.0f} px"
        most, look = max(large, key=lambda item: (item[0], -item[1].index))
        yield look, f"largest: {most:.0f} px"
    ignoring = [look for look in looks if look.ignore.any()]
    if ignoring:
        look = max(ignoring, key=lambda look: (int(look.ignore.sum()), -look.index))
        yield look, f"ignored: {int(look.ignore.sum())} boxes"
    yield from ((look, "no boxes") for look in looks if not len(look.labels))


def draw_tiles(dataset: Dataset, looks: Sequence[Look]) -> list[Picture]:
    """Return a picture of each image with its boxes, uint8 [240, 320, 3] BGR; reads them again."""
    tiles = []
    for look in looks:
        record = dataset[look.index]
        twice = {place for pair in look.duplicates for place in pair}
        tiles.append(draw_tile(record.image, record.annotation, twice))
    return tiles


def draw_tile(image: Picture, truth: Annotation, twice: set[int]) -> Picture:
    """Return an image in the size of a tile, its boxes in their class's colour.

    What is to be ignored is hatched in grey; boxes whose places are in `twice` stand out.
    """
    width, height = TILE_PX
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    tile = np.full((height, width, 3), PAPER_BGR, np.uint8)
    x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
    window = tile[y : y + inner[1], x : x + inner[0]]
    window[:] = cv2.resize(image, inner, interpolation=how)
    order = np.argsort(truth.ignore, kind="stable")[::-1]  # what is ignored lies under the rest
    for place in order.tolist():
        x1, y1, x2, y2 = (round(float(v) * scale) for v in truth.boxes[place])
        if truth.ignore[place]:
            _hatch(window, (x1, y1, x2, y2))
            continue
        if place in twice:
            cv2.rectangle(window, (x1, y1), (x2 - 1, y2 - 1), PAPER_BGR, 4)
        colour = DUPLICATE_BGR if place in twice else bgr_of(int(truth.labels[place]))
        cv2.rectangle(window, (x1, y1), (x2 - 1, y2 - 1), colour, 2 if place in twice else 1)
    for points in truth.points()[~np.isnan(truth.points()).all(axis=(1, 2))]:
        for px, py in points[~np.isnan(points).any(axis=1)] * scale:
            cv2.circle(window, (round(float(px)), round(float(py))), 1, (0, 255, 255), -1)
    return tile


def _hatch(window: Picture, box: tuple[int, int, int, int]) -> None:
    x1, y1, x2, y2 = box
    part = window[max(y1, 0) : y2, max(x1, 0) : x2]
    if not part.size:
        return
    rows, columns = np.indices(part.shape[:2])
    part[(rows + columns) % 6 == 0] = IGNORE_BGR
    cv2.rectangle(window, (x1, y1), (x2 - 1, y2 - 1), IGNORE_BGR, 1)


def save_sheet(
    tiles: Sequence[Picture],
    shown: Sequence[Shown],
    title: str,
    classes: Sequence[str],
    folder: Path,
) -> Path:
    """Write the tiles with their captions, under a title and a key, as `contact_sheet.jpg`."""
    width, height = TILE_PX[0] + 8, TILE_PX[1] + CAPTION_PX + 8
    rows = max(1, -(-len(tiles) // COLUMNS))
    sheet = np.full((HEAD_PX + rows * height, COLUMNS * width + 8, 3), PAPER_BGR, np.uint8)
    _write_key(sheet, title, classes)
    for number, (tile, item) in enumerate(zip(tiles, shown, strict=True)):
        x, y = 8 + number % COLUMNS * width, HEAD_PX + number // COLUMNS * height
        sheet[y : y + TILE_PX[1], x : x + TILE_PX[0]] = tile
        _write(sheet, item.why, (x, y + TILE_PX[1] + 16), INK_BGR)
        _write(sheet, _fitting(item.image), (x, y + TILE_PX[1] + 33), SOFT_BGR)
    return write_bytes(folder / FILE_NAME, jpeg(sheet))


def _write_key(sheet: Picture, title: str, classes: Sequence[str]) -> None:
    """Write the title and, as far as they have colours of their own, the classes."""
    _write(sheet, _fitting(title), (8, 24), INK_BGR)
    x = TILE_PX[0] + 16
    keys = [(name, bgr_of(label)) for label, name in enumerate(classes[: len(PALETTE)], 1)]
    for name, colour in [*keys, ("near-duplicate", DUPLICATE_BGR), ("ignored", IGNORE_BGR)]:
        cv2.rectangle(sheet, (x, 13), (x + 12, 25), colour, cv2.FILLED)
        _write(sheet, _fitting(name), (x + 18, 24), INK_BGR)
        x += 36 + cv2.getTextSize(_fitting(name), FONT, LETTERS, 1)[0][0]


def bgr_of(label: int) -> Colour:
    """Return the colour of a class, as BGR."""
    red, green, blue = PALETTE[(label - 1) % len(PALETTE)]
    return blue, green, red


def jpeg(picture: Picture) -> bytes:
    """Return a picture as a JPEG file."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def _write(sheet: Picture, text: str, place: tuple[int, int], colour: Colour) -> None:
    cv2.putText(sheet, text, place, FONT, LETTERS, colour, 1, cv2.LINE_AA)


def _fitting(name: str) -> str:
    """Return the end of a name, where the names of one dataset differ, as OpenCV can write it."""
    plain = name.encode("ascii", "replace").decode("ascii")
    return plain if len(plain) <= 44 else f"...{plain[-41:]}"
