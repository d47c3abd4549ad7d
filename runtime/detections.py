"""Detections: what a detector says about one image, as columns of equal length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

PALETTE = (
    (66, 133, 244),
    (52, 168, 83),
    (251, 140, 0),
    (171, 71, 188),
    (0, 172, 193),
    (234, 67, 53),
)
"""Box colours by class as RGB, readable on light and dark pictures."""


@dataclass(frozen=True, kw_only=True)
class Detections:
    """The detections of one image, highest score first.

    boxes: float32 [n, 4], (x1, y1, x2, y2) in pixels of the original image, inside it.
    scores: float32 [n], 0 to 1.
    labels: int64 [n], from 1; `classes[label - 1]` is the name.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float) -> Detections:
        """Return the detections with at least this score."""
        keep = self.scores >= score
        return Detections(
            boxes=self.boxes[keep],
            scores=self.scores[keep],
            labels=self.labels[keep],
            classes=self.classes,
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return one plain dictionary a detection: class, label, score and box in pixels."""
        return [
            {
                "class": self.classes[int(label) - 1],
                "label": int(label),
                "score": round(float(score), 6),
                "box": [round(float(v), 3) for v in box],
            }
            for box, score, label in zip(self.boxes, self.scores, self.labels, strict=True)
        ]

    def draw(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return a copy of a BGR image, uint8 [height, width, 3], with boxes and scores on it."""
        canvas = np.ascontiguousarray(image).copy()
        side = max(canvas.shape[:2])
        thickness = max(1, round(side / 400))
        scale = max(0.32, side / 1400)
        for box, score, label in zip(self.boxes, self.scores, self.labels, strict=True):
            red, green, blue = PALETTE[(int(label) - 1) % len(PALETTE)]
            x1, y1, x2, y2 = (round(float(v)) for v in box)
            cv2.rectangle(canvas, (x1, y1), (x2, y2), (blue, green, red), thickness, cv2.LINE_AA)
            name = self.classes[int(label) - 1]
            # One class needs no name on every box: the picture stays readable in a crowd.
            text = f"{score:.2f}" if len(self.classes) == 1 else f"{name} {score:.2f}"
            _label(canvas, text, (x1, y1), scale, (blue, green, red))
        return canvas


def _label(
    canvas: npt.NDArray[np.uint8],
    text: str,
    corner: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int],
) -> None:
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = min(max(corner[0], 0), max(canvas.shape[1] - width - 2, 0))
    y = corner[1] if corner[1] >= height + base else corner[1] + height + base
    cv2.rectangle(canvas, (x, y - height - base), (x + width + 2, y), colour, cv2.FILLED)
    cv2.putText(
        canvas,
        text,
        (x + 1, y - base // 2 - 1),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (255, 255, 255),
        1,
        cv2.LINE_AA,
    )
