"""Whether a contract describes a TensorFlow Lite SSD: everything that the file itself says."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np

from ...errors import ArtifactError
from ...runtime.anchors import all_anchors
from ...runtime.contract import DetectorContract
from . import LABELS
from .structure import SsdStructure

ROUNDING = 1e-5
"""Of an anchor's coordinate, as a share of the image: float32 arithmetic in another order."""


def check_agreement(structure: SsdStructure, contract: DetectorContract, path: Path) -> None:
    """Raise ArtifactError, with both values, where the file contradicts the contract."""
    spec, image = contract.input, structure.image
    said: list[tuple[str, object, object]] = [
        ("network.height and width", (spec.height, spec.width), image.shape[1:3]),
        ("network.activation", contract.activation, "sigmoid"),
        ("network.variances", contract.variances, _variances(structure, path)),
        (
            "cells and anchors of the levels",
            [(v.rows, v.columns, len(v.anchors)) for v in contract.levels],
            [(v.rows, v.columns, v.anchors) for v in structure.levels],
        ),
    ]
    if image.scale is not None:
        said.append(("network.mean", spec.mean, float(image.zero_point or 0)))
        said.append(("network.std", spec.std, round(1 / image.scale, 3)))
    for what, ours, theirs in said:
        if ours != theirs:
            raise ArtifactError(f"{path}: {what}: the file has {theirs}, the contract says {ours}")
    _check_anchors(structure, contract, path)


def score_channels(structure: SsdStructure, contract: DetectorContract, path: Path) -> list[int]:
    """Return the score channel, within one anchor, of each class of the contract.

    The names are those of `labelmap.txt` beside the file, one a line, with or without a first line
    for the background. Raises ArtifactError where it is missing or does not know a class.
    """
    beside = path.with_name(LABELS)
    try:
        names = beside.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} holds no class names and {beside} cannot be read: put the names of its "
            f"{structure.classes} classes there, one a line"
        ) from error
    names = [name.strip() for name in names if name.strip()]
    background = structure.score_channels - structure.classes
    if len(names) not in (structure.classes, structure.score_channels):
        raise ArtifactError(
            f"{beside} names {len(names)} classes, {path} has {structure.classes}"
            + (f" and {background} for the background" if background else "")
        )
    first = background if len(names) == structure.classes else 0
    channels = []
    for wanted in contract.classes:
        if wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise ArtifactError(f"{beside} knows no class {wanted!r}{hint}")
        channels.append(first + names.index(wanted))
    return channels


def _variances(structure: SsdStructure, path: Path) -> tuple[float, float]:
    y, x, height, width = structure.divisors
    if y != x or height != width:
        raise ArtifactError(f"{path} divides its deltas by {structure.divisors}: x and y differ")
    return round(1 / y, 6), round(1 / height, 6)


def _check_anchors(structure: SsdStructure, contract: DetectorContract, path: Path) -> None:
    """Hold the contract's anchors against the file's, which are rounded to 8-bit codes.

    The network was trained on anchors at the cells' centres. A quantized file keeps them in codes
    of `anchor_step`, so that each is up to half a step away from where it was; the contract's are
    the unrounded ones and must round to the file's.
    """
    spec = contract.input
    pixels = np.asarray([spec.width, spec.height] * 2, np.float32)
    ours = (all_anchors(contract) / pixels)[:, [1, 0, 3, 2]]  # (cx, cy, w, h) -> (cy, cx, h, w)
    if ours.shape != structure.anchors.shape:
        raise ArtifactError(
            f"{path} has {len(structure.anchors)} anchors, the contract {len(ours)}"
        )
    apart = np.abs(ours - structure.anchors).max(axis=1)
    allowed = structure.anchor_step / 2 + ROUNDING
    if apart.max() <= allowed:
        return
    worst, first = int(apart.argmax()), 0
    for level in contract.levels:
        count = level.rows * level.columns * len(level.anchors)
        if worst < first + count:
            cy, cx, height, width = (structure.anchors[worst] * pixels).tolist()
            raise ArtifactError(
                f"{path}: network.anchors of the level of stride {level.stride}, number "
                f"{(worst - first) % len(level.anchors)}: the file has {width:.1f} x {height:.1f} "
                f"at ({cx:.1f}, {cy:.1f}), the contract's is {apart[worst]:.3g} of the image away"
            )
        first += count
