"""Detections: what a detector says about one image, as columns of equal length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .contract import LANDMARKS, Colour
from .drawing import PALETTE, draw_boxes, draw_landmarks
from .images import Image, three_channels

Selection = slice | npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections:
    """The detections of one image, highest score first.

    boxes: float32 [n, 4], (x1, y1, x2, y2) in pixels of the original image, inside it.
    scores: float32 [n], 0 to 1.
    labels: int64 [n], from 1; `classes[label - 1]` is the name.
    landmarks: float32 [n, 5, 2], (x, y) of each of LANDMARKS in pixels of the original image, where
        the network gives them, else None. A point may lie outside its box, and the image.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    landmarks: npt.NDArray[np.float32] | None = None

    # The columns are there to be computed with; Python would else iterate through `__getitem__`.
    __iter__ = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: Selection) -> Detections:
        """Return the chosen detections: by a slice, a mask [n] or an array of positions."""
        if not isinstance(chosen, slice | np.ndarray):
            raise TypeError(
                f"detections are chosen by a slice or an array, not by {type(chosen).__name__}"
            )
        return Detections(
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            labels=self.labels[chosen],
            classes=self.classes,
            landmarks=None if self.landmarks is None else self.landmarks[chosen],
        )

    def above(self, score: float) -> Detections:
        """Return the detections with at least this score."""
        return self[self.scores >= score]

    def of_class(self, name: str) -> Detections:
        """Return the detections of one class; ValueError for a name that is no class."""
        return self[self.labels == self.classes.index(name) + 1]

    def to_json(self) -> list[dict[str, Any]]:
        """Return one plain dictionary a detection: class, label, score and box in pixels.

        Where there are landmarks, also those: (x, y) in pixels by the names in LANDMARKS.
        """
        rows: list[dict[str, Any]] = [
            {
                "class": self.classes[int(label) - 1],
                "label": int(label),
                "score": round(float(score), 6),
                "box": [round(float(v), 3) for v in box],
            }
            for box, score, label in zip(self.boxes, self.scores, self.labels, strict=True)
        ]
        for row, points in zip(rows, self._rounded_landmarks(), strict=False):
            row["landmarks"] = dict(zip(LANDMARKS, points, strict=True))
        return rows

    def _rounded_landmarks(self) -> list[list[list[float]]]:
        """Return [x, y] of each point of each detection; empty where there are no landmarks."""
        if self.landmarks is None:
            return []
        return [[[round(float(v), 3) for v in p] for p in points] for points in self.landmarks]

    def to_coco(
        self, image_id: int, category_ids: Mapping[int, int] | None = None
    ) -> list[dict[str, Any]]:
        """Return COCO results, one plain dictionary a detection; bbox is (x, y, width, height).

        Where there are landmarks, keypoints is COCO's list of (x, y, visibility) in the order of
        LANDMARKS, the visibility always 2.
        category_ids: of each label; the label itself where None.
        """
        corners = self.boxes.astype(np.float64)
        sides = corners[:, 2:4] - corners[:, 0:2]
        rows = np.round(np.concatenate([corners[:, 0:2], sides], axis=1), 3)
        results: list[dict[str, Any]] = [
            {
                "image_id": image_id,
                "category_id": int(label) if category_ids is None else category_ids[int(label)],
                "bbox": [float(v) for v in row],
                "score": round(float(score), 6),
            }
            for row, score, label in zip(rows, self.scores, self.labels, strict=True)
        ]
        for result, points in zip(results, self._rounded_landmarks(), strict=False):
            result["keypoints"] = [v for x, y in points for v in (x, y, 2)]
        return results

    def draw(self, image: Image, *, colour: Colour = "bgr") -> npt.NDArray[np.uint8]:
        """Return a copy of an image with boxes, scores and landmarks on it, uint8 [h, w, 3].

        image: any that the detector accepts. colour: the order of its channels and the result's.
        """
        canvas = np.array(three_channels(image), order="C")
        palette = PALETTE if colour == "rgb" else tuple(c[::-1] for c in PALETTE)
        # One class needs no name on every box: the picture stays readable in a crowd.
        names = ("",) if len(self.classes) == 1 else tuple(f"{name} " for name in self.classes)
        draw_boxes(
            canvas,
            self.boxes,
            [f"{names[n - 1]}{s:.2f}" for n, s in zip(self.labels, self.scores, strict=True)],
            [palette[(int(n) - 1) % len(palette)] for n in self.labels],
        )
        if self.landmarks is not None:
            draw_landmarks(canvas, self.boxes, self.landmarks, rgb=colour == "rgb")
        return canvas
