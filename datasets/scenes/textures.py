"""The flat pictures on the walls and shelves of a `Scenes` picture."""

from __future__ import annotations

import cv2
import numpy as np

from .camera import Bgr, Pixels


def _print(rng: np.random.Generator) -> Bgr:
    """Choose a printed colour, half way between grey and loud."""
    loud = rng.uniform(15, 245, 3)
    blue, green, red = loud * 0.6 + loud.mean() * 0.4
    return float(blue), float(green), float(red)


def poster(rng: np.random.Generator) -> Pixels:
    """Return a poster of a few shapes and lines of text, [96, 72, 3]."""
    image = np.empty((96, 72, 3), np.uint8)
    image[:] = _print(rng)
    for _ in range(int(rng.integers(2, 6))):
        colour = _print(rng)
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 8, 8), (60, 80, 50, 50)))
        if rng.random() < 0.6:
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, cv2.FILLED)
        else:
            cv2.ellipse(image, (x, y), (w // 2, h // 2), 0, 0, 360, colour, cv2.FILLED, cv2.LINE_AA)
    for row in range(8, 90, int(rng.integers(8, 24))):
        cv2.line(image, (8, row), (int(rng.integers(20, 66)), row), (40, 40, 40), 2)
    return image


def window(rng: np.random.Generator) -> Pixels:
    """Return a window with a frame and a reflection, [64, 64, 3]."""
    image = np.empty((64, 64, 3), np.uint8)
    sky = rng.uniform(60, 230)
    image[:] = np.linspace(sky, sky * 0.7, 64).astype(np.uint8)[:, None, None]
    shine = np.array([[10, 60], [40, 4], [52, 4], [22, 60]], np.int32)
    cv2.fillPoly(image, [shine], (min(sky + 22, 250),) * 3, cv2.LINE_AA)
    frame = (float(rng.uniform(40, 220)),) * 3
    cv2.rectangle(image, (0, 0), (63, 63), frame, 5)
    cv2.line(image, (32, 0), (32, 63), frame, 3)
    return image


def dial(rng: np.random.Generator) -> Pixels:
    """Return a wall clock, [64, 64, 3]."""
    image = np.empty((64, 64, 3), np.uint8)
    image[:] = int(rng.integers(120, 210))
    rim = tuple(float(v) for v in rng.integers(20, 140, 3))
    cv2.circle(image, (32, 32), 30, rim, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(image, (32, 32), 26, (232, 236, 238), cv2.FILLED, cv2.LINE_AA)
    for reach, turn in ((14, rng.uniform(0, 6.28)), (21, rng.uniform(0, 6.28))):
        tip = (int(32 + reach * np.cos(turn)), int(32 + reach * np.sin(turn)))
        cv2.line(image, (32, 32), tip, (30, 30, 30), 2, cv2.LINE_AA)
    return image


def facade(rng: np.random.Generator) -> Pixels:
    """Return a house front with rows of windows over shop fronts, [256, 512, 3]."""
    image = np.empty((256, 512, 3), np.uint8)
    pale = rng.uniform(90, 200)
    image[:] = np.clip(pale + rng.normal(0, 18, 3), 20, 240)
    if rng.random() < 0.5:
        image[::6] = (image[::6] * 0.86).astype(np.uint8)
    step_x, step_y = int(rng.integers(30, 64)), int(rng.integers(44, 70))
    for top in range(10, 190, step_y):
        for left in range(8, 500, step_x):
            glass = float(rng.uniform(30, 120)) if rng.random() < 0.85 else 210.0
            box = (left, top), (left + int(step_x * 0.58), top + int(step_y * 0.62))
            cv2.rectangle(image, *box, (glass * 1.1, glass, glass * 0.9), cv2.FILLED)
            cv2.rectangle(image, *box, (pale * 0.6,) * 3, 2)
    for left in range(0, 512, 86):
        glass = float(rng.uniform(25, 130))
        cv2.rectangle(image, (left + 6, 205), (left + 78, 250), (glass,) * 3, cv2.FILLED)
        sign = _print(rng)
        cv2.rectangle(image, (left + 4, 190), (left + 80, 202), sign, cv2.FILLED)
    return image


def goods(rng: np.random.Generator) -> Pixels:
    """Return the face of a shelf full of goods, [128, 160, 3]."""
    image = np.full((128, 160, 3), int(rng.integers(30, 90)), np.uint8)
    for low in range(30, 129, 32):
        left = 2
        while left < 156:
            wide, high = int(rng.integers(5, 18)), int(rng.integers(12, 28))
            colour = _print(rng)
            if rng.random() < 0.25:
                cv2.circle(image, (left + wide // 2, low - wide // 2), wide // 2, colour, -1)
            else:
                cv2.rectangle(image, (left, low - high), (left + wide - 1, low), colour, cv2.FILLED)
            left += wide + 1
        cv2.line(image, (0, low + 1), (159, low + 1), (170, 172, 174), 2)
    return image
