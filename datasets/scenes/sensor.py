"""The light, the air and the sensor of a `Scenes` picture: what happens after it is painted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .camera import Camera, Pixels

TILE_PX = 1024


@lru_cache(maxsize=1)
def grain() -> Pixels:
    """Return a tile [1024, 1024] of smooth noise of several octaves, mean 128."""
    rng = np.random.default_rng(20)
    total = np.zeros((TILE_PX, TILE_PX), np.float32)
    for cells, weight in ((8, 0.9), (32, 1.0), (96, 0.8), (256, 0.6), (TILE_PX, 0.35)):
        noise = rng.standard_normal((cells, cells)).astype(np.float32)
        size = (TILE_PX, TILE_PX)
        total += weight * cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(128 + 26 * total, 0, 255), np.uint8)


@lru_cache(maxsize=1)
def _sensor_noise() -> Pixels:
    """Return a tile [1024, 1024, 3] of white noise, mean 128, standard deviation 32."""
    rng = np.random.default_rng(21)
    noise = 128 + rng.standard_normal((TILE_PX, TILE_PX, 3)) * 32
    return np.asarray(np.clip(np.rint(noise), 0, 255), np.uint8)


@lru_cache(maxsize=1)
def _cloth() -> Pixels:
    """Return the grain at a third of its contrast, as folds of cloth."""
    return np.asarray(cv2.convertScaleAbs(grain(), alpha=0.3, beta=128 * 0.7), np.uint8)


def cloth_crop(width_px: int, height_px: int, place: int) -> Pixels:
    """Return a [height, width] piece of cloth, mean 128, chosen by `place`."""
    left = (place * 37) % (TILE_PX - width_px)
    top = (place * 101) % (TILE_PX - height_px)
    return _cloth()[top : top + height_px, left : left + width_px]


def grain_crop(width_px: int, height_px: int, place: int) -> Pixels:
    """Return a [height, width] piece of the grain, chosen by `place`."""
    left = (place * 37) % (TILE_PX - width_px)
    top = (place * 101) % (TILE_PX - height_px)
    return grain()[top : top + height_px, left : left + width_px]


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """The light on a scene and the camera's rendering of it."""

    mode: str
    """One of 'day', 'dim', 'infrared'."""
    gain: float
    tint: tuple[float, float, float]
    lamps: tuple[tuple[float, float, float, float], ...]
    """Pools of light: x, y and radius as parts of the picture, and strength."""
    vignette: float
    gamma: float
    haze: float
    rain: bool
    defocus_px: float
    motion_px: float
    motion_rad: float
    noise: float
    """Standard deviation, grey levels."""
    chroma: float
    sharpen: float
    jpeg: int
    overlay: bool


def draw_sensor(rng: np.random.Generator, *, indoor: bool) -> Sensor:
    """Choose light and sensor."""
    mode = str(rng.choice(["day", "dim", "infrared"], p=[0.64, 0.22, 0.14]))
    dark = mode != "day"
    warm = rng.normal(0.0, 0.09)
    lamps = tuple(
        (float(rng.uniform(0, 1)), float(rng.uniform(0, 1)), float(rng.uniform(0.2, 0.6)),
         float(rng.uniform(0.15, 0.6)))
        for _ in range(int(rng.integers(1, 4) if dark else rng.integers(0, 3)))
    )  # fmt: skip
    if mode == "infrared":
        lamps = ((0.5, 0.55, float(rng.uniform(0.4, 0.8)), float(rng.uniform(0.3, 0.8))),)
    blurred = rng.random()
    return Sensor(
        mode=mode,
        gain=float(rng.uniform(0.42, 0.75) if dark else rng.uniform(0.8, 1.12)),
        tint=(1.0 - warm, 1.0 + float(rng.normal(0, 0.02)), 1.0 + warm),
        lamps=lamps,
        vignette=float(rng.uniform(0.0, 0.35)),
        gamma=float(rng.uniform(0.8, 1.2)),
        haze=float(rng.uniform(0.05, 0.35)) if rng.random() < (0.1 if indoor else 0.3) else 0.0,
        rain=bool(not indoor and rng.random() < 0.12),
        defocus_px=float(rng.uniform(0.5, 1.3)) if blurred < 0.4 else 0.0,
        motion_px=float(rng.uniform(2.0, 5.5)) if blurred > 0.85 else 0.0,
        motion_rad=float(rng.uniform(0, np.pi)),
        noise=float(rng.uniform(3.0, 11.0) if dark else rng.uniform(1.0, 6.0)),
        chroma=float(rng.uniform(0.55, 1.15)),
        sharpen=float(rng.uniform(0.3, 0.9)) if rng.random() < 0.3 else 0.0,
        jpeg=int(rng.integers(30, 91)),
        overlay=bool(rng.random() < 0.45),
    )


def expose(image: Pixels, camera: Camera, sensor: Sensor, rng: np.random.Generator) -> Pixels:
    """Turn the painted picture into what the camera hands out, uint8 [height, width, 3], BGR."""
    image = _air(image, camera, sensor)
    image = _illuminate(image, sensor)
    if sensor.mode == "infrared" or sensor.chroma < 0.95:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        keep = 0.0 if sensor.mode == "infrared" else sensor.chroma
        image = cv2.addWeighted(image, keep, grey, 1 - keep, 0).astype(np.uint8)
    if sensor.rain:
        _rain(image, rng)
    image = _blur(image, sensor)
    left, top = rng.integers(0, TILE_PX - 520, 2)
    noise = _sensor_noise()[top : top + image.shape[0], left : left + image.shape[1]]
    if sensor.mode == "infrared":
        noise = cv2.merge([noise[:, :, 0]] * 3).astype(np.uint8)
    share = sensor.noise / 32
    image = cv2.addWeighted(image, 1.0, noise, share, -128 * share).astype(np.uint8)
    if sensor.overlay:
        _overlay(image, rng)
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _air(image: Pixels, camera: Camera, sensor: Sensor) -> Pixels:
    """Lay haze over the picture, denser towards the horizon."""
    if sensor.haze <= 0:
        return image
    rows = np.arange(camera.height_px, dtype=np.float32)[:, None]
    below = np.clip((rows - camera.horizon_px) / camera.height_px, 0, None)
    share = sensor.haze * np.exp(-1.5 * below)
    scale = np.repeat(np.repeat(1 - share, camera.width_px, axis=1)[:, :, None], 3, axis=2)
    thick = cv2.multiply(image, scale.astype(np.float32), dtype=cv2.CV_8U)
    veil = np.repeat(np.repeat(share * 205, camera.width_px, axis=1)[:, :, None], 3, axis=2)
    return np.asarray(cv2.add(thick, veil.astype(np.uint8)), np.uint8)


def _illuminate(image: Pixels, sensor: Sensor) -> Pixels:
    height, width = image.shape[:2]
    # Light varies slowly: a coarse map, enlarged, is all it needs.
    y, x = np.mgrid[0:24, 0:32].astype(np.float32)
    x, y = (x + 0.5) / 32, (y + 0.5) / 24
    light = np.full((24, 32), sensor.gain, np.float32)
    for lamp_x, lamp_y, radius, strength in sensor.lamps:
        light += strength * np.exp(-((x - lamp_x) ** 2 + (y - lamp_y) ** 2) / radius**2)
    light *= 1 - sensor.vignette * 2 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    coarse = np.stack([light * channel for channel in sensor.tint], axis=-1).astype(np.float32)
    scale = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    lit = cv2.multiply(image, scale, dtype=cv2.CV_8U).astype(np.uint8)
    curve = 255 * (np.arange(256) / 255) ** sensor.gamma
    return np.asarray(cv2.LUT(lit, np.rint(curve).astype(np.uint8)), np.uint8)


def _blur(image: Pixels, sensor: Sensor) -> Pixels:
    if sensor.defocus_px > 0:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sensor.defocus_px), np.uint8)
    if sensor.motion_px > 0:
        kernel = np.zeros((7, 7), np.float32)
        reach = np.array([np.cos(sensor.motion_rad), np.sin(sensor.motion_rad)])
        for step in np.linspace(-0.5, 0.5, 9):
            x, y = np.rint(3 + reach * step * sensor.motion_px).astype(int)
            kernel[y, x] += 1 / 9
        return np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)
    if sensor.sharpen > 0:
        soft = cv2.GaussianBlur(image, (0, 0), 1.2)
        return np.asarray(cv2.addWeighted(image, 1 + sensor.sharpen, soft, -sensor.sharpen, 0))
    return image


def _rain(image: Pixels, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    slant = rng.uniform(-0.25, 0.25)
    starts = rng.uniform((0, -20), (width, height), (90, 2))
    streaks = image.copy()
    for (x, y), length in zip(starts, rng.uniform(6, 18, 90), strict=True):
        end = (int(x + slant * length), int(y + length))
        cv2.line(streaks, (int(x), int(y)), end, (205, 205, 205), 1, cv2.LINE_AA)
    cv2.addWeighted(streaks, 0.35, image, 0.65, 0, dst=image)


def _overlay(image: Pixels, rng: np.random.Generator) -> None:
    """Write a clock and a camera name, as recorders do."""
    day, hour, minute, second = (int(rng.integers(1, top)) for top in (29, 24, 60, 60))
    month, number = int(rng.integers(1, 13)), int(rng.integers(1, 33))
    size = float(rng.uniform(0.35, 0.5))
    clock = f"20{rng.integers(12, 27)}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
    low = image.shape[0] - 8
    for text, place in ((clock, (8, 16)), (f"CAM {number:02d}", (image.shape[1] - 70, low))):
        for colour, shift in (((20, 20, 20), 1), ((240, 240, 240), 0)):
            where = (place[0] + shift, place[1] + shift)
            cv2.putText(image, text, where, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
