"""The built-in dataset: a seeded renderer of surveillance-like scenes with annotated heads."""

from __future__ import annotations

import numpy as np

from ..record import Annotation, AnnotationBuilder
from .backdrop import Setting
from .camera import HEAD_M, Camera, Pixels, draw_camera
from .painting import Painted, paint_scene
from .people import Person, draw_person
from .rendered import Rendered

NETWORK_PX = 300
"""Side of the square that the detector sees; the size limits below are measured there."""
SMALLEST_PX = 10.0
SEEN_LEAST = 0.4
"""A head of which less is visible is marked to be ignored."""
SEEN_NONE = 0.1
"""A head of which less is visible is not annotated."""


class Scenes(Rendered):
    """Rendered scenes: heads in surveillance-like pictures."""

    kind = "scenes"
    renderer = "scenes 1"
    classes: tuple[str, ...] = ("head",)

    def render(self, rng: np.random.Generator, name: str) -> tuple[Pixels, Annotation]:
        """Return one scene and its heads."""
        scene = paint_scene(rng, draw_camera(rng), _people)
        return scene.image, _annotate(scene, name)


def _people(rng: np.random.Generator, camera: Camera, setting: Setting, wet: bool) -> list[Person]:
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


def _annotate(scene: Painted, name: str) -> Annotation:
    """Turn painted heads into boxes, by how much of each is left to see and by its size."""
    height, width = scene.shown.shape
    seen_px = np.bincount(scene.shown.ravel(), minlength=256)
    # What lies outside the picture is no mistake of the data, so it is not listed as dropped.
    builder = AnnotationBuilder(image=name, width=width, height=height, dropped=[])
    for head in sorted(scene.heads, key=lambda h: h.number):
        seen = seen_px[head.number] / max(head.area_px, 1.0)
        if seen < SEEN_NONE:
            continue
        x1, x2 = np.clip((head.box[0], head.box[2]), 0, width)
        y1, y2 = np.clip((head.box[1], head.box[3]), 0, height)
        side_px = min((x2 - x1) / width, (y2 - y1) / height) * NETWORK_PX
        builder.add(head.box, 1, ignore=bool(seen < SEEN_LEAST or side_px < SMALLEST_PX))
    return builder.build()
