"""The solids that the things of a `Scenes` picture are made of: boxes, balls, posts, wheels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .camera import NEAR_M, Bgr, Canvas, Floats, Pixels
from .heads import sphere
from .looks import CLOTHES, HAIR, SKIN, vary

WOODS: tuple[Bgr, ...] = (
    (70, 100, 135), (110, 145, 175), (50, 66, 88), (150, 152, 152), (205, 206, 204), (80, 80, 80),
    (120, 126, 120), (140, 130, 118), (168, 186, 200),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something on the ground at a distance, with how to paint it."""

    z_m: float
    x_m: float
    paint: Callable[[Canvas], None]


def any_colour(rng: np.random.Generator) -> Bgr:
    """Choose a colour of cloth, skin or hair: clutter must not give itself away by colour."""
    table = (CLOTHES, SKIN, HAIR)[int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
    return vary(table[int(rng.integers(len(table)))], rng, 14.0)


def furniture_colour(rng: np.random.Generator) -> Bgr:
    """Choose a colour of wood, metal or laminate; now and then a loud one."""
    if rng.random() < 0.15:
        return any_colour(rng)
    return vary(WOODS[int(rng.integers(len(WOODS)))], rng, 9.0)


def block(
    canvas: Canvas, centre: tuple[float, float], size: tuple[float, float, float], colour: Bgr,
    *, low_m: float = 0.0, turn_rad: float = 0.0, face: Pixels | None = None,
) -> None:  # fmt: skip
    """Paint a box of size (x, y, z) whose foot is at `centre` (x, z), its far sides first."""
    half_x, half_z = size[0] / 2, size[2] / 2
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    corners = [(centre[0] + cos * x - sin * z, centre[1] + sin * x + cos * z)
               for x, z in ((-half_x, -half_z), (half_x, -half_z), (half_x, half_z),
                            (-half_x, half_z))]  # fmt: skip
    top = low_m + size[1]
    sides = []
    for i, tone in enumerate((0.92, 0.7, 0.6, 0.8)):
        (x1, z1), (x2, z2) = corners[i], corners[(i + 1) % 4]
        quad = np.array([[x1, top, z1], [x2, top, z2], [x2, low_m, z2], [x1, low_m, z1]])
        sides.append((np.hypot(x1 + x2, z1 + z2), tone, quad, i))
    for _, tone, quad, i in sorted(sides, key=lambda side: -side[0]):
        if face is not None and i == 0:
            canvas.textured(quad, face)
        else:
            canvas.polygon(quad, (colour[0] * tone, colour[1] * tone, colour[2] * tone))
            if size[1] > 0.45 and i == 0:
                _panels(canvas, quad, (colour[0] * 0.82, colour[1] * 0.82, colour[2] * 0.82))
    if canvas.camera.height_m > top:
        lid = np.array([[x, top, z] for x, z in corners])
        canvas.polygon(lid, (colour[0] * 1.08, colour[1] * 1.08, colour[2] * 1.08))


def _panels(canvas: Canvas, quad_m: Floats, colour: Bgr) -> None:
    """Inset panels in the front of a box, about 0.6 m wide each."""
    across, down = quad_m[1] - quad_m[0], quad_m[3] - quad_m[0]
    count = max(1, round(float(np.linalg.norm(across)) / 0.6))
    for i in range(count):
        left, right = (i + 0.08) / count, (i + 0.92) / count
        ends = ((left, 0.1), (right, 0.1), (right, 0.88), (left, 0.88))
        corners = [quad_m[0] + across * s + down * t for s, t in ends]
        canvas.polygon(np.array(corners), colour)


def orb(
    canvas: Canvas, centre_m: Floats, radius_m: float, colour: Bgr, *, second: Bgr | None = None,
    glow: bool = False, squash: float = 1.0,
) -> None:  # fmt: skip
    """Paint a shaded ball at a world point [3]; `second` colours its upper part."""
    cam = canvas.camera.to_camera(centre_m[None])[0]
    if cam[2] < 2 * NEAR_M:
        return
    half_px = radius_m * canvas.camera.focal_px / cam[2]
    if half_px < 1 or half_px > 150:
        return
    side_px = 32 if half_px < 14 else 72
    ball = sphere(side_px, 1.1)
    light = ball.normals @ np.array([-0.35, -0.75, -0.55], np.float32)
    tone = (0.6 + 0.5 * np.clip(light, -0.3, 1)).reshape(side_px, side_px)
    paint = np.empty((side_px, side_px, 3), np.float32)
    paint[:] = colour
    if second is not None:
        paint[ball.y + 0.3 * ball.x < -0.15] = second
    if glow:
        tone = 1.0 + 0.0 * tone
    pixels = np.clip(paint * (tone * ball.inside)[:, :, None], 0, 255).astype(np.uint8)
    patch = np.dstack([pixels, ball.inside.astype(np.uint8) * 255])
    width = max(2, round(half_px * 2.2))
    height = max(2, round(half_px * 2.2 * squash))
    patch = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    x, y = canvas.camera.to_pixels(cam[None])[0]
    left, top = round(x - width / 2), round(y - height / 2)
    x1, y1 = max(left, 0), max(top, 0)
    x2 = min(left + width, canvas.camera.width_px)
    y2 = min(top + height, canvas.camera.height_px)
    if x2 > x1 and y2 > y1:
        canvas.paste(
            np.ascontiguousarray(patch[y1 - top : y2 - top, x1 - left : x2 - left]), x1, y1
        )


def post(
    canvas: Canvas, x_m: float, z_m: float, high_m: float, thick_m: float, colour: Bgr
) -> None:
    """Paint an upright round post as a strip that faces the camera."""
    half = thick_m / 2
    for left, right, tone in ((-half, half, 0.75), (-half * 0.6, half * 0.2, 1.0)):
        strip = [[x_m + left, high_m, z_m], [x_m + right, high_m, z_m],
                 [x_m + right, 0.0, z_m], [x_m + left, 0.0, z_m]]  # fmt: skip
        canvas.polygon(np.array(strip), (colour[0] * tone, colour[1] * tone, colour[2] * tone))


def wheel(canvas: Canvas, centre: Floats, along: Floats, radius: float) -> None:
    """Paint a tyre with its rim, round a world point [3], upright along the unit vector `along`."""
    turns = np.linspace(0, 2 * np.pi, 21)[:-1]
    for part, colour in ((1.0, (28.0, 27.0, 26.0)), (0.58, (120.0, 122.0, 124.0))):
        reach = radius * part
        ring = [
            centre + along * (np.cos(a) * reach) + np.array([0.0, np.sin(a) * reach, 0.0])
            for a in turns
        ]
        canvas.polygon(np.array(ring), colour)
