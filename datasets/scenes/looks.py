"""How the people of a `Scenes` picture look: skin, hair, headgear and clothes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import Bgr

SKIN: tuple[Bgr, ...] = (
    (190, 205, 238), (165, 186, 226), (140, 168, 214), (118, 146, 198), (96, 124, 176),
    (74, 100, 150), (56, 78, 122), (42, 58, 92), (34, 44, 70),
)  # fmt: skip
HAIR: tuple[Bgr, ...] = (
    (22, 22, 26), (30, 34, 42), (34, 46, 66), (44, 64, 96), (70, 104, 146), (110, 150, 190),
    (130, 132, 136), (196, 198, 202), (36, 52, 120),
)  # fmt: skip
CLOTHES: tuple[Bgr, ...] = (
    (36, 34, 34), (60, 56, 54), (96, 92, 90), (150, 148, 146), (215, 214, 212), (92, 52, 30),
    (140, 92, 52), (52, 44, 128), (40, 40, 176), (60, 96, 60), (96, 132, 150), (70, 150, 210),
    (150, 110, 160), (58, 72, 96), (170, 150, 90), (60, 200, 220),
)  # fmt: skip
STYLES = (
    "short", "long", "bun", "fringe", "bald", "ring", "afro",
    "cap", "brim", "helmet", "beanie", "hood", "scarf",
)  # fmt: skip
STYLE_SHARES = (0.31, 0.14, 0.06, 0.08, 0.06, 0.04, 0.04, 0.08, 0.03, 0.04, 0.04, 0.04, 0.04)


@dataclass(frozen=True, kw_only=True)
class HeadLook:
    """What one head looks like; colours are BGR, 0 to 255."""

    style: str
    skin: Bgr
    hair: Bgr
    hat: Bgr
    mask: Bgr | None
    glasses: str
    """One of 'none', 'frame', 'dark'."""
    beard: bool
    phase: float
    """Where the uneven edge of the hair starts, radians."""
    scale: float
    """Size against HALF_M."""


def draw_look(rng: np.random.Generator) -> HeadLook:
    """Choose how a head looks."""
    vivid = rng.uniform(20, 235, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(25, 225))
    masked = rng.random() < 0.12
    pale = rng.uniform(170, 235)
    return HeadLook(
        style=str(rng.choice(STYLES, p=STYLE_SHARES)),
        skin=vary(SKIN[int(rng.integers(len(SKIN)))], rng, 8.0),
        hair=vary(HAIR[int(len(HAIR) * rng.random() ** 1.3)], rng, 7.0),
        hat=vary((float(vivid[0]), float(vivid[1]), float(vivid[2])), rng, 10.0),
        mask=((pale, pale - 8, pale - 22) if rng.random() < 0.7 else (32.0, 30.0, 30.0))
        if masked
        else None,
        glasses=str(rng.choice(["none", "frame", "dark"], p=[0.78, 0.14, 0.08])),
        beard=bool(rng.random() < 0.18),
        phase=float(rng.uniform(0, 6.28)),
        scale=float(rng.uniform(0.94, 1.08)),
    )


def vary(colour: Bgr, rng: np.random.Generator, spread: float) -> Bgr:
    """Move a colour a little at random, standard deviation `spread` per channel."""
    moved = np.clip(np.asarray(colour) + rng.normal(0.0, spread, 3), 4, 250)
    return float(moved[0]), float(moved[1]), float(moved[2])
