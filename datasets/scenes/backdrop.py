"""The place of a `Scenes` picture: floor, walls, facades and sky, all in perspective."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .camera import Bgr, Camera, Canvas, Floats
from .looks import vary
from .sensor import grain, grain_crop
from .textures import dial, facade, poster, window

PLACES = ("hall", "corridor", "shop", "street", "plaza")
GROUNDS: tuple[Bgr, ...] = (
    (150, 156, 160), (112, 116, 118), (84, 86, 88), (120, 146, 170), (96, 116, 150),
    (176, 184, 188), (130, 124, 116), (72, 92, 118), (64, 66, 90), (104, 120, 108),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a scene takes place; lengths in metres."""

    place: str
    half_width_m: float
    depth_m: float
    ceiling_m: float
    ground: Bgr
    wall: Bgr
    paving: str
    """One of 'tiles', 'checker', 'planks', 'plain'."""
    cell_m: tuple[float, float]
    joint: float
    """Brightness of the joints against the tiles."""

    @property
    def indoor(self) -> bool:
        """Return whether there is a roof."""
        return self.place in ("hall", "corridor", "shop")


def draw_setting(rng: np.random.Generator, camera: Camera) -> Setting:
    """Choose a place that has room for what the camera usually sees."""
    place = str(rng.choice(PLACES, p=[0.26, 0.14, 0.22, 0.22, 0.16]))
    sight_m = camera.reach_m * camera.width_px / camera.focal_px / 2
    share = {"hall": (1.2, 2.2), "corridor": (0.7, 1.1), "shop": (1.0, 1.8)}.get(place, (1.3, 2.4))
    pale = rng.uniform(120, 225)
    side_m = float(rng.uniform(0.25, 1.0))
    paving = str(rng.choice(["tiles", "checker", "planks", "plain"], p=[0.4, 0.15, 0.2, 0.25]))
    return Setting(
        place=place,
        half_width_m=max(1.3, sight_m * float(rng.uniform(*share))),
        depth_m=camera.reach_m * float(rng.uniform(1.6, 3.2)) + 2.0,
        ceiling_m=max(2.7, camera.height_m + float(rng.uniform(0.2, 1.2))),
        ground=vary(GROUNDS[int(rng.integers(len(GROUNDS)))], rng, 10.0),
        wall=vary((pale, pale, pale), rng, 9.0),
        paving=paving,
        cell_m=(
            side_m * (4 if paving == "planks" else 1),
            side_m * (0.3 if paving == "planks" else 1),
        ),
        joint=float(rng.uniform(0.62, 1.15)),
    )


def paint_backdrop(canvas: Canvas, setting: Setting, rng: np.random.Generator) -> None:
    """Paint all that stands behind the people and the things."""
    if setting.indoor:
        canvas.image[:] = np.rint(np.asarray(setting.wall) * 0.8).astype(np.uint8)
    else:
        _sky(canvas, rng)
    _ground(canvas, setting, rng)
    if setting.indoor:
        _room(canvas, setting, rng)
    else:
        _street(canvas, setting, rng)
    # A little grain keeps every surface from being flat.
    height, width = canvas.heads.shape
    soft = grain_crop(width, height, int(rng.integers(10_000)))
    scale = cv2.merge([soft] * 3)
    cv2.addWeighted(canvas.image, 1.0, scale, 0.09, -11.5, dst=canvas.image)


def _sky(canvas: Canvas, rng: np.random.Generator) -> None:
    height = canvas.image.shape[0]
    top = np.array([rng.uniform(150, 235), rng.uniform(150, 210), rng.uniform(130, 205)])
    rows = np.linspace(0, 1, height)[:, None, None]
    canvas.image[:] = (top * (1 - rows) + 215 * rows).astype(np.uint8)


def _ground(canvas: Canvas, setting: Setting, rng: np.random.Generator) -> None:
    """Evaluate the ground pattern per pixel: each row has one distance, and joints keep their
    share of a pixel, so that they fade instead of flickering far away."""
    camera = canvas.camera
    first = int(np.clip(np.ceil(camera.horizon_px + 2), 0, camera.height_px))
    rows = np.arange(first, camera.height_px) + 0.5
    if len(rows) == 0:
        return
    slope = (rows - camera.height_px / 2) / camera.focal_px
    sin, cos = np.sin(camera.pitch_rad), np.cos(camera.pitch_rad)
    along = camera.height_m / (sin + cos * slope)
    z_m = (along * (cos - sin * slope)).astype(np.float32)
    pixel_m = (along / camera.focal_px).astype(np.float32)
    deep_m = np.abs(np.gradient(z_m)) if len(rows) > 1 else pixel_m
    columns = np.arange(camera.width_px, dtype=np.float32) + np.float32(0.5 - camera.width_px / 2)
    x_m = pixel_m[:, None] * columns[None, :] + np.float32(rng.uniform(0, 5))
    z_m = z_m + np.float32(rng.uniform(0, 5))
    tone = np.ones_like(x_m)
    if setting.paving != "plain":
        across = _joint(x_m, setting.cell_m[0], pixel_m[:, None])
        deep = _joint(z_m, setting.cell_m[1], deep_m.astype(np.float32))[:, None]
        tone += np.float32(setting.joint - 1) * np.maximum(across, deep)
    if setting.paving == "checker":
        odd = (np.floor(x_m / setting.cell_m[0]) + np.floor(z_m / setting.cell_m[1])[:, None]) % 2
        fade = np.exp(-deep_m / setting.cell_m[1] * 1.5)[:, None].astype(np.float32)
        tone -= np.float32(0.28) * odd * fade
    scale = np.float32(1024 / rng.uniform(4, 12))
    # Stains are soft: half the resolution is enough.
    across_px = x_m[::2, ::2] * scale
    deep_px = np.repeat(z_m[::2, None] * scale, across_px.shape[1], axis=1)
    stain = cv2.remap(grain(), across_px, deep_px, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    stain = cv2.resize(stain, (x_m.shape[1], x_m.shape[0]), interpolation=cv2.INTER_LINEAR)
    tone += (stain.astype(np.float32) - 128) * np.float32(rng.uniform(0.0006, 0.0024))
    grey = np.clip(tone * 128, 0, 255).astype(np.uint8)
    base = np.empty((*grey.shape, 3), np.uint8)
    base[:] = np.rint(np.asarray(setting.ground)).astype(np.uint8)
    canvas.image[first:] = cv2.multiply(base, cv2.merge([grey] * 3), scale=1 / 128)


def _joint(
    place_m: npt.NDArray[np.float32], cell_m: float, pixel_m: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return how much of each pixel a joint of 1.5 cm between cells covers, 0 to 1."""
    half_m = np.float32(0.0075)
    cells = place_m * np.float32(1 / cell_m)
    away = np.abs(cells - np.rint(cells))
    near = np.clip((half_m + pixel_m / 2 - away * np.float32(cell_m)) / pixel_m, 0, 1)
    return np.asarray(near * np.minimum(1, 2 * half_m / pixel_m), np.float32)


def _wall(x1: float, z1: float, x2: float, z2: float, low: float, high: float) -> Floats:
    """Return the corners of an upright quad from (x1, z1) to (x2, z2), top left first."""
    return np.array([[x1, high, z1], [x2, high, z2], [x2, low, z2], [x1, low, z1]])


def _tone(colour: Bgr, factor: float) -> Bgr:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _room(canvas: Canvas, setting: Setting, rng: np.random.Generator) -> None:
    half, deep, top = setting.half_width_m, setting.depth_m, setting.ceiling_m
    ceiling = np.array([[-half, top, 0.0], [half, top, 0.0], [half, top, deep], [-half, top, deep]])
    canvas.polygon(ceiling, _tone(setting.wall, 1.06))
    lamp = (236.0, 240.0, 242.0)
    for z in np.arange(1.0, deep, 2.4):
        for x in np.arange(-half + 0.8, half, 2.4):
            panel = [[x, top, z], [x + 0.6, top, z], [x + 0.6, top, z + 1.2], [x, top, z + 1.2]]
            canvas.polygon(np.array(panel) - (0, 0.01, 0), lamp)
    sides = (
        (_wall(-half, 0.0, -half, deep, 0, top), 0.84), (_wall(half, deep, half, 0.0, 0, top), 0.9),
        (_wall(-half, deep, half, deep, 0, top), 0.97),
    )  # fmt: skip
    for corners, tone in sides:
        canvas.polygon(corners, _tone(setting.wall, tone))
    band = _tone(vary(setting.ground, rng, 25.0), 0.75)
    for corners, _ in sides:
        low = corners.copy()
        low[:2, 1] = 0.14
        canvas.polygon(low, band)
    for _ in range(int(rng.integers(3, 10))):
        _hang(canvas, setting, rng)


def _hang(canvas: Canvas, setting: Setting, rng: np.random.Generator) -> None:
    """Hang a poster, a door, a window, a clock or a board on one of the walls."""
    half, deep = setting.half_width_m - 0.02, setting.depth_m - 0.02
    wide, high = float(rng.uniform(0.4, 1.8)), float(rng.uniform(0.4, 1.3))
    low = float(rng.uniform(0.9, 1.7))
    what = str(rng.choice(["poster", "door", "window", "board", "clock"]))
    if what == "door":
        wide, high, low = 0.95, 2.1, 0.0
    if what == "clock":
        wide = high = float(rng.uniform(0.25, 0.5))
        low = 2.0
    where = rng.random()
    if where < 0.5:
        x = float(rng.uniform(-half, max(half - wide, -half + 0.1)))
        corners = _wall(x, deep, x + wide, deep, low, low + high)
    else:
        z = float(rng.uniform(0.3, 1.0)) * deep - wide
        corners = (_wall(-half, z, -half, z + wide, low, low + high) if where < 0.75
                   else _wall(half, z + wide, half, z, low, low + high))  # fmt: skip
    texture = {"poster": poster, "window": window, "clock": dial}.get(what)
    if texture is not None:
        canvas.textured(corners, texture(rng))
    else:
        canvas.polygon(corners, vary(setting.wall, rng, 40.0))


def _street(canvas: Canvas, setting: Setting, rng: np.random.Generator) -> None:
    half, deep = setting.half_width_m, setting.depth_m
    high = float(rng.uniform(5, 14))
    walls = [_wall(-half * 2, deep, half * 2, deep, 0, high)]
    if setting.place == "street":
        kerb = float(rng.uniform(-0.6, 0.4)) * half
        road = [[kerb, 0, 0.2], [half * 3, 0, 0.2], [half * 3, 0, deep], [kerb, 0, deep]]
        canvas.polygon(np.array(road, np.float64), vary((72, 70, 70), rng, 8.0))
        canvas.polygon(np.array(road, np.float64) * (0, 1, 1) + np.array(
            [[kerb, 0, 0], [kerb + 0.16, 0, 0], [kerb + 0.16, 0, 0], [kerb, 0, 0]]),
            (160, 162, 164))  # fmt: skip
        for z in np.arange(0.5, deep, 3.0):
            x = kerb + 3.2
            mark = [[x, 0, z], [x + 0.14, 0, z], [x + 0.14, 0, z + 1.6], [x, 0, z + 1.6]]
            canvas.polygon(np.array(mark), (205, 208, 210))
        if rng.random() < 0.4:
            _crossing(canvas, kerb, float(rng.uniform(0.5, 1.3)) * canvas.camera.reach_m)
        walls.append(_wall(-half, 0.0, -half, deep, 0, high))
    for corners in walls:
        canvas.textured(_before_camera(corners), facade(rng))


def _before_camera(corners_m: Floats) -> Floats:
    """Pull the near end of a wall far enough away that its texture can be mapped."""
    moved = corners_m.copy()
    moved[:, 2] = np.maximum(moved[:, 2], 1.2 + 0.5 * moved[:, 1].max())
    return moved


def _crossing(canvas: Canvas, kerb_m: float, z_m: float) -> None:
    for step in range(8):
        x = kerb_m + 0.4 + step * 0.9
        bar = [[x, 0, z_m], [x + 0.45, 0, z_m], [x + 0.45, 0, z_m + 2.6], [x, 0, z_m + 2.6]]
        canvas.polygon(np.array(bar), (210, 212, 214))
