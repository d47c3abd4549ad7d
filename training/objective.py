"""What the training lowers: the losses of a batch, each divided by its number of positives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..recipe import TrainingSection
from ..runtime.contract import LANDMARK_VALUES, DetectorContract
from .landmark_loss import landmark_loss
from .losses import box_loss, flatten, focal_loss, hard_negative_loss


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The parts of the loss of one batch, scalars that can be differentiated."""

    score: Tensor
    box: Tensor
    landmark: Tensor | None = None
    """None of a network that gives no landmarks."""

    @property
    def total(self) -> Tensor:
        """Return the sum that is lowered."""
        boxes_and_scores = self.score + self.box
        return boxes_and_scores if self.landmark is None else boxes_and_scores + self.landmark

    def parts(self) -> dict[str, Tensor]:
        """Return what there is of them, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Objective:
    """The recipe's losses, on what the network gives for a batch and what it should have given."""

    def __init__(
        self,
        contract: DetectorContract,
        section: TrainingSection,
        total: Callable[[Tensor], Tensor] = lambda value: value,
    ) -> None:
        """Choose the losses; total: the sum of a number over all processes of the training.

        Every process divides by the count of the whole batch, so that the sum of their losses is
        that of one process.
        """
        self._contract = contract
        self._section = section
        self._total = total

    def __call__(
        self, outputs: tuple[list[Tensor], ...], labels: Tensor, targets: Tensor
    ) -> Losses:
        """Return the losses.

        outputs: raw scores and deltas of every level, as the network's `forward` gives them.
        labels: int64 [n, anchors], -1 for no loss. targets: deltas float32 [n, anchors, 4], or
        [n, anchors, 14] with those of the landmarks behind.
        """
        section = self._section
        scores = flatten(outputs[0], self._contract.scores_per_anchor).float()
        deltas = flatten(outputs[1], 4).float().flatten(0, 1)
        on_scores = self._score_loss(scores, labels)
        labels = labels.flatten()
        positives = self._total((labels > 0).sum()).clamp(min=1)
        targets = targets.flatten(0, 1)
        on_deltas = box_loss(deltas, targets[:, :4], labels) * section.box_weight
        landmark = None
        if self._contract.has_landmarks:
            points = flatten(outputs[2], LANDMARK_VALUES).float().flatten(0, 1)
            on_points = landmark_loss(points, targets[:, 4:], labels)
            landmark = on_points * section.landmark_weight / positives
        return Losses(score=on_scores / positives, box=on_deltas / positives, landmark=landmark)

    def _score_loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the sum over the anchors that the recipe's loss of the scores takes.

        scores: raw [n, anchors, classes]; labels: int64 [n, anchors].
        """
        section = self._section
        if section.loss == "hard_negative":
            return hard_negative_loss(scores, labels, ratio=section.negative_ratio)
        return focal_loss(
            scores.flatten(0, 1),
            labels.flatten(),
            gamma=section.focal_gamma,
            alpha=section.focal_alpha,
        )
