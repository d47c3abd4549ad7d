"""The section `evaluation`: thresholds for scoring and of the detector, and the report's budget."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .section import Section


class EvaluationSection(Section):
    """Thresholds for scoring (low: the whole curve is seen), and the detector's defaults."""

    score: float = Field(0.01, ge=0, lt=1)
    default_score: float = Field(0.3, ge=0, lt=1)
    per_class: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)
    """Default least score of single classes, in the place of `default_score`."""
    nms: Literal["class_aware", "class_agnostic"] = "class_aware"
    """Whether boxes suppress each other only within a class, or across all classes."""
    nms_iou: float = Field(0.45, gt=0, le=1)
    soft_nms: Literal["off", "linear", "gaussian"] = "off"
    """Whether an overlap drops a box (off) or lowers its score."""
    soft_sigma: float = Field(0.5, gt=0)
    """Width of the gaussian decay."""
    top_k: int = Field(1000, ge=1)
    """Candidates, the best, that go into NMS."""
    max_detections: int = Field(200, ge=1)
    max_drop: float = Field(0.5, ge=0)
    """Budget of the report: points of AP@0.5 that INT8 on the HTP may lose against float."""
