"""The heads of a `Scenes` picture: shaded ellipsoids seen from any side, with face and hair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from .camera import Floats, Pixels
from .looks import HeadLook

HALF_M = np.array([0.077, 0.116, 0.098])
"""Half extents of a head: across, up, front to back."""
Spot = tuple[float, float, float]
"""A point of a head: right, up and front in its half extents."""
NOSE: Spot = (0.0, -0.2, 1.03)
EYE = (0.36, 0.1)
"""Middle of an eye: across and up."""
MOUTH = (0.27, -0.5)
"""Corner of the mouth: across and up."""
ROOMY = {"cap": 1.75, "brim": 1.75, "bun": 1.6, "afro": 1.6}
"""Half side of a head patch in head half extents where brims or buns need more than usual."""
_SKIN, _HAIR, _HAT, _DARK, _LIPS, _MASK, _GLASS, _WHITE, _BRIM = range(9)


@dataclass(frozen=True, kw_only=True)
class Sphere:
    """The unit sphere seen in a square patch; one row of `normals` per pixel."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    inside: npt.NDArray[np.bool_]
    normals: npt.NDArray[np.float32]
    """float32 [side * side, 3], camera axes, z away from the viewer."""


@lru_cache(maxsize=256)
def sphere(side_px: int, margin: float, taper: float = 0.0) -> Sphere:
    """Return the sphere in a patch of `margin` radii; taper narrows the lower half (a jaw)."""
    axis = ((np.arange(side_px, dtype=np.float32) + 0.5) / side_px * 2 - 1) * np.float32(margin)
    x, y = np.meshgrid(axis, axis)
    x = x / (1 - taper * np.clip(y, 0, 1) ** 2)
    squared = x * x + y * y
    depth = np.sqrt(np.clip(1 - squared, 0, None))
    length = np.sqrt(np.maximum(squared, 1.0))
    normals = np.stack([x / length, y / length, -depth], axis=-1).reshape(-1, 3)
    flat_x, flat_y = (plane.astype(np.float32) for plane in (x, y))
    return Sphere(x=flat_x, y=flat_y, inside=squared < 1, normals=normals.astype(np.float32))


def margin_of(look: HeadLook) -> float:
    """Return the half side of the head's patch in head half extents."""
    return ROOMY.get(look.style, 1.22)


def extents_m(axes: Floats, scale: float) -> tuple[float, float]:
    """Return the half width and half height of a head as seen; axes [3, 3] as in `paint_head`."""
    seen = np.sqrt(((axes * (HALF_M * scale)) ** 2).sum(axis=1))
    return float(seen[0]), float(seen[1])


def jaw_taper(axes: Floats) -> float:
    """Return how much the jaw narrows the lower half of a head; an upright one's most."""
    upright = float(np.clip(1 - abs(axes[2, 1]) * 1.3, 0, 1))
    return round(0.24 * upright, 1)


def paint_head(look: HeadLook, axes: Floats, light: Floats, side_px: int) -> Pixels:
    """Render a head in a square patch [side, side, 4], BGR multiplied by alpha.

    axes: [3, 3], columns are the head's right, up and forward in camera coordinates.
    light: [3], unit, towards the light in camera coordinates.
    """
    margin = margin_of(look)
    ball = sphere(side_px, margin, jaw_taper(axes))
    local = ball.normals @ axes.astype(np.float32)
    right, up, front = (local[:, i].reshape(side_px, side_px) for i in range(3))
    solid = ball.inside.copy()
    kind = np.full((side_px, side_px), _SKIN, np.uint8)
    if axes[2, 2] < 0.8:
        _face(look, kind, right, up, front)
    covered = _cover(look, kind, solid, right, up, front)
    _knobs(look, axes, kind, solid)
    _brim(look, axes, kind, solid, covered)
    palette = _palette(look)
    shade = 0.58 + 0.56 * np.clip(ball.normals @ light.astype(np.float32), -0.45, 1)
    strands = 1 + 0.03 * np.sin(21 * right + 6 * front * up + look.phase)
    tone = shade.reshape(side_px, side_px) * np.where(kind == _HAIR, strands, np.float32(1))
    # Dark eye sockets and a bright nose are what gives a face its relief from afar.
    if axes[2, 2] < 0.5:
        sockets = _bump(right, up, front, 0.36, 0.14, 0.2)
        nose = _bump(right, up, front, 0.0, -0.12, 0.14)
        tone -= (kind == _SKIN) * (np.float32(0.2) * sockets - np.float32(0.14) * nose)
    patch = np.empty((side_px, side_px, 4), np.uint8)
    lit = (tone * solid).astype(np.float32)
    patch[:, :, :3] = cv2.multiply(palette[kind], cv2.merge([lit] * 3), dtype=cv2.CV_8U)
    patch[:, :, 3] = solid * np.uint8(255)
    return patch


def _palette(look: HeadLook) -> npt.NDArray[np.float32]:
    skin = np.asarray(look.skin)
    brim = np.asarray(look.hat) * 0.72
    lips = skin * (0.72, 0.66, 0.9)
    glass = (30, 26, 24) if look.glasses == "dark" else tuple(skin * 0.45)
    mask = look.mask or (0.0, 0.0, 0.0)
    rows = (skin, look.hair, look.hat, skin * 0.25, lips, mask, glass, (225, 225, 228), brim)
    return np.asarray(rows, np.float32)


Plane = npt.NDArray[np.float32]


def _bump(right: Plane, up: Plane, front: Plane, x: float, y: float, size: float) -> Plane:
    """Return a soft spot on the face, 0 to 1, around (x, y)."""
    distance = ((np.abs(right) - x) ** 2 + (up - y) ** 2) / (size * size)
    return np.asarray(np.clip(1 - 0.6 * distance, 0, 1) * (front > 0), np.float32)


def _face(look: HeadLook, kind: Pixels, right: Plane, up: Plane, front: Plane) -> None:
    ahead = front > 0.2
    across = np.abs(right)
    eye = ahead & (np.abs(across - EYE[0]) < 0.17) & (np.abs(up - EYE[1]) < 0.07)
    brow = ahead & (np.abs(across - 0.37) < 0.22) & (np.abs(up - 0.27) < 0.045)
    mouth = ahead & (across < MOUTH[0]) & (np.abs(up - MOUTH[1]) < 0.06)
    nostril = ahead & (across < 0.15) & (np.abs(up + 0.22) < 0.045)
    kind[eye] = _DARK
    kind[brow] = _HAIR
    kind[mouth | nostril] = _LIPS
    if look.beard:
        kind[(front > 0.0) & (up < -0.34) & ~mouth] = _HAIR
    if look.glasses != "none":
        lens = ahead & (np.abs(across - 0.36) < 0.25) & (np.abs(up - 0.08) < 0.16)
        if look.glasses == "frame":
            lens &= (np.abs(np.abs(across - 0.36) - 0.22) < 0.05) | (np.abs(up - 0.2) < 0.05)
        temple = (np.abs(up - 0.16) < 0.04) & (across > 0.5) & (front > -0.1)
        kind[lens | temple] = _GLASS
    if look.mask is not None:
        kind[(up < -0.02) & (front > 0.22) & (up > -0.85)] = _MASK


def _cover(
    look: HeadLook, kind: Pixels, solid: npt.NDArray[np.bool_], right: Plane, up: Plane,
    front: Plane,
) -> npt.NDArray[np.bool_]:  # fmt: skip
    """Put hair and headgear on; returns where headgear is."""
    style = look.style
    edge = 0.05 * np.sin(6 * right + look.phase)
    low = {"long": -1.0, "scarf": -1.1, "hood": -1.1, "ring": -0.4}.get(style, -0.5)
    # The hairline runs from the forehead past the temples to behind the ears.
    line = np.interp(up, [-1.0, -0.3, 0.1, 0.5, 0.62], [0.0, 0.02, 0.18, 0.55, 1.1]) + edge
    if style == "fringe":
        line = np.interp(up, [-1.0, -0.3, 0.1, 0.3, 0.34], [0.2, 0.3, 0.42, 0.6, 1.1]) + edge
    if style == "ring":
        line = np.where(up > 0.5, -2.0, line - 0.1)
    hair = (front < line) & (up > low)
    if style == "bald":
        kind[hair & (up < 0.3) & (front < -0.2)] = _SKIN
        hair[:] = False
    kind[hair] = _HAIR
    if style in ("hood", "scarf"):
        gear = (front < np.interp(up, [-1, -0.55, 0.3, 0.6], [1.1, 0.5, 0.6, 1.1])) | (up < -0.72)
    elif style in ("cap", "brim", "beanie"):
        gear = up > {"cap": 0.36, "brim": 0.38, "beanie": 0.22}[style] + 0.12 * (front - 0.4)
    elif style == "helmet":
        gear = (up > 0.3) | ((front < 0.1) & (up > -0.3))
    else:
        return np.zeros_like(solid)
    kind[gear] = _HAT
    return np.asarray(gear & solid)


def _spot(axes: Floats, point: Spot, side_px: int, margin: float) -> tuple[int, int, float]:
    """Project a point in head half extents to patch pixels (x, y) and its depth."""
    across, down, depth = project_spot(axes, point)
    unit = side_px / (2 * margin)
    return round(side_px / 2 + across * unit), round(side_px / 2 + down * unit), depth


def project_spot(axes: Floats, point: Spot) -> tuple[float, float, float]:
    """Return where a point in head half extents is seen: (x, y) in half extents, depth in metres.

    A negative depth is on the viewer's side of the head.
    """
    seen = axes @ (np.asarray(point) * HALF_M)
    half_w, half_h = extents_m(axes, 1.0)
    return float(seen[0] / half_w), float(seen[1] / half_h), float(seen[2])


def _knobs(look: HeadLook, axes: Floats, kind: Pixels, solid: npt.NDArray[np.bool_]) -> None:
    side_px = len(kind)
    margin = margin_of(look)
    unit = side_px / (2 * margin)
    spots: list[tuple[Spot, float, int]] = []
    if look.style in ("short", "bald", "ring", "bun", "cap", "beanie", "brim"):
        spots += [((-1.04, 0.0, -0.08), 0.17, _SKIN), ((1.04, 0.0, -0.08), 0.17, _SKIN)]
    if look.mask is None:
        spots.append((NOSE, 0.12, _SKIN))
    if look.style == "bun":
        spots.append(((0.0, 0.75, -0.95), 0.42, _HAIR))
    if look.style == "afro":
        spots.append(((0.0, 0.3, -0.3), 1.28, _HAIR))
    if look.style == "hood":
        spots.append(((0.0, 0.1, -0.2), 1.14, _HAT))
    for point, radius, what in spots:
        x, y, depth = _spot(axes, point, side_px, margin)
        disc = np.zeros_like(kind)
        cv2.circle(disc, (x, y), max(1, round(radius * unit)), 1, cv2.FILLED)
        over = disc.astype(bool)
        if depth > -0.02 or radius > 1:
            over &= ~solid
        kind[over] = what
        solid |= over


def _brim(
    look: HeadLook, axes: Floats, kind: Pixels, solid: npt.NDArray[np.bool_],
    covered: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    if look.style not in ("cap", "brim"):
        return
    side_px = len(kind)
    wide = look.style == "brim"
    turn = np.linspace(-np.pi, np.pi, 25) if wide else np.linspace(-1.15, 1.15, 11)
    radius = 1.62 if wide else 1.55
    ring = [(radius * np.sin(a), 0.34 if wide else 0.36, radius * np.cos(a)) for a in turn]
    if not wide:
        ring += [(0.95 * np.sin(a), 0.42, 0.95 * np.cos(a)) for a in turn[::-1]]
    corners = np.array(
        [_spot(axes, point, side_px, margin_of(look))[:2] for point in ring], np.int32
    )
    disc = np.zeros_like(kind)
    cv2.fillPoly(disc, [corners], 1)
    over = disc.astype(bool)
    faces_viewer = axes[2, 2] < 0.1
    over &= ~covered if (wide or faces_viewer) else ~solid
    kind[over] = _BRIM
    solid |= over
