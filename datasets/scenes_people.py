"""The people of a `Scenes` picture: jointed figures that walk, stand or sit on the ground."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from .scenes_camera import NEAR_M, Bgr, Canvas, Floats, Pixels
from .scenes_heads import HeadLook, draw_look, extents_m, margin_of, paint_head, vary
from .scenes_sensor import cloth_crop

CLOTHES: tuple[Bgr, ...] = (
    (36, 34, 34), (60, 56, 54), (96, 92, 90), (150, 148, 146), (215, 214, 212), (92, 52, 30),
    (140, 92, 52), (52, 44, 128), (40, 40, 176), (60, 96, 60), (96, 132, 150), (70, 150, 210),
    (150, 110, 160), (58, 72, 96), (170, 150, 90), (60, 200, 220),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Person:
    """One figure on the ground; angles in radians, lengths in metres."""

    x_m: float
    z_m: float
    tall_m: float
    heading_rad: float
    """Direction the person faces; 0 looks away from the camera."""
    look_turn_rad: float
    look_down_rad: float
    stride: float
    """Phase of the walk, -1 to 1; 0 stands."""
    sitting: bool
    arms: tuple[float, float]
    """How far the arms are bent at the elbow, left and right, 0 to 1."""
    raised: bool
    wide: float
    look: HeadLook
    top: Bgr
    bottom: Bgr
    shoes: Bgr
    sleeves: bool
    pattern: str
    """One of 'plain', 'stripes', 'jacket', 'vest', 'logo'."""
    accent: Bgr
    bag: str
    """One of 'none', 'backpack', 'shoulder', 'hand'."""
    umbrella: Bgr | None


def draw_person(
    rng: np.random.Generator, *, x_m: float, z_m: float, heading_rad: float, wet: bool
) -> Person:
    """Choose a person who stands at (x_m, z_m) on the ground."""
    child = rng.random() < 0.08
    walking = rng.random() < 0.55
    top, bottom, shoes, accent = (
        vary(CLOTHES[int(rng.integers(len(CLOTHES)))], rng, 12.0) for _ in range(4)
    )
    return Person(
        x_m=x_m, z_m=z_m,
        tall_m=float(rng.uniform(1.05, 1.45) if child else rng.normal(1.7, 0.085)),
        heading_rad=heading_rad,
        look_turn_rad=float(rng.normal(0, 0.4)),
        look_down_rad=float(rng.choice([0.05, 0.65], p=[0.8, 0.2]) + rng.normal(0, 0.12)),
        stride=float(rng.uniform(-1, 1)) if walking else 0.0,
        sitting=bool(not walking and rng.random() < 0.25),
        arms=(float(rng.uniform(0, 1) ** 2), float(rng.uniform(0, 1) ** 2)),
        raised=bool(rng.random() < 0.09),
        wide=float(rng.normal(1.0, 0.1)),
        look=draw_look(rng),
        top=top, bottom=bottom, shoes=shoes, accent=accent,
        sleeves=bool(rng.random() < 0.65),
        pattern=str(rng.choice(["plain", "stripes", "jacket", "vest", "logo"],
                               p=[0.4, 0.15, 0.22, 0.08, 0.15])),
        bag=str(rng.choice(["none", "backpack", "shoulder", "hand"], p=[0.6, 0.16, 0.12, 0.12])),
        umbrella=vary(CLOTHES[int(rng.integers(len(CLOTHES)))], rng, 15.0)
        if rng.random() < (0.35 if wet else 0.015)
        else None,
    )  # fmt: skip


def joints(person: Person) -> dict[str, Floats]:
    """Return the joints of a person as world points [3], metres."""
    side = np.array([np.cos(person.heading_rad), 0.0, -np.sin(person.heading_rad)])
    ahead = np.array([np.sin(person.heading_rad), 0.0, np.cos(person.heading_rad)])
    up = np.array([0.0, 1.0, 0.0])
    foot = np.array([person.x_m, 0.0, person.z_m])
    tall = person.tall_m
    drop = 0.24 * tall if person.sitting else 0.0

    def at(across: float, high: float, forward: float) -> Floats:
        return np.asarray(
            foot + side * (across * tall) + up * (high * tall) + ahead * (forward * tall)
        )

    points: dict[str, Floats] = {}
    low = -drop / tall
    wide = 0.118 * person.wide
    for name, sign in (("left", -1.0), ("right", 1.0)):
        swing = person.stride * sign
        hip, arm = sign * 0.055 * person.wide, sign * wide
        bend = person.arms[0 if sign < 0 else 1]
        points[f"{name} hip"] = at(hip, 0.52 + low, 0.0)
        if person.sitting:
            points[f"{name} knee"] = at(hip * 1.3, 0.285, 0.24)
            points[f"{name} ankle"] = at(hip * 1.3, 0.04, 0.22)
        else:
            points[f"{name} knee"] = at(hip, 0.28, 0.1 * swing + 0.02)
            points[f"{name} ankle"] = at(hip, 0.04 + 0.05 * max(0.0, -swing), 0.17 * swing)
        points[f"{name} shoulder"] = at(arm * 0.92, 0.805 + low, 0.0)
        points[f"{name} elbow"] = at(arm * 1.22, 0.63 + low, -0.08 * swing + 0.03)
        points[f"{name} wrist"] = at(
            arm * (1.25 - 0.6 * bend), 0.475 + 0.13 * bend + low, -0.13 * swing + 0.06 + 0.15 * bend
        )
    if person.raised or person.umbrella is not None:
        points["right elbow"] = at(wide * 1.35, 0.68 + low, 0.11)
        points["right wrist"] = at(wide * 0.85, 0.82 + low, 0.15)
    points["waist"] = at(0.0, 0.6 + low, 0.0)
    points["neck"] = at(0.0, 0.83 + low, 0.005)
    points["head"] = at(0.0, 0.0, 0.02) + up * (0.842 * tall - drop + 0.112)
    points["back"] = at(0.0, 0.7 + low, -0.1)
    points["bag"] = at(wide * 1.3, 0.46 + low, 0.0)
    points["dome"] = at(0.05, 1.12 + low, 0.05)
    return points


@dataclass(kw_only=True)
class _Patch:
    """A supersampled BGRA patch of the picture in which one person is drawn."""

    pixels: Pixels
    left_px: int
    top_px: int
    zoom: int
    _limbs: list[tuple[float, ...]] = field(default_factory=list)
    _shapes: list[tuple[Bgr, list[Floats] | None]] = field(default_factory=list)
    """What is to be drawn, in order: a colour and a polygon, or None for the next limb."""

    def limb(self, a: Floats, b: Floats, ra_px: float, rb_px: float, colour: Bgr) -> None:
        """Add a tapered limb with round ends and a lit flank from pixel a to pixel b."""
        self._limbs.append((a[0], a[1], b[0], b[1], ra_px, rb_px))
        self._shapes.append((colour, None))

    def fill(self, points_px: list[Floats], colour: Bgr) -> None:
        """Add a polygon given in picture pixels."""
        self._shapes.append((colour, points_px))

    def draw(self) -> None:
        """Draw what was added; all limbs are computed at once, which is what makes it fast."""
        unit = self.zoom * 16
        limbs = np.array(self._limbs)
        a = (limbs[:, None, 0:2] - (self.left_px, self.top_px)) * unit
        b = (limbs[:, None, 2:4] - (self.left_px, self.top_px)) * unit
        along = (b - a)[:, 0]
        along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
        turn = np.stack([along, along[:, ::-1] * (-1, 1)], axis=1)  # [n, 2, 2]
        spread = (_ROUND @ turn) * unit  # [n, 14, 2]
        spread[:, :7] *= limbs[:, 5, None, None]
        spread[:, 7:] *= limbs[:, 4, None, None]
        centres = np.concatenate([b.repeat(7, axis=1), a.repeat(7, axis=1)], axis=1)
        layers = {
            grow: (centres + spread * grow - limbs[:, 4, None, None] * unit * (1 - grow) * _LIT)
            .astype(np.int32)
            for grow in {grow for flank in _FLANKS for grow, _ in flank}
        }  # fmt: skip
        radii_px = limbs[:, 4] * self.zoom
        number = 0
        for colour, points_px in self._shapes:
            if points_px is not None:
                corners = (np.array(points_px) - (self.left_px, self.top_px)) * unit
                paint = (*colour, 255.0)
                cv2.fillPoly(self.pixels, [corners.astype(np.int32)], paint, cv2.LINE_8, 4)
                continue
            for grow, tone in _FLANKS[int(radii_px[number] > 6) + int(radii_px[number] > 18)]:
                shade = (colour[0] * tone, colour[1] * tone, colour[2] * tone, 255.0)
                cv2.fillConvexPoly(self.pixels, layers[grow][number], shade, cv2.LINE_8, 4)
            number += 1


_TURNS = np.concatenate(
    [np.linspace(-np.pi / 2, np.pi / 2, 7), np.linspace(np.pi / 2, 1.5 * np.pi, 7)]
)
_ROUND = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1)
"""A limb's outline: the first seven points go round its end, the others round its start."""
_LIT = np.array([0.44, 0.24])
_FLANKS = (
    ((1.0, 0.84), (0.62, 1.0)),
    ((1.0, 0.78), (0.8, 0.89), (0.5, 1.0)),
    ((1.0, 0.78), (0.9, 0.84), (0.8, 0.89), (0.62, 0.95), (0.5, 1.0), (0.26, 1.05)),
)
"""Nested (width, brightness) layers of a limb: thin, middling and thick ones."""


@dataclass(frozen=True, kw_only=True)
class PaintedHead:
    """Where a head came to lie: its box (x1, y1, x2, y2) in pixels, and its pixels if all seen."""

    number: int
    box: tuple[float, float, float, float]
    area_px: float


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
    patch = _open_patch(canvas, np.array(list(pixel.values())), metre_px)
    if patch is None:
        return None
    _body(patch, person, pixel, depth, metre_px)
    _paste_body(canvas, patch, person)
    painted = _paste_head(canvas, person, number, cam[names.index("head")], light)
    if person.umbrella is not None:
        _umbrella(canvas, person, world, light)
    return painted


def _open_patch(canvas: Canvas, points_px: Floats, metre_px: float) -> _Patch | None:
    height, width = canvas.heads.shape
    room = 0.22 * metre_px
    left, top = np.floor(np.maximum(points_px.min(axis=0) - room, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(points_px.max(axis=0) + room, (width, height))).astype(int)
    if right - left < 2 or bottom - top < 2:
        return None
    zoom = 2 if (right - left) * (bottom - top) < 40_000 else 1
    shape = ((bottom - top) * zoom, (right - left) * zoom, 4)
    pixels = np.zeros(shape, np.uint8)
    return _Patch(pixels=pixels, left_px=int(left), top_px=int(top), zoom=zoom)


def _body(
    patch: _Patch, person: Person, at: dict[str, Floats], depth: dict[str, float], metre_px: float
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


def _torso(patch: _Patch, person: Person, at: dict[str, Floats], m: float) -> None:
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
    inner = [(point * 0.72 + centre * 0.28) for point, centre in
             zip((*shoulders, *lower[::-1]), (middle, middle, seat, seat), strict=True)]  # fmt: skip
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


def _paste_body(canvas: Canvas, patch: _Patch, person: Person) -> None:
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
    side_px = next((s for s in (24, 36, 52, 72, 100, 140) if s > max(width, height)), 190)
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
    return PaintedHead(number=number, box=box, area_px=area_px)


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
