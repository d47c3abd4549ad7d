"""The painting of a scene: place, light, people and things, far to near, then the camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .backdrop import Setting, draw_setting, paint_backdrop
from .camera import Camera, Canvas, Floats, Pixels
from .clutter import draw_things
from .figures import PaintedHead, paint_person
from .people import Person
from .sensor import draw_sensor, expose
from .solids import Thing

Crowd = Callable[[np.random.Generator, Camera, Setting, bool], list[Person]]
"""Places the people: random numbers, camera, setting, and whether it rains."""


@dataclass(frozen=True, kw_only=True)
class Painted:
    """A finished picture and what can be told of it.

    image: uint8 [height, width, 3], BGR. shown: uint8 [height, width], the number of the head (from
    1) that a pixel shows, else 0. heads: those that came into the picture, the farthest first.
    """

    image: Pixels
    shown: Pixels
    heads: list[PaintedHead]


def paint_scene(rng: np.random.Generator, camera: Camera, crowd: Crowd) -> Painted:
    """Draw everything but the camera at random, and paint it."""
    setting = draw_setting(rng, camera)
    sensor = draw_sensor(rng, indoor=setting.indoor)
    people = crowd(rng, camera, setting, sensor.rain)
    things = draw_things(rng, camera, setting)
    canvas = Canvas.blank(camera)
    paint_backdrop(canvas, setting, rng)
    sun = np.array([rng.uniform(-0.8, 0.8), -rng.uniform(0.5, 1.0), -rng.uniform(0.1, 0.7)])
    sun /= np.linalg.norm(sun)
    _shadows(canvas, people, things, sun)
    heads = _paint_all(canvas, people, things, sun)
    image = expose(canvas.image, camera, sensor, rng)
    return Painted(image=image, shown=canvas.heads, heads=heads)


def _shadows(canvas: Canvas, people: list[Person], things: list[Thing], sun: Floats) -> None:
    """Darken the ground under whatever stands on it, longer away from the light."""
    height, width = canvas.heads.shape
    mask = np.zeros((height, width), np.uint8)
    turns = np.linspace(0, 2 * np.pi, 13)[:-1]
    spots = [(p.x_m, p.z_m, 0.3) for p in people] + [(t.x_m, t.z_m, 0.45) for t in things]
    for x_m, z_m, radius in spots:
        x = x_m - sun[0] * 0.35 + (radius + abs(sun[0]) * 0.35) * np.cos(turns)
        z = z_m + radius * 0.8 * np.sin(turns)
        ring = canvas.camera.outline(np.stack([x, np.zeros(12), z], axis=1))
        if len(ring) >= 3:
            cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 105)
    small = cv2.resize(mask, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.2), (width, height))
    rest = cv2.bitwise_not(soft)
    canvas.image[:] = cv2.multiply(canvas.image, cv2.merge([rest, rest, rest]), scale=1 / 255)


def _paint_all(
    canvas: Canvas, people: list[Person], things: list[Thing], sun: Floats
) -> list[PaintedHead]:
    """Paint people and things, the farthest first; returns the heads that came into the picture."""
    order: list[tuple[float, int, Person | Thing]] = []
    order += [(person.z_m, i, person) for i, person in enumerate(people)]
    order += [(thing.z_m, 1000 + i, thing) for i, thing in enumerate(things)]
    heads = []
    for _, i, item in sorted(order, key=lambda entry: (-entry[0], entry[1])):
        if isinstance(item, Thing):
            item.paint(canvas)
            continue
        head = paint_person(canvas, item, i + 1, sun)
        if head is not None:
            heads.append(head)
    return heads
