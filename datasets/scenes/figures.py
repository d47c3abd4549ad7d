"""The drawing of people in a `Scenes` picture: body, head and umbrella, far parts first."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .camera import NEAR_M, Canvas, Floats
from .heads import extents_m, margin_of, paint_head
from .limbs import Patch, open_patch
from .looks import HeadLook
from .people import Person, joints
from .sensor import cloth_crop


@dataclass(frozen=True, kw_only=True)
class PaintedHead:
    """Where a head came to lie.

    box: (x1, y1, x2, y2) in pixels. area_px: its pixels if all of it were seen.
    axes: [3, 3], as in `paint_head`. centre_px, half_px: middle and half extents, (x, y), of the
    head without brims and hair, which is what `landmarks` measures in.
    solid: bool [height, width], which pixels of its patch it covers; left_px, top_px: of the patch.
    """

    number: int
    box: tuple[float, float, float, float]
    area_px: float
    look: HeadLook
    axes: Floats
    centre_px: tuple[float, float]
    half_px: tuple[float, float]
    solid: npt.NDArray[np.bool_]
    left_px: int
    top_px: int


def paint_person(canvas: Canvas, person: Person, number: int, light: Floats) -> PaintedHead | None:
    """Draw a person over the picture and mark the head's pixels with `number`.

    light: [3], unit, towards the light in camera coordinates. Returns None for a person outside
    the picture or too near to the camera.
    """
    camera = canvas.camera
    world = joints(person)
    names = list(world)
    cam = camera.to_camera(np.array([world[name] for name in names]))
    depth = dict(zip(names, cam[:, 2], strict=True))
    if depth["head"] < 2 * NEAR_M:
        return None
    cam[:, 2] = np.maximum(cam[:, 2], NEAR_M)
    pixel = dict(zip(names, camera.to_pixels(cam), strict=True))
    metre_px = camera.focal_px / depth["neck"]
    patch = open_patch(canvas, np.array(list(pixel.values())), metre_px)
    if patch is None:
        return None
    _body(patch, person, pixel, depth, metre_px)
    _paste_body(canvas, patch, person)
    painted = _paste_head(canvas, person, number, cam[names.index("head")], light)
    if person.umbrella is not None:
        _umbrella(canvas, person, world, light)
    return painted


def _body(
    patch: Patch, person: Person, at: dict[str, Floats], depth: dict[str, float], metre_px: float
) -> None:
    """Draw all but the head, the farthest part first."""
    m = metre_px * person.tall_m / 1.7
    sleeve = person.top if person.sleeves else person.look.skin
    if person.pattern == "vest":
        sleeve = person.bottom
    parts: list[tuple[float, str]] = [(depth["waist"], "torso")]
    parts += [(depth[f"{side} knee"], f"{side} leg") for side in ("left", "right")]
    parts += [(depth[f"{side} elbow"], f"{side} arm") for side in ("left", "right")]
    if person.bag == "backpack":
        parts.append((depth["back"], "backpack"))
    if person.bag in ("shoulder", "hand"):
        parts.append((depth["bag"], "bag"))
    for _, part in sorted(parts, reverse=True):
        side, _, what = part.partition(" ")
        if what == "leg":
            hip, knee, ankle = (at[f"{side} {name}"] for name in ("hip", "knee", "ankle"))
            toe = ankle + np.array([0.0, 0.03 * m])
            patch.limb(ankle, toe, 0.05 * m, 0.058 * m, person.shoes)
            patch.limb(knee, ankle, 0.062 * m, 0.05 * m, person.bottom)
            patch.limb(hip, knee, 0.09 * m * person.wide, 0.066 * m, person.bottom)
        elif what == "arm":
            shoulder, elbow, wrist = (
                at[f"{side} {name}"] for name in ("shoulder", "elbow", "wrist")
            )
            patch.limb(
                wrist, wrist + (wrist - elbow) * 0.18, 0.036 * m, 0.034 * m, person.look.skin
            )
            patch.limb(elbow, wrist, 0.046 * m, 0.036 * m, sleeve)
            patch.limb(shoulder, elbow, 0.062 * m * person.wide, 0.048 * m, person.top)
        elif part == "torso":
            _torso(patch, person, at, m)
        elif part == "backpack":
            low = at["back"] * 0.45 + at["waist"] * 0.55
            patch.limb(at["back"], low, 0.15 * m, 0.16 * m, person.accent)
        else:
            down = np.array([0.0, 0.13 * m])
            patch.limb(at["bag"], at["bag"] + down, 0.1 * m, 0.12 * m, person.accent)
    patch.draw()


def _torso(patch: Patch, person: Person, at: dict[str, Floats], m: float) -> None:
    shoulders = at["left shoulder"], at["right shoulder"]
    hips = at["left hip"], at["right hip"]
    middle = (shoulders[0] + shoulders[1]) / 2
    seat = (hips[0] + hips[1]) / 2
    wide = 0.085 * m * person.wide
    patch.limb(hips[0], hips[1], wide * 1.1, wide * 1.1, person.bottom)
    # Seen edge-on the shoulders fall together, so the chest has a thickness of its own.
    patch.limb(middle, seat, 0.145 * m * person.wide, 0.13 * m * person.wide, person.top)
    patch.limb(shoulders[0], shoulders[1], wide * 0.85, wide * 0.85, person.top)
    lower = [seat + (hip - seat) * 1.5 for hip in hips]
    dim = (person.top[0] * 0.9, person.top[1] * 0.9, person.top[2] * 0.9)
    patch.fill([shoulders[0], shoulders[1], lower[1], lower[0]], dim)
    inner = [
        (point * 0.72 + centre * 0.28)
        for point, centre in zip(
            (*shoulders, *lower[::-1]), (middle, middle, seat, seat), strict=True
        )
    ]
    patch.fill(inner, person.top)
    if person.pattern == "stripes":
        for step in np.arange(0.08, 0.98, 0.17):
            rows = [top + (low - top) * s for s in (step, step + 0.075)
                    for top, low in zip(shoulders, lower, strict=True)]  # fmt: skip
            patch.fill([rows[0], rows[1], rows[3], rows[2]], person.accent)
    frontal = np.cos(person.heading_rad) < -0.2
    across = shoulders[1] - shoulders[0]
    if person.pattern == "jacket" and frontal:
        patch.fill([middle - across * 0.2, middle + across * 0.2, seat + across * 0.1,
                    seat - across * 0.1], person.accent)  # fmt: skip
    if person.pattern == "logo":
        centre = middle * 0.62 + seat * 0.38
        drop = (seat - middle) * 0.13
        patch.fill([centre - across * 0.25 - drop, centre + across * 0.25 - drop,
                    centre + across * 0.25 + drop, centre - across * 0.25 + drop],
                   person.accent)  # fmt: skip
    if person.bag == "backpack" and frontal:
        for sign in (-0.32, 0.32):
            patch.limb(middle + across * sign, seat * 0.6 + middle * 0.4 + across * sign,
                       0.022 * m, 0.022 * m, person.accent)  # fmt: skip
    shade = person.look.skin
    neck = (shade[0] * 0.72, shade[1] * 0.72, shade[2] * 0.72)
    if person.look.style in ("hood", "scarf"):
        neck = person.look.hat
    patch.limb(at["neck"], at["head"], 0.062 * m, 0.058 * m, neck)
    if person.look.style == "long":
        fall = at["neck"] * 0.8 + seat * 0.2
        patch.limb(at["head"], fall, 0.08 * m, 0.07 * m, person.look.hair)


def _paste_body(canvas: Canvas, patch: Patch, person: Person) -> None:
    pixels = patch.pixels
    if patch.zoom > 1:
        size = (pixels.shape[1] // patch.zoom, pixels.shape[0] // patch.zoom)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    height, width = pixels.shape[:2]
    # Folds of the cloth, from the same grain for everyone but at another place.
    folds = cloth_crop(width, height, int(person.x_m * 977 + person.z_m * 3571))
    blue, green, red, alpha = cv2.split(pixels)
    folded = [cv2.min(cv2.multiply(c, folds, scale=1 / 128), alpha) for c in (blue, green, red)]
    shaded = cv2.merge([*folded, alpha]).astype(np.uint8)
    canvas.paste(shaded, patch.left_px, patch.top_px)


def _head_axes(person: Person, head_cam: Floats, rotation: Floats) -> Floats:
    """Return the head's right, up and forward as seen along the ray to it, columns of [3, 3]."""
    turn, down = person.heading_rad + person.look_turn_rad, person.look_down_rad
    right = (np.cos(turn), 0.0, -np.sin(turn))
    up = (np.sin(down) * np.sin(turn), np.cos(down), np.sin(down) * np.cos(turn))
    front = (np.sin(turn) * np.cos(down), -np.sin(down), np.cos(turn) * np.cos(down))
    x, y, z = head_cam / np.sqrt(head_cam @ head_cam)
    level = np.hypot(x, z)
    view = np.array(
        [[z / level, 0.0, -x / level], [-x * y / level, level, -y * z / level], [x, y, z]]
    )
    return np.asarray(view @ rotation @ np.array([right, up, front]).T, np.float64)


def _paste_head(
    canvas: Canvas, person: Person, number: int, head_cam: Floats, light: Floats
) -> PaintedHead | None:
    camera = canvas.camera
    axes = _head_axes(person, head_cam, camera.rotation)
    metre_px = camera.focal_px / head_cam[2]
    child = 0.88 if person.tall_m < 1.47 else 1.0
    half_w, half_h = (side * metre_px for side in extents_m(axes, person.look.scale * child))
    margin = margin_of(person.look)
    width, height = (max(4, round(2 * margin * half)) for half in (half_w, half_h))
    if max(width, height) > 900:
        return None
    side_px = next(
        (s for s in (24, 32, 44, 60, 80, 108, 140) if s > 0.92 * max(width, height)), 180
    )
    patch = paint_head(person.look, axes, light, side_px)
    shrink = cv2.INTER_AREA if side_px > max(width, height) else cv2.INTER_LINEAR
    patch = cv2.resize(patch, (width, height), interpolation=shrink).astype(np.uint8)
    centre = camera.to_pixels(head_cam[None])[0]
    left, top = round(float(centre[0]) - width / 2), round(float(centre[1]) - height / 2)
    solid = patch[:, :, 3] > 127
    columns, rows = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
    if len(columns) == 0:
        return None
    box = (float(left + columns[0]), float(top + rows[0]),
           float(left + columns[-1] + 1), float(top + rows[-1] + 1))  # fmt: skip
    area_px = float(solid.sum())
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + width, camera.width_px), min(top + height, camera.height_px)
    if x2 <= x1 or y2 <= y1:
        return None
    seen = patch[y1 - top : y2 - top, x1 - left : x2 - left]
    canvas.paste(seen, x1, y1)
    canvas.heads[y1:y2, x1:x2][seen[:, :, 3] > 127] = number
    return PaintedHead(
        number=number, box=box, area_px=area_px, look=person.look, axes=axes,
        centre_px=(left + width / 2, top + height / 2),
        half_px=(width / 2 / margin, height / 2 / margin),
        solid=solid, left_px=left, top_px=top,
    )  # fmt: skip


def _umbrella(canvas: Canvas, person: Person, world: dict[str, Floats], light: Floats) -> None:
    """Open an umbrella of eight panels above a person."""
    colour = np.asarray(person.umbrella)
    middle = world["dome"]
    turns = np.linspace(0, 2 * np.pi, 9) + person.stride
    rim = [middle + 0.52 * np.array([np.cos(a), 0.0, np.sin(a)]) for a in turns]
    tip = middle + np.array([0.0, 0.24, 0.0])
    panels = sorted(zip(rim, rim[1:], turns, strict=False), key=lambda p: -(p[0] + p[1])[2])
    for first, second, turn in panels:
        tone = 0.8 + 0.25 * np.sin(turn + 0.7) * float(light[1] < 0.5)
        paint = colour * tone
        swell = (first + second) / 2 * 0.45 + tip * 0.55 + np.array([0.0, 0.035, 0.0])
        canvas.polygon(np.array([first, second, swell]), (paint[0], paint[1], paint[2]))
        canvas.polygon(np.array([tip, first, swell, second]), (paint[0], paint[1], paint[2]))
