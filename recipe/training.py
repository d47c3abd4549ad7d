"""The section `training`, with its `augment`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .section import Section

PARTIAL_IOU, PARTIAL_LEAST = 0.4, 0.15
"""A face of which less than the first is left is a partial one, less than the second ignored."""


class AugmentSection(Section):
    """How often, and how far, a training image is changed, and what becomes of cut objects."""

    photometric: float = Field(0.7, ge=0, le=1)
    grey: float = Field(0.05, ge=0, le=1)
    expand: float = Field(0.3, ge=0, le=1)
    expand_ratio: float = Field(1.8, ge=1)
    crop: float = Field(0.6, ge=0, le=1)
    flip: float = Field(0.5, ge=0, le=1)
    vertical_flip: float = Field(0.0, ge=0, le=1)
    smallest_px: float = Field(4.0, gt=0)
    """An object that becomes narrower or lower than this, in pixels of the input, is ignored: it
    is too small to help."""
    partial_class: str = ""
    """What an object becomes of which a crop leaves little: one of the data's classes, or one more
    behind them. Where empty, it is ignored if its centre is cut away."""
    partial_iou: float = Field(PARTIAL_IOU, gt=0, le=1)
    """IoU of what a crop leaves with the whole: from it up an object keeps its class."""
    partial_least: float = Field(PARTIAL_LEAST, ge=0, le=1)
    """Below this IoU what is left is ignored."""

    @model_validator(mode="after")
    def _partial(self) -> AugmentSection:
        if self.partial_least > self.partial_iou:
            raise ValueError("partial_least must not be above partial_iou")
        return self


class TrainingSection(Section):
    """The loop: optimizer, schedule, losses and matching."""

    start_from: str = ""
    """Checkpoint whose weights come instead of random ones: a file, or a shipped one's name."""
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(16, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    warmup: float = Field(0.15, ge=0, lt=1)
    """Share of the steps in which the learning rate rises."""
    ema_decay: float = Field(0.998, ge=0, lt=1)
    gradient_clip: float = Field(5.0, gt=0)
    """Largest L2 norm of all gradients together."""
    match_iou: float = Field(0.5, gt=0, lt=1)
    ignore_iou: float = Field(0.4, gt=0, lt=1)
    """An anchor between the two takes part in no loss."""
    loss: Literal["focal", "hard_negative"] = "focal"
    """Of the scores. focal: every anchor, the surer the less; hard_negative: softmax cross-entropy
    of the positives and each image's hardest negatives."""
    negative_ratio: float = Field(3.0, gt=0)
    """Negatives a positive, of loss: hard_negative."""
    focal_gamma: float = Field(2.0, ge=0)
    focal_alpha: float = Field(0.25, gt=0, lt=1)
    """Weight of the objects; the background's is 1 - alpha."""
    box_weight: float = Field(1.0, gt=0)
    landmark_weight: float = Field(0.1, gt=0)
    """Of a network that gives landmarks, where they are known."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 where the GPU or the CPU (AVX512-BF16, AMX) multiplies it natively, float16
    with a scaled loss on a GPU that does not."""
    seed: int = 0
    workers: int = Field(1, ge=0)
    """Processes that load and augment, for each process that trains."""
    cache_mib: int = Field(1024, ge=0)
    """Memory, in MiB a machine, in which decoded images stay for the next epoch; 0 for none."""
    validate_every: int = Field(10, ge=1)
    """In epochs."""
    patience: int = Field(0, ge=0)
    """Stop after so many validations in a row without a better one; 0 for never."""
    save_every: int = Field(0, ge=0)
    """Save what can be resumed within an epoch, too, after so many steps; 0 for its end only."""
    augment: AugmentSection = AugmentSection()

    @model_validator(mode="after")
    def _band(self) -> TrainingSection:
        if self.ignore_iou > self.match_iou:
            raise ValueError("ignore_iou must not be above match_iou")
        return self
