"""The people of a `Scenes` picture: who stands, walks or sits where, and their joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import Bgr, Floats
from .looks import CLOTHES, HeadLook, draw_look, vary


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
        return np.asarray(
            foot + side * (across * tall) + up * (high * tall) + ahead * (forward * tall)
        )

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
    points["head"] = at(0.0, 0.0, 0.02) + up * (0.842 * tall - drop + 0.112)
    points["back"] = at(0.0, 0.7 + low, -0.1)
    points["bag"] = at(wide * 1.3, 0.46 + low, 0.0)
    points["dome"] = at(0.05, 1.12 + low, 0.05)
    return points
