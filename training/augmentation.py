"""SSD's augmentation on OpenCV: photometric, expand, IoU crop and flips, in one resampling."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from ..datasets.partial import PartialRule
from ..datasets.record import MIRRORED_LANDMARKS, Annotation
from ..recipe import AugmentSection
from ..runtime import boxes as box_math
from ..runtime.contract import InputSpec
from ..runtime.images import with_bars
from ..runtime.placement import fitted

Image = npt.NDArray[np.uint8]

CROP_IOUS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""A crop must overlap some box by at least one of these (arXiv 1512.02325, section 2.2)."""
CROP_TRIES = 20
MIN_VISIBLE = 0.25
"""A box whose centre left the window is marked ignore above this visible share, else dropped."""
LEVELS = np.arange(256, dtype=np.uint8)
"""Of an 8-bit pixel: what tables are made from."""


def augment(
    image: Image,
    truth: Annotation,
    spec: InputSpec,
    section: AugmentSection,
    rng: np.random.Generator,
    partial: PartialRule | None = None,
) -> tuple[Image, Annotation]:
    """Return a changed image of the network's size, BGR, and its truth in its pixels.

    The window that is kept lies in it as `fitted` says: as an image of the window's size would.
    partial: what becomes of objects that the window cuts; where None, one whose centre is outside
    is ignored. A landmark outside is no longer known.
    """
    height, width = image.shape[:2]
    window = np.asarray([0.0, 0.0, width, height])
    if rng.random() < section.crop:
        window = _crop_window(window, truth, rng)
    elif rng.random() < section.expand:
        window = _expand_window(window, section.expand_ratio, rng)
    x, y, *inner = fitted(window[2] - window[0], window[3] - window[1], spec)
    size = (inner[0], inner[1])
    canvas = _cut(image, window, size, rng)
    truth = _move(truth, window, size, section.smallest_px, partial)
    if rng.random() < section.flip:
        canvas, truth = flip(canvas, truth, horizontal=True)
    if rng.random() < section.vertical_flip:
        canvas, truth = flip(canvas, truth, horizontal=False)
    if rng.random() < section.photometric:
        canvas = _photometric(canvas, rng)
    if rng.random() < section.grey:
        grey = cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY)
        canvas = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    # Last: a mirrored or lit bar would be none that the network meets.
    return np.ascontiguousarray(with_bars(canvas, x, y, spec)), _shift(truth, x, y)


def flip(image: Image, truth: Annotation, *, horizontal: bool) -> tuple[Image, Annotation]:
    """Return the mirrored image and truth; doing it twice gives the original back."""
    boxes = truth.boxes.copy()
    side = image.shape[1] if horizontal else image.shape[0]
    near, far = (0, 2) if horizontal else (1, 3)
    boxes[:, near], boxes[:, far] = side - truth.boxes[:, far], side - truth.boxes[:, near]
    mirrored = np.asarray(cv2.flip(image, 1 if horizontal else 0), np.uint8)
    truth = replace(truth, boxes=boxes, landmarks=_mirrored(truth.landmarks, side, near))
    return mirrored, truth


def _mirrored(
    landmarks: npt.NDArray[np.float32] | None, side: int, axis: int
) -> npt.NDArray[np.float32] | None:
    """Mirror points along an axis (0: left and right change places, and so names)."""
    if landmarks is None:
        return None
    out = landmarks[:, list(MIRRORED_LANDMARKS)] if axis == 0 else landmarks.copy()
    out[..., axis] = side - out[..., axis]
    return out


def _shift(truth: Annotation, x: int, y: int) -> Annotation:
    boxes = truth.boxes + np.asarray([x, y, x, y], np.float32)
    points = truth.landmarks
    if points is not None:
        points = points + np.asarray([x, y], np.float32)
    return replace(truth, boxes=boxes.astype(np.float32), landmarks=points)


def _crop_window(
    window: npt.NDArray[np.float64], truth: Annotation, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Draw a window of 0.3 to 1 of each side whose best IoU with a box is at least a drawn one."""
    width, height = window[2], window[3]
    boxes = truth.boxes[~truth.ignore]
    least = rng.choice(CROP_IOUS)
    for _ in range(CROP_TRIES):
        scale = rng.uniform(0.3, 1.0)
        stretch = np.sqrt(rng.uniform(0.6, 1.67))
        w, h = min(width, width * scale * stretch), min(height, height * scale / stretch)
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        crop = np.asarray([x, y, x + w, y + h])
        if len(boxes) == 0:
            return crop
        # SSD asks for the IoU of crop and box; for boxes much smaller than any crop that can never
        # be met, so the share of the box inside the crop counts, as in torchvision's variants.
        inside = box_math.intersection(boxes, crop[None].astype(np.float32))[:, 0]
        if (inside / box_math.area(boxes)).max() >= least and _holds_a_centre(boxes, crop):
            return crop
    return window


def _holds_a_centre(boxes: npt.NDArray[np.float32], crop: npt.NDArray[np.float64]) -> bool:
    centres = box_math.to_centred(boxes)[:, 0:2]
    return bool(((centres > crop[0:2]) & (centres < crop[2:4])).all(axis=1).any())


def _expand_window(
    window: npt.NDArray[np.float64], ratio: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Draw a window larger than the image: objects become smaller."""
    factor = rng.uniform(1.0, ratio)
    w, h = window[2] * factor, window[3] * factor
    x, y = rng.uniform(window[2] - w, 0), rng.uniform(window[3] - h, 0)
    return np.asarray([x, y, x + w, y + h])


def _cut(
    image: Image,
    window: npt.NDArray[np.float64],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Image:
    """Resample the window to `size` at once; what lies outside the image is its mean colour."""
    scale_x, scale_y = size[0] / (window[2] - window[0]), size[1] / (window[3] - window[1])
    # Pixel centres: target (u + 0.5) = (x + 0.5 - window) * scale, as cv2.resize counts them.
    matrix = np.asarray(
        [
            [scale_x, 0, (0.5 - window[0]) * scale_x - 0.5],
            [0, scale_y, (0.5 - window[1]) * scale_y - 0.5],
        ]
    )
    outside = window[0] < 0 or window[1] < 0
    fill = _mean_colour(image) if outside else [0.0, 0.0, 0.0]
    border = cv2.BORDER_CONSTANT if outside else cv2.BORDER_REPLICATE
    shrinks = min(scale_x, scale_y) < 0.6
    method = cv2.INTER_AREA if shrinks and rng.random() < 0.3 else cv2.INTER_LINEAR
    if method == cv2.INTER_AREA and not outside:
        x1, y1, x2, y2 = (round(float(v)) for v in window)
        return np.asarray(cv2.resize(image[y1:y2, x1:x2], size, interpolation=method), np.uint8)
    warped = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=fill
    )
    return np.asarray(warped, np.uint8)


def _mean_colour(image: Image) -> list[float]:
    """Return the mean of each channel; sums of whole numbers are exact however they are added."""
    pixels = image.shape[0] * image.shape[1]
    return [total / pixels for total in cv2.sumElems(image)[:3]]


def _move(
    truth: Annotation,
    window: npt.NDArray[np.float64],
    size: tuple[int, int],
    smallest_px: float,
    partial: PartialRule | None,
) -> Annotation:
    """Bring the truth into the pixels of the resampled window."""
    if len(truth) == 0:
        return truth
    scale = np.asarray([size[0] / (window[2] - window[0]), size[1] / (window[3] - window[1])])
    moved = (truth.boxes - np.tile(window[0:2], 2)) * np.tile(scale, 2)
    moved = moved.astype(np.float32)
    clipped = box_math.clip(moved, *size)
    visible = box_math.area(clipped) / np.maximum(box_math.area(moved), 1e-6)
    centres = box_math.to_centred(moved)[:, 0:2]
    centre_inside = ((centres > 0) & (centres < np.asarray(size))).all(axis=1)
    if partial is None:
        keep = centre_inside | (visible >= MIN_VISIBLE)
        labels, ignore = truth.labels, truth.ignore | ~centre_inside
    else:
        keep = visible > 0
        labels, ignore = partial.relabel(truth.labels, truth.ignore, visible)
    ignore = ignore | ((clipped[:, 2:4] - clipped[:, 0:2]).min(axis=1) < smallest_px)
    keep &= box_math.area(clipped) > 0
    points = truth.landmarks
    if points is not None:
        points = ((points[keep] - window[0:2]) * scale).astype(np.float32)
        points[((points < 0) | (points > size)).any(axis=2)] = np.nan
    return Annotation(
        boxes=clipped[keep], labels=labels[keep], ignore=ignore[keep], landmarks=points
    )


def _photometric(image: Image, rng: np.random.Generator) -> Image:
    """Change brightness, contrast, saturation and hue, each with even chance."""
    gain = rng.uniform(0.6, 1.4) if rng.random() < 0.5 else 1.0
    offset = rng.uniform(-32, 32) if rng.random() < 0.5 else 0.0
    out = cv2.convertScaleAbs(image, alpha=gain, beta=max(offset, 0.0))
    if offset < 0:
        out = cv2.subtract(out, np.full(4, -offset))
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(out, cv2.COLOR_BGR2HSV)
        # A table of 256 levels a channel: arithmetic on whole pictures takes ten times as long.
        hue = ((LEVELS.astype(np.int16) + rng.integers(-9, 10)) % 180).astype(np.uint8)
        saturation = cv2.convertScaleAbs(LEVELS, alpha=rng.uniform(0.6, 1.4)).reshape(256)
        table = np.stack([hue, saturation, LEVELS], axis=1)[None]  # [1, 256, 3]
        out = cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR)
    return np.asarray(out, np.uint8)
