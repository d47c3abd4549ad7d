"""The built-in faces: people who mostly look at the camera, with boxes and five landmarks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...recipe.data import FACE_CLASSES
from ..partial import PartialRule
from ..record import Annotation, AnnotationBuilder
from .backdrop import Setting
from .camera import HEAD_M, Camera, Pixels
from .face_points import face_box, face_landmarks, facing
from .figures import PaintedHead
from .painting import Painted, paint_scene
from .people import Person, draw_person
from .rendered import Rendered

FRAMES_PX = ((320, 240), (352, 264), (384, 256))
"""Picture sizes (width, height)."""
FACING_LEAST = 0.3
"""A head that looks less at the camera has no face to learn; above 0 it is ignored."""
HATTED_DOWN = 0.12
"""Sine of the tilt towards the camera from which a brim hides the face: it is ignored."""
SEEN_NONE = 0.05
"""A face of which less is visible is not annotated."""
SMALLEST_SHARE = 0.08
"""A face lower than this share of the picture's height is ignored: too small to help."""


class Faces(Rendered):
    """Rendered faces, whole and partial, with five landmarks."""

    kind = "faces"
    renderer = "faces 1"
    salt = (5,)
    classes: tuple[str, ...] = FACE_CLASSES

    def render(self, rng: np.random.Generator, name: str) -> tuple[Pixels, Annotation]:
        """Return one picture and its faces."""
        scene = paint_scene(rng, _camera(rng), _people)
        return scene.image, _annotate(scene, name)


def _camera(rng: np.random.Generator) -> Camera:
    """Choose a camera near eye level, whose usual head is a fifth to two thirds of the height."""
    width_px, height_px = FRAMES_PX[int(rng.integers(len(FRAMES_PX)))]
    focal_px = width_px * float(np.exp(rng.uniform(np.log(0.7), np.log(1.6))))
    side_px = height_px * float(np.exp(rng.uniform(np.log(0.2), np.log(0.65))))
    reach_m = focal_px * HEAD_M / side_px
    pitch_rad = float(np.deg2rad(rng.uniform(-2.0, 16.0)))
    height_m = 1.58 + reach_m * np.sin(pitch_rad) + rng.uniform(-0.15, 0.2)
    return Camera(
        width_px=width_px, height_px=height_px, focal_px=focal_px, pitch_rad=pitch_rad,
        height_m=float(np.clip(height_m, 1.2, 4.0)), reach_m=reach_m,
    )  # fmt: skip


def _people(rng: np.random.Generator, camera: Camera, setting: Setting, wet: bool) -> list[Person]:
    """Place the people: nobody, a few or a group, most of them turned to the camera."""
    kind = rng.random()
    wanted = (
        0 if kind < 0.05 else int(rng.integers(1, 6)) if kind < 0.7 else int(rng.integers(6, 13))
    )
    people: list[Person] = []
    heads: list[tuple[float, float]] = []
    for _ in range(wanted * 12):
        if len(people) == wanted:
            break
        depth_m = camera.reach_m * float(np.exp(rng.normal(0.15, 0.4)))
        sin, cos = np.sin(camera.pitch_rad), np.cos(camera.pitch_rad)
        z_m = (depth_m - (camera.height_m - 1.6) * sin) / cos
        column = float(rng.uniform(-0.52, 0.52)) * camera.width_px
        x_m = column * depth_m / camera.focal_px
        if z_m < 0.6 or z_m > setting.depth_m - 0.4 or abs(x_m) > setting.half_width_m - 0.2:
            continue
        # Seen from eye level heads are in a row: most keep out of each other's way.
        size_px = camera.focal_px * HEAD_M / depth_m
        near = any(abs(column - c) < 0.35 * (size_px + s) for c, s in heads)
        if near and rng.random() < 0.85:
            continue
        if any(np.hypot(x_m - p.x_m, z_m - p.z_m) < 0.42 for p in people):
            continue
        to_camera = float(np.arctan2(-x_m, -z_m))
        turn = rng.normal(0, 0.45) if rng.random() < 0.85 else rng.uniform(-np.pi, np.pi)
        heads.append((column, size_px))
        people.append(
            draw_person(rng, x_m=x_m, z_m=z_m, heading_rad=to_camera + float(turn), wet=wet)
        )
    return people


def _annotate(scene: Painted, name: str) -> Annotation:
    """Turn painted heads into faces, by how much of each is left to see and by its size."""
    height, width = scene.shown.shape
    rule = PartialRule(label=FACE_CLASSES.index("partial") + 1)
    # What lies outside the picture is no mistake of the data, so it is not listed as dropped.
    builder = AnnotationBuilder(image=name, width=width, height=height, dropped=[])
    for head in sorted(scene.heads, key=lambda h: h.number):
        looks = facing(head)
        if looks <= 0:
            continue
        box = face_box(head)
        seen = _visible(scene, head, box)
        if seen < SEEN_NONE:
            continue
        small = min(box[3], height) - max(box[1], 0) < SMALLEST_SHARE * height
        unclear = small or looks < FACING_LEAST or _under_a_hat(head)
        labels, ignore = rule.relabel(np.ones(1, np.int64), np.array([unclear]), np.array([seen]))
        points = face_landmarks(head)
        points[~_shows(scene, head, points)] = np.nan
        builder.add(box, int(labels[0]), ignore=bool(ignore[0]), landmarks=points)
    return builder.build()


def _under_a_hat(head: PaintedHead) -> bool:
    """Tell whether a brim lies between the camera and the face."""
    return head.look.style in ("cap", "brim") and -float(head.axes[2, 1]) > HATTED_DOWN


def _visible(scene: Painted, head: PaintedHead, box: tuple[float, float, float, float]) -> float:
    """Return the share of a face's pixels that the picture shows, what is outside counted."""
    rows, columns = head.solid.shape
    x1, y1, x2, y2 = (
        int(np.clip(round(v - at), 0, most))
        for v, at, most in zip(
            box, (head.left_px, head.top_px) * 2, (columns, rows) * 2, strict=True
        )
    )
    whole = int(head.solid[y1:y2, x1:x2].sum())
    height, width = scene.shown.shape
    left, right = (int(np.clip(x + head.left_px, 0, width)) for x in (x1, x2))
    top, bottom = (int(np.clip(y + head.top_px, 0, height)) for y in (y1, y2))
    seen = int((scene.shown[top:bottom, left:right] == head.number).sum())
    return seen / max(whole, 1)


def _shows(
    scene: Painted, head: PaintedHead, points: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Tell, bool [5], which points the picture shows: inside it, with nothing before them."""
    height, width = scene.shown.shape
    known = np.isfinite(points).all(axis=1)
    cells = np.floor(np.nan_to_num(points, nan=-1)).astype(np.int64)
    inside = known & (cells >= 0).all(axis=1) & (cells < (width, height)).all(axis=1)
    cells[~inside] = 0
    return np.asarray(inside & (scene.shown[cells[:, 1], cells[:, 0]] == head.number))
