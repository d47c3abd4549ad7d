"""The built-in dataset: a seeded renderer of surveillance-like scenes with annotated heads."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import cv2
import numpy as np

from ..record import Annotation, AnnotationBuilder, Dropped, Record
from .backdrop import Setting, draw_setting, paint_backdrop
from .camera import HEAD_M, Camera, Canvas, Floats, Pixels, draw_camera
from .clutter import draw_things
from .figures import PaintedHead, paint_person
from .people import Person, draw_person
from .sensor import draw_sensor, expose
from .solids import Thing

RENDERER = "scenes 1"
"""Changes whenever the same seed would give other pictures."""
SPLITS = {"train": 1, "val": 2, "test": 3}
NETWORK_PX = 300
"""Side of the square that the detector sees; the size limits below are measured there."""
SMALLEST_PX = 10.0
SEEN_LEAST = 0.4
"""A head of which less is visible is marked to be ignored."""
SEEN_NONE = 0.1
"""A head of which less is visible is not annotated."""

Split = Literal["train", "val", "test"]


class Scenes:
    """A fixed sequence of rendered scenes; satisfies `Dataset`.

    A scene depends on (seed, split, index) alone: `count` only sets how many there are, and any
    of them can be rendered in any order and from several threads.
    """

    def __init__(self, *, split: Split, count: int, seed: int = 0) -> None:
        """Describe `count` scenes; ValueError for an unknown split or a negative number."""
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
        if count < 0 or seed < 0:
            raise ValueError(f"count {count} and seed {seed} must not be negative")
        self.name = f"scenes-{split}"
        self.classes: tuple[str, ...] = ("head",)
        self.dropped: list[Dropped] = []
        self.split = split
        self.count = count
        self.seed = seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < self.count:
            raise IndexError(f"scene {index} of {self.count}")
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, SPLITS[self.split], index)))
        name = f"{self.split}-{self.seed}-{index:06d}"
        image, annotation = _render(rng, name)
        return Record(name=name, image=image, annotation=annotation)

    def annotation(self, index: int) -> Annotation:
        """Return the truth of scene `index`; visibility needs the whole rendering."""
        return self[index].annotation

    def fingerprint(self) -> str:
        """Return the sha256 of the renderer's version, the split, the count and the seed."""
        text = json.dumps([RENDERER, self.split, self.count, self.seed])
        return hashlib.sha256(text.encode()).hexdigest()


def _render(rng: np.random.Generator, name: str) -> tuple[Pixels, Annotation]:
    camera = draw_camera(rng)
    setting = draw_setting(rng, camera)
    sensor = draw_sensor(rng, indoor=setting.indoor)
    people = _people(rng, camera, setting, wet=sensor.rain)
    things = draw_things(rng, camera, setting)
    canvas = Canvas.blank(camera)
    paint_backdrop(canvas, setting, rng)
    sun = np.array([rng.uniform(-0.8, 0.8), -rng.uniform(0.5, 1.0), -rng.uniform(0.1, 0.7)])
    sun /= np.linalg.norm(sun)
    _shadows(canvas, people, things, sun)
    heads = _paint_all(canvas, people, things, sun)
    annotation = _annotate(canvas, heads, name)
    return expose(canvas.image, camera, sensor, rng), annotation


def _people(
    rng: np.random.Generator, camera: Camera, setting: Setting, *, wet: bool
) -> list[Person]:
    """Place the people of a scene: none, a few, or a crowd, some of them in groups."""
    kind = rng.random()
    wanted = (
        0 if kind < 0.06 else int(rng.integers(3, 17)) if kind < 0.84 else int(rng.integers(15, 31))
    )
    flow = float(rng.uniform(0, 2 * np.pi))
    people: list[Person] = []
    spots: list[tuple[float, float]] = []
    for _ in range(wanted * 10):
        if len(people) == wanted:
            break
        if spots and rng.random() < 0.35:
            near = spots[int(rng.integers(len(spots)))]
            x_m, z_m = (float(v) for v in np.asarray(near) + rng.normal(0, 0.6, 2))
        else:
            x_m, z_m = _head_spot(rng, camera)
        if z_m < 0.7 or z_m > setting.depth_m - 0.4 or abs(x_m) > setting.half_width_m - 0.25:
            continue
        if any(np.hypot(x_m - x, z_m - z) < 0.48 for x, z in spots):
            continue
        heading = flow + rng.normal(0, 0.5) if rng.random() < 0.45 else rng.uniform(0, 2 * np.pi)
        spots.append((x_m, z_m))
        people.append(draw_person(rng, x_m=x_m, z_m=z_m, heading_rad=float(heading), wet=wet))
    return people


def _head_spot(rng: np.random.Generator, camera: Camera) -> tuple[float, float]:
    """Choose a place (x, z) whose head shows in the picture at a size that is wanted."""
    sin, cos = np.sin(camera.pitch_rad), np.cos(camera.pitch_rad)
    usual_px = camera.focal_px * HEAD_M / camera.reach_m
    for _ in range(8):
        side_px = usual_px * float(np.exp(rng.normal(-0.1, 0.5)))
        depth_m = camera.focal_px * HEAD_M / side_px
        z_m = (depth_m - (camera.height_m - 1.6) * sin) / cos
        down = (camera.height_m - 1.6) * cos - z_m * sin
        row = camera.height_px / 2 + camera.focal_px * down / depth_m
        if -0.02 * camera.height_px < row < 0.97 * camera.height_px and z_m > 0.7:
            column = float(rng.uniform(-0.52, 0.52)) * camera.width_px
            return column * depth_m / camera.focal_px, z_m
    return 0.0, -1.0


def _shadows(canvas: Canvas, people: list[Person], things: list[Thing], sun: Floats) -> None:
    """Darken the ground under whatever stands on it, longer away from the light."""
    height, width = canvas.heads.shape
    mask = np.zeros((height, width), np.uint8)
    turns = np.linspace(0, 2 * np.pi, 13)[:-1]
    spots = [(p.x_m, p.z_m, 0.3) for p in people] + [(t.x_m, t.z_m, 0.45) for t in things]
    for x_m, z_m, radius in spots:
        x = x_m - sun[0] * 0.35 + (radius + abs(sun[0]) * 0.35) * np.cos(turns)
        z = z_m + radius * 0.8 * np.sin(turns)
        ring = canvas.camera.outline(np.stack([x, np.zeros(12), z], axis=1))
        if len(ring) >= 3:
            cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 105)
    small = cv2.resize(mask, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.2), (width, height))
    rest = cv2.bitwise_not(soft)
    canvas.image[:] = cv2.multiply(canvas.image, cv2.merge([rest, rest, rest]), scale=1 / 255)


def _paint_all(
    canvas: Canvas, people: list[Person], things: list[Thing], sun: Floats
) -> list[PaintedHead]:
    """Paint people and things, the farthest first; returns the heads that came into the picture."""
    order: list[tuple[float, int, Person | Thing]] = []
    order += [(person.z_m, i, person) for i, person in enumerate(people)]
    order += [(thing.z_m, 1000 + i, thing) for i, thing in enumerate(things)]
    heads = []
    for _, i, item in sorted(order, key=lambda entry: (-entry[0], entry[1])):
        if isinstance(item, Thing):
            item.paint(canvas)
            continue
        head = paint_person(canvas, item, i + 1, sun)
        if head is not None:
            heads.append(head)
    return heads


def _annotate(canvas: Canvas, heads: list[PaintedHead], name: str) -> Annotation:
    """Turn painted heads into boxes, by how much of each is left to see and by its size."""
    height, width = canvas.heads.shape
    seen_px = np.bincount(canvas.heads.ravel(), minlength=256)
    # What lies outside the picture is no mistake of the data, so it is not listed as dropped.
    builder = AnnotationBuilder(image=name, width=width, height=height, dropped=[])
    for head in sorted(heads, key=lambda h: h.number):
        seen = seen_px[head.number] / max(head.area_px, 1.0)
        if seen < SEEN_NONE:
            continue
        x1, x2 = np.clip((head.box[0], head.box[2]), 0, width)
        y1, y2 = np.clip((head.box[1], head.box[3]), 0, height)
        side_px = min((x2 - x1) / width, (y2 - y1) / height) * NETWORK_PX
        builder.add(head.box, 1, ignore=bool(seen < SEEN_LEAST or side_px < SMALLEST_PX))
    return builder.build()
