"""The things of a `Scenes` picture, and what among them is round without being a head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .backdrop import Setting
from .camera import Bgr, Camera, Canvas
from .furniture import bench, boxes, coats, counter, pile, pillar, shelf, stand
from .looks import CLOTHES, vary
from .solids import Thing, any_colour, block, orb, post, wheel


def draw_things(rng: np.random.Generator, camera: Camera, setting: Setting) -> list[Thing]:
    """Choose the things of a scene."""
    makers: dict[str, list[Callable[[np.random.Generator, float, float], Thing]]] = {
        "hall": [counter, pillar, ball, bin_, plant, bench, boxes, balloons, coats, stand],
        "corridor": [bin_, plant, bench, boxes, coats, stand, ball],
        "shop": [shelf, shelf, shelf, counter, boxes, ball, coats, pile, pile, balloons],
        "street": [car, car, sign, globe_lamp, tree, bin_, tyres, pile, stand, bench],
        "plaza": [globe_lamp, tree, bench, bin_, sign, balloons, ball, pile, pillar, stand],
    }
    choice = makers[setting.place]
    things = []
    for _ in range(int(rng.integers(2, 14))):
        maker = choice[int(rng.integers(len(choice)))]
        x_m, z_m = ground_spot(rng, camera)
        large = maker in (shelf, counter, pillar, car, coats, tree, pile)
        if large:
            z_m += 0.3 * camera.reach_m + 0.4
        # Things close by would fill the picture and leave nobody to see.
        depth_m = camera.to_camera(np.array([[x_m, 1.5, z_m]]))[0, 2]
        if maker is car and depth_m < 6.0:
            continue
        if depth_m < (0.85 if large else 0.6) * camera.reach_m or z_m < 1.0:
            continue
        if abs(x_m) < setting.half_width_m * 1.4 and z_m < setting.depth_m - 0.5:
            things.append(maker(rng, x_m, z_m))
    return things


def ground_spot(rng: np.random.Generator, camera: Camera) -> tuple[float, float]:
    """Choose a place (x, z) on the ground in or just outside the picture, metres."""
    depth_m = camera.reach_m * float(np.exp(rng.normal(0.15, 0.4)))
    down_m = camera.height_m - 0.8
    sin, cos = np.sin(camera.pitch_rad), np.cos(camera.pitch_rad)
    z_m = max(0.9, (depth_m - down_m * sin) / cos)
    side = float(rng.uniform(-0.56, 0.56)) * camera.width_px / camera.focal_px
    return side * depth_m, z_m


def ball(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A ball on the ground."""
    radius, colour = float(rng.uniform(0.1, 0.25)), any_colour(rng)
    second = any_colour(rng) if rng.random() < 0.5 else None
    return Thing(z_m=z_m, x_m=x_m, paint=lambda canvas: orb(
        canvas, np.array([x_m, radius, z_m]), radius, colour, second=second))  # fmt: skip


def bin_(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A bin with a domed lid."""
    high, wide, colour = (
        float(rng.uniform(0.5, 0.95)),
        float(rng.uniform(0.3, 0.5)),
        any_colour(rng),
    )
    lid = any_colour(rng)

    def paint(canvas: Canvas) -> None:
        orb(canvas, np.array([x_m, 0.06, z_m]), wide / 2, colour, squash=0.4)
        post(canvas, x_m, z_m, high, wide, colour)
        orb(canvas, np.array([x_m, high, z_m]), wide / 2, lid, squash=0.6)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def plant(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A pot plant."""
    leaf, pot = vary((50, 110, 60), rng, 18.0), any_colour(rng)
    leaves = [tuple(float(v) for v in rng.normal(0, 0.16, 2)) for _ in range(14)]
    high = float(rng.uniform(0.6, 1.3))

    def paint(canvas: Canvas) -> None:
        orb(canvas, np.array([x_m, 0.18, z_m]), 0.2, pot)
        post(canvas, x_m, z_m, high, 0.05, (50, 70, 80))
        for dx, dy in leaves:
            tone = 0.8 + dy
            shade = (leaf[0] * tone, leaf[1] * tone, leaf[2] * tone)
            tip = np.array([x_m + dx * 1.6, high + dy * 1.6, z_m])
            root = np.array([x_m, high - 0.2, z_m])
            side = np.array([0.07, 0.03, 0.0])
            canvas.polygon(
                np.array([root, (root + tip) / 2 + side, tip, (root + tip) / 2 - side]), shade
            )

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def balloons(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A bunch of balloons on strings."""
    group = [(float(rng.normal(0, 0.2)), float(rng.uniform(1.2, 2.2)), any_colour(rng))
             for _ in range(int(rng.integers(1, 5)))]  # fmt: skip

    def paint(canvas: Canvas) -> None:
        for dx, high, colour in group:
            string = np.array([[x_m + dx, high, z_m], [x_m + dx + 0.012, high, z_m],
                               [x_m + 0.012, 0.2, z_m], [x_m, 0.2, z_m]])  # fmt: skip
            canvas.polygon(string, (180, 180, 180))
            orb(canvas, np.array([x_m + dx, high, z_m]), 0.13, colour, squash=1.2)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def sign(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A round traffic sign on a post."""
    high, rim, inner = float(rng.uniform(1.8, 2.4)), any_colour(rng), any_colour(rng)

    def paint(canvas: Canvas) -> None:
        post(canvas, x_m, z_m, high, 0.06, (130, 132, 134))
        for radius, colour in ((0.3, rim), (0.22, inner)):
            turns = np.linspace(0, 2 * np.pi, 25)[:-1]
            disc = [[x_m + radius * np.cos(a), high + radius * np.sin(a), z_m] for a in turns]
            canvas.polygon(np.array(disc), colour)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def globe_lamp(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A lamp post with one or two globes."""
    high, lit = float(rng.uniform(1.6, 3.0)), bool(rng.random() < 0.5)
    colour: Bgr = (225, 240, 250) if lit else vary((175, 180, 185), rng, 15.0)
    twin = rng.random() < 0.4

    def paint(canvas: Canvas) -> None:
        post(canvas, x_m, z_m, high, 0.09, (52, 52, 50))
        for dx in (-0.3, 0.3) if twin else (0.0,):
            orb(canvas, np.array([x_m + dx, high + 0.12, z_m]), 0.16, colour, glow=lit)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def tree(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A street tree; its crown hides what is behind it."""
    leaf = vary((52, 100, 70), rng, 14.0)
    blobs = rng.normal(0, 1, (38, 3)) * (0.55, 0.45, 0.2)
    crown = float(rng.uniform(2.2, 3.2))

    def paint(canvas: Canvas) -> None:
        post(canvas, x_m, z_m, crown, 0.22, (58, 72, 88))
        scale = canvas.camera.scale_px(np.array([x_m, crown, z_m]))
        for x, y, tone in blobs:
            middle = canvas.camera.outline(np.array([[x_m + x, crown + 0.5 + y, z_m]] * 3))
            if len(middle) == 0:
                return
            shade = 1 + 0.9 * tone + 0.2 * y
            turns = np.linspace(0, 2 * np.pi, 9)[:-1] + x
            rough = 0.26 * scale * (1 + 0.25 * np.sin(5 * turns + y * 9))
            ring = middle[0] + np.stack([np.cos(turns), np.sin(turns)], axis=1) * rough[:, None]
            canvas.flat(ring, (leaf[0] * shade, leaf[1] * shade, leaf[2] * shade))

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def tyres(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """Tyres that lean or lie."""
    group = [float(v) for v in rng.uniform(-0.6, 0.6, int(rng.integers(1, 4)))]

    def paint(canvas: Canvas) -> None:
        for dx in group:
            wheel(canvas, np.array([x_m + dx, 0.31, z_m]), np.array([1.0, 0.0, 0.1]), 0.31)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def car(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A parked car, seen along or across."""
    colour = vary(CLOTHES[int(rng.integers(len(CLOTHES)))], rng, 12.0)
    across = rng.random() < 0.6
    size = (4.2, 1.75) if across else (1.75, 4.2)

    def paint(canvas: Canvas) -> None:
        glass = (62.0, 56.0, 52.0)
        block(canvas, (x_m, z_m), (size[0], 0.62, size[1]), colour, low_m=0.22)
        cabin = (size[0] * (0.52 if across else 0.86), size[1] * (0.86 if across else 0.52))
        block(canvas, (x_m, z_m), (cabin[0], 0.5, cabin[1]), glass, low_m=0.84)
        block(canvas, (x_m, z_m), (cabin[0] * 0.9, 0.06, cabin[1] * 0.9), colour, low_m=1.33)
        front = z_m - size[1] / 2 - 0.01
        ends = (-size[0] * 0.32, size[0] * 0.32)
        for dx in ends:
            if across:
                wheel(canvas, np.array([x_m + dx, 0.31, front]), np.array([1.0, 0, 0]), 0.31)
            else:
                orb(canvas, np.array([x_m + dx, 0.62, front]), 0.09, (190, 215, 225), glow=True)

    return Thing(z_m=z_m - size[1] / 2, x_m=x_m, paint=paint)
