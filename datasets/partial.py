"""When a face is called a partial face: where little of it is left to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..recipe.training import PARTIAL_IOU, PARTIAL_LEAST, AugmentSection


@dataclass(frozen=True, kw_only=True)
class PartialRule:
    """Which label an object gets by the part of it that is left.

    label: the class of the partial ones. below: the least part that is a whole one. least: the
    least part that can be learnt; what is left of the others is to be ignored. The part is the IoU
    of what is visible with the whole: as it lies inside the whole, the share of its area.
    """

    label: int
    below: float = PARTIAL_IOU
    least: float = PARTIAL_LEAST

    def relabel(
        self,
        labels: npt.NDArray[np.int64],
        ignore: npt.NDArray[np.bool_],
        part: npt.NDArray[np.floating],
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return labels and ignore, [n] each, after objects were cut to a part of themselves.

        part: [n], 0 to 1, of each object's box. Of one that was partial before, `below` at most was
        left, so that its part of the whole is at most `part * below`.
        """
        left = np.where(labels == self.label, part * self.below, part)
        whole = (part >= 1) | (left >= self.below)  # uncut, whatever it was, or enough is left
        out = np.where(whole, labels, self.label).astype(np.int64)
        return out, np.asarray(ignore | (left < self.least), np.bool_)


def partial_rule(classes: Sequence[str], section: AugmentSection) -> PartialRule | None:
    """Return the rule that a recipe asks for, None where it names no partial class.

    classes: without the background, of the recipe or of its data: which may have none.
    """
    name = section.partial_class
    if not name:
        return None
    label = classes.index(name) + 1 if name in classes else len(classes) + 1
    return PartialRule(label=label, below=section.partial_iou, least=section.partial_least)
