"""What the training lowers: the losses of a batch, each divided by its number of positives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..recipe_training import TrainingSection
from ..runtime.contract import DetectorContract
from .losses import box_loss, flatten, focal_loss


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The parts of the loss of one batch, scalars that can be differentiated."""

    score: Tensor
    box: Tensor

    @property
    def total(self) -> Tensor:
        """Return the sum that is lowered."""
        return self.score + self.box


class Objective:
    """The recipe's losses, on what the network gives for a batch and what it should have given."""

    def __init__(self, contract: DetectorContract, section: TrainingSection) -> None:
        self._contract = contract
        self._section = section

    def __call__(
        self, outputs: tuple[list[Tensor], list[Tensor]], labels: Tensor, targets: Tensor
    ) -> Losses:
        """Return the losses.

        outputs: raw scores and deltas of every level, as the network's `forward` gives them.
        labels: int64 [n, anchors], -1 for no loss. targets: deltas float32 [n, anchors, 4].
        """
        section = self._section
        scores = flatten(outputs[0], self._contract.scores_per_anchor).float().flatten(0, 1)
        deltas = flatten(outputs[1], 4).float().flatten(0, 1)
        labels = labels.flatten()
        positives = (labels > 0).sum().clamp(min=1)
        on_scores = focal_loss(scores, labels, gamma=section.focal_gamma, alpha=section.focal_alpha)
        on_deltas = box_loss(deltas, targets.flatten(0, 1), labels) * section.box_weight
        return Losses(score=on_scores / positives, box=on_deltas / positives)
