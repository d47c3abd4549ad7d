"""The anchors' hashes in `detector.json`: weights fit the anchors they were trained with only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .anchors import anchors_sha256, placed_levels

if TYPE_CHECKING:
    from .contract import DetectorContract

KEY = "anchors_sha256"
"""Of the whole file: all anchors. Of a level: its own, so that a change can be named."""


@dataclass(frozen=True, kw_only=True)
class AnchorHashes:
    """What a file says of its anchors; None where it says nothing, as before there were hashes."""

    together: object
    levels: tuple[object, ...]


def add_hashes(content: dict[str, Any], contract: DetectorContract) -> dict[str, Any]:
    """Return the content of a `detector.json` with the hashes of the contract's placed anchors."""
    placed = placed_levels(contract)
    levels = [
        {**level, KEY: anchors_sha256(anchors)}
        for level, anchors in zip(content["levels"], placed, strict=True)
    ]
    return {**content, KEY: anchors_sha256(np.concatenate(placed)), "levels": levels}


def take_hashes(content: dict[str, Any]) -> AnchorHashes:
    """Remove the hashes from the content of a `detector.json` and return them."""
    levels = tuple(level.pop(KEY, None) for level in content["levels"])
    return AnchorHashes(together=content.pop(KEY, None), levels=levels)


def changed_anchors(contract: DetectorContract, hashes: AnchorHashes) -> str:
    """Return, in words, which anchors are not those that the hashes are of; empty where all are."""
    placed = placed_levels(contract)
    changed = [
        f"of stride {level.stride} (now "
        + ", ".join(f"{w:g} x {h:g}" for w, h in level.anchors)
        + f" on {level.columns} x {level.rows} cells)"
        for level, anchors, known in zip(contract.levels, placed, hashes.levels, strict=True)
        if known not in (None, anchors_sha256(anchors))
    ]
    if not changed and hashes.together in (None, anchors_sha256(np.concatenate(placed))):
        return ""
    where = " and ".join(changed) or "as a whole"
    return f"the anchors {where} are not those of its {KEY}, which the network was trained with"
