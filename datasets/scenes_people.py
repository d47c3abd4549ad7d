"""The people of a `Scenes` picture: jointed figures that walk, stand or sit on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .scenes_camera import NEAR_M, Bgr, Canvas, Floats, Pixels
from .scenes_heads import MARGIN, HeadLook, draw_look, extents_m, paint_head, vary
from .scenes_sensor import grain_crop

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
        return np.asarray(foot + side * (across * tall) + up * (high * tall) + ahead * (forward * tall))

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
    points["head"] = at(0.0, 0.0, 0.02) + up * (0.855 * tall - drop + 0.115)
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

    def place(self, point_px: Floats) -> tuple[int, int]:
        x = (point_px[0] - self.left_px) * self.zoom * 16
        y = (point_px[1] - self.top_px) * self.zoom * 16
        return int(np.clip(x, -9e5, 9e5)), int(np.clip(y, -9e5, 9e5))

    def limb(self, a: Floats, b: Floats, ra_px: float, rb_px: float, colour: Bgr) -> None:
        """Draw a tapered limb with a lit flank from pixel a to pixel b."""
        along = b - a
        length = max(float(np.hypot(along[0], along[1])), 1e-6)
        normal = np.array([-along[1], along[0]]) / length
        for grow, tone in ((1.0, 0.74), (0.66, 1.0)):
            paint = (colour[0] * tone, colour[1] * tone, colour[2] * tone, 255.0)
            shift = np.array([-0.22, -0.12]) * (1 - grow) * 2 * ra_px
            ends = [a + normal * ra_px * grow, b + normal * rb_px * grow,
                    b - normal * rb_px * grow, a - normal * ra_px * grow]  # fmt: skip
            quad = np.array([self.place(end + shift) for end in ends], np.int32)
            cv2.fillConvexPoly(self.pixels, quad, paint, cv2.LINE_8, 4)
            for centre, radius in ((a, ra_px), (b, rb_px)):
                size = max(1, int(radius * grow * self.zoom * 16))
                spot = self.place(centre + shift)
                cv2.circle(self.pixels, spot, size, paint, cv2.FILLED, cv2.LINE_8, 4)

    def fill(self, points_px: list[Floats], colour: Bgr) -> None:
        corners = np.array([self.place(point) for point in points_px], np.int32)
        cv2.fillPoly(self.pixels, [corners], (*colour, 255.0), cv2.LINE_8, 4)


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
            shoulder, elbow, wrist = (at[f"{side} {name}"] for name in ("shoulder", "elbow", "wrist"))
            patch.limb(wrist, wrist + (wrist - elbow) * 0.18, 0.036 * m, 0.034 * m, person.look.skin)
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


def _torso(patch: _Patch, person: Person, at: dict[str, Floats], m: float) -> None:
    shoulders = at["left shoulder"], at["right shoulder"]
    hips = at["left hip"], at["right hip"]
    middle = (shoulders[0] + shoulders[1]) / 2
    seat = (hips[0] + hips[1]) / 2
    wide = 0.085 * m * person.wide
    patch.limb(hips[0], hips[1], wide * 1.1, wide * 1.1, person.bottom)
    # Seen edge-on the shoulders fall together, so the chest has a thickness of its own.
    patch.limb(middle, seat, 0.145 * m * person.wide, 0.13 * m * person.wide, person.top)
    lower = [seat + (hip - seat) * 1.5 for hip in hips]
    patch.fill([shoulders[0], shoulders[1], lower[1], lower[0]], person.top)
    patch.limb(shoulders[0], shoulders[1], wide * 0.85, wide * 0.85, person.top)
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
    folds = grain_crop(width, height, int(person.x_m * 977 + person.z_m * 3571))
    folded = cv2.multiply(pixels[:, :, :3], cv2.merge([folds] * 3), scale=1 / 150)
    shaded = cv2.min(folded, cv2.merge([pixels[:, :, 3]] * 3))
    canvas.paste(np.dstack([shaded, pixels[:, :, 3]]), patch.left_px, patch.top_px)


def _head_axes(person: Person, head_cam: Floats, rotation: Floats) -> Floats:
    """Return the head's right, up and forward as seen along the ray to it, columns of [3, 3]."""
    turn, down = person.heading_rad + person.look_turn_rad, person.look_down_rad
    right = (np.cos(turn), 0.0, -np.sin(turn))
    up = (np.sin(down) * np.sin(turn), np.cos(down), np.sin(down) * np.cos(turn))
    front = (np.sin(turn) * np.cos(down), -np.sin(down), np.cos(turn) * np.cos(down))
    ray = head_cam / np.linalg.norm(head_cam)
    across = np.cross((0.0, 1.0, 0.0), ray)
    across /= np.linalg.norm(across)
    view = np.stack([across, np.cross(ray, across), ray])
    return np.asarray(view @ rotation @ np.array([right, up, front]).T, np.float64)


def _paste_head(
    canvas: Canvas, person: Person, number: int, head_cam: Floats, light: Floats
) -> PaintedHead | None:
    camera = canvas.camera
    axes = _head_axes(person, head_cam, camera.rotation)
    metre_px = camera.focal_px / head_cam[2]
    child = 0.88 if person.tall_m < 1.47 else 1.0
    half_w, half_h = (side * metre_px for side in extents_m(axes, person.look.scale * child))
    width, height = (max(4, round(2 * MARGIN * half)) for half in (half_w, half_h))
    if max(width, height) > 900:
        return None
    side_px = next((s for s in (36, 56, 84, 120, 168) if s > 1.25 * max(width, height)), 224)
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
