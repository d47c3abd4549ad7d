"""The things of a `Scenes` picture: what hides people, and what is round without being a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .scenes_backdrop import Setting, poster
from .scenes_camera import NEAR_M, Bgr, Camera, Canvas, Floats, Pixels
from .scenes_heads import HAIR, SKIN, sphere, vary
from .scenes_people import CLOTHES


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


WOODS: tuple[Bgr, ...] = (
    (70, 100, 135), (110, 145, 175), (50, 66, 88), (150, 152, 152), (205, 206, 204), (80, 80, 80),
    (120, 126, 120), (140, 130, 118), (168, 186, 200),
)  # fmt: skip


def furniture_colour(rng: np.random.Generator) -> Bgr:
    """Choose a colour of wood, metal or laminate; now and then a loud one."""
    if rng.random() < 0.15:
        return any_colour(rng)
    return vary(WOODS[int(rng.integers(len(WOODS)))], rng, 9.0)


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
        corners = [quad_m[0] + across * s + down * t
                   for s, t in ((left, 0.1), (right, 0.1), (right, 0.88), (left, 0.88))]  # fmt: skip
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


def goods(rng: np.random.Generator) -> Pixels:
    """Return the face of a shelf full of goods, [128, 160, 3]."""
    image = np.full((128, 160, 3), int(rng.integers(30, 90)), np.uint8)
    for low in range(30, 129, 32):
        left = 2
        while left < 156:
            wide, high = int(rng.integers(5, 18)), int(rng.integers(12, 28))
            colour = tuple(float(v) for v in rng.integers(20, 235, 3))
            if rng.random() < 0.25:
                cv2.circle(image, (left + wide // 2, low - wide // 2), wide // 2, colour, -1)
            else:
                cv2.rectangle(image, (left, low - high), (left + wide - 1, low), colour, cv2.FILLED)
            left += wide + 1
        cv2.line(image, (0, low + 1), (159, low + 1), (170, 172, 174), 2)
    return image


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
    items = [(float(rng.uniform(-0.4, 0.4)) * size[0], float(rng.uniform(0.06, 0.17)),
              any_colour(rng), bool(rng.random() < 0.6)) for _ in range(int(rng.integers(0, 5)))]  # fmt: skip

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


def ball(rng: np.random.Generator, x_m: float, z_m: float) -> Thing:
    """A ball on the ground."""
    radius, colour = float(rng.uniform(0.1, 0.25)), any_colour(rng)
    second = any_colour(rng) if rng.random() < 0.5 else None
    return Thing(z_m=z_m, x_m=x_m, paint=lambda canvas: orb(
        canvas, np.array([x_m, radius, z_m]), radius, colour, second=second))  # fmt: skip


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
            _wheel(canvas, np.array([x_m + dx, 0.31, z_m]), np.array([1.0, 0.0, 0.1]), 0.31)

    return Thing(z_m=z_m, x_m=x_m, paint=paint)


def _wheel(canvas: Canvas, centre: Floats, along: Floats, radius: float) -> None:
    turns = np.linspace(0, 2 * np.pi, 21)[:-1]
    for part, colour in ((1.0, (28.0, 27.0, 26.0)), (0.58, (120.0, 122.0, 124.0))):
        ring = [centre + along * (np.cos(a) * radius * part) + np.array([0, np.sin(a) * radius * part, 0])
                for a in turns]  # fmt: skip
        canvas.polygon(np.array(ring), colour)


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
                _wheel(canvas, np.array([x_m + dx, 0.31, front]), np.array([1.0, 0, 0]), 0.31)
            else:
                orb(canvas, np.array([x_m + dx, 0.62, front]), 0.09, (190, 215, 225), glow=True)

    return Thing(z_m=z_m - size[1] / 2, x_m=x_m, paint=paint)
