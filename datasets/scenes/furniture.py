"""The furniture of a `Scenes` picture: what people stand behind and sit by."""

from __future__ import annotations

import numpy as np

from .camera import Canvas
from .looks import vary
from .solids import Thing, any_colour, block, furniture_colour, orb, post
from .textures import goods, poster


def shelf(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A shelf unit with goods."""
    size = (
        float(rng.uniform(1.2, 3.0)),
        float(rng.uniform(1.2, 2.1)),
        float(rng.uniform(0.4, 0.8)),
    )
    face, turn = goods(rng), float(rng.choice([0.0, 0.0, 1.45, -1.45]))
    colour = vary((130, 130, 130), rng, 30.0)
    return Thing(z_m=z_m, x_m=x_m, paint=lambda canvas: block(
        canvas, (x_m, z_m), size, colour, turn_rad=turn, face=face))  # fmt: skip


def counter(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A counter with round and square things on it."""
    size = (float(rng.uniform(1.2, 3.0)), float(rng.uniform(0.85, 1.15)), 0.7)
    colour, turn = furniture_colour(rng), float(rng.normal(0, 0.25))
    items = [
        (
            float(rng.uniform(-0.4, 0.4)) * size[0],
            float(rng.uniform(0.06, 0.17)),
            any_colour(rng),
            bool(rng.random() < 0.6),
        )
        for _ in range(int(rng.integers(0, 5)))
    ]

    def paint(canvas: Canvas) -> None:
        block(canvas, (x_m, z_m), size, colour, turn_rad=turn)
        for across, radius, shade, is_round in items:
            if is_round:
                orb(canvas, np.array([x_m + across, size[1] + radius, z_m]), radius, shade)
            else:
                cube = (radius * 2, radius * 2.4, radius * 2)
                block(canvas, (x_m + across, z_m), cube, shade, low_m=size[1])

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def pillar(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A square or round pillar up to the ceiling."""
    wide, colour = float(rng.uniform(0.25, 0.6)), vary((165, 168, 170), rng, 25.0)
    is_round = rng.random() < 0.4

    def paint(canvas: Canvas) -> None:
        if is_round:
            post(canvas, x_m, z_m, 6.0, wide, colour)
        else:
            block(canvas, (x_m, z_m), (wide, 6.0, wide), colour)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def bench(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A bench, at times with a bag or a ball on it."""
    colour, turn = furniture_colour(rng), float(rng.uniform(-0.6, 0.6))
    load = float(rng.uniform(0.1, 0.2)) if rng.random() < 0.6 else 0.0
    shade = any_colour(rng)

    def paint(canvas: Canvas) -> None:
        block(canvas, (x_m, z_m), (1.6, 0.08, 0.45), colour, low_m=0.4, turn_rad=turn)
        for end in (-0.65, 0.65):
            block(canvas, (x_m + end, z_m), (0.08, 0.4, 0.4), (60, 60, 60))
        if load:
            orb(canvas, np.array([x_m + 0.2, 0.48 + load, z_m]), load, shade, squash=1.15)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def boxes(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A stack of cartons."""
    sizes = [float(v) for v in rng.uniform(0.3, 0.6, int(rng.integers(1, 4)))]
    colour = vary((110, 150, 185), rng, 20.0)
    turns = [float(v) for v in rng.normal(0, 0.3, len(sizes))]

    def paint(canvas: Canvas) -> None:
        low = 0.0
        for side, turn in zip(sizes, turns, strict=True):
            block(canvas, (x_m, z_m), (side * 1.2, side, side), colour, low_m=low, turn_rad=turn)
            low += side

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def pile(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """Melons, sacks or pots in a heap on a low table."""
    colour, base = any_colour(rng), furniture_colour(rng)
    radius, squash = float(rng.uniform(0.09, 0.16)), float(rng.uniform(0.8, 1.25))
    spots = [(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0, 0.12)), vary(colour, rng, 12.0))
             for _ in range(int(rng.integers(2, 7)))]  # fmt: skip

    def paint(canvas: Canvas) -> None:
        block(canvas, (x_m, z_m), (1.3, 0.75, 0.6), base)
        for across, raised, shade in spots:
            middle = np.array([x_m + across, 0.75 + radius + raised, z_m])
            orb(canvas, middle, radius, shade, squash=squash)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def coats(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A rail with coats: shoulders without heads."""
    group = [(i * 0.32 - 0.5, any_colour(rng)) for i in range(int(rng.integers(2, 5)))]

    def paint(canvas: Canvas) -> None:
        post(canvas, x_m, z_m, 1.6, 0.05, (60, 60, 60))
        for dx, colour in group:
            shape = [
                [-0.06, 1.52],
                [0.06, 1.52],
                [0.21, 1.4],
                [0.23, 0.75],
                [-0.23, 0.75],
                [-0.21, 1.4],
            ]
            canvas.polygon(np.array([[x_m + dx + x, y, z_m] for x, y in shape]), colour)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def stand(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A display stand with a poster."""
    face, wide, high = poster(rng), float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.9, 1.8))
    return Thing(z_m=z_m, x_m=x_m, paint=lambda canvas: block(
        canvas, (x_m, z_m), (wide, high, 0.12), (70, 70, 72), face=face))  # fmt: skip
