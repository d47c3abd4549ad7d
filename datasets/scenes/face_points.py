"""The face of a painted head: its box and its five landmarks, as the head is drawn."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .camera import Floats
from .figures import PaintedHead
from .heads import EYE, MOUTH, NOSE, jaw_taper, project_spot

BROW_UP, CHIN_UP, CHEEK = 0.55, -1.0, 0.92
"""What of the front half of a head is its face: from brow to chin, from cheek to cheek."""


def facing(head: PaintedHead) -> float:
    """Return how far a head looks at the viewer: 1 straight, 0 in profile, -1 away."""
    return float(-head.axes[2, 2])


def face_box(head: PaintedHead) -> tuple[float, float, float, float]:
    """Return the box (x1, y1, x2, y2) in pixels around what can be seen of a head's face.

    Not cut to the picture; meaningful for a head that does not look away.
    """
    points, towards = _on_picture(head, _face_surface())
    seen = points[towards]
    x1, y1 = seen.min(axis=0)
    x2, y2 = seen.max(axis=0)
    return float(x1), float(y1), float(x2), float(y2)


def face_landmarks(head: PaintedHead) -> npt.NDArray[np.float32]:
    """Return the five landmarks, float32 [5, 2], pixels; NaN for one on the far side of the head.

    The order is that of LANDMARKS: the head's own right is left as seen in the image.
    """
    (eye_x, eye_y), (mouth_x, mouth_y) = EYE, MOUTH
    flat = [(eye_x, eye_y), (-eye_x, eye_y), (mouth_x, mouth_y), (-mouth_x, mouth_y)]
    surface = np.array([(x, y, np.sqrt(1 - x * x - y * y)) for x, y in flat])
    points, towards = _on_picture(head, surface)
    points[~towards] = np.nan
    across, down, depth = project_spot(head.axes, NOSE)
    nose = np.array(head.centre_px) + np.array([across, down]) * head.half_px
    if depth > 0:
        nose[:] = np.nan
    return np.stack([*points[:2], nose, *points[2:]]).astype(np.float32)


def _on_picture(head: PaintedHead, surface: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Project points of the unit sphere, [n, 3] right, up, front, as `paint_head` shades it.

    Returns pixels [n, 2] and whether each lies on the viewer's side, bool [n].
    """
    seen = surface @ head.axes.T
    narrow = 1 - jaw_taper(head.axes) * np.clip(seen[:, 1], 0, 1) ** 2
    offsets = np.stack([seen[:, 0] * narrow, seen[:, 1]], axis=1)
    return offsets * head.half_px + head.centre_px, seen[:, 2] < -0.05


@lru_cache(maxsize=1)
def _face_surface() -> Floats:
    """Return points, [n, 3], all over the face of the unit sphere: right, up, front."""
    right, up = np.meshgrid(np.linspace(-CHEEK, CHEEK, 15), np.linspace(CHIN_UP, BROW_UP, 15))
    front = np.sqrt(np.clip(1 - right**2 - up**2, 0, None))
    points = np.stack([right, up, front], axis=-1)[right**2 + up**2 <= 1]
    return np.asarray(points, np.float64)
