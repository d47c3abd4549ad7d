"""Anchors that a recipe need not name: SSD's default boxes, and each network's published ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Anchors = tuple[tuple[tuple[float, float], ...], ...]
"""(width, height) in pixels of the network's input, for every level, finest first."""


def level_scales(levels: int, smallest: float, largest: float) -> list[float]:
    """Return the scale of each level and of one more, as shares of the input's side.

    Source: SSD, arXiv 1512.02325, equation 4; the one more is what its formula gives for level
    `levels` + 1, which the last level's larger square needs.
    """
    step = (largest - smallest) / (levels - 1)
    return [smallest + step * k for k in range(levels + 1)]


def default_boxes(
    smaller: float, larger: float | None, ratios: Sequence[float]
) -> list[tuple[float, float]]:
    """Return the anchors of one level, (width, height) in the unit of its scale.

    A square of scale `smaller`; one of the geometric mean of `smaller` and `larger`, the next
    level's scale, where there is one; then for every ratio a box of that width / height and its
    transpose, of the area of the first: w = s sqrt(a), h = s / sqrt(a).
    Source: SSD, arXiv 1512.02325, section 2.2; the order is that of its published code, in which
    the channels of published weights lie.
    """
    boxes = [(smaller, smaller)]
    if larger is not None:
        mean = math.sqrt(smaller * larger)
        boxes.append((mean, mean))
    for ratio in ratios:
        long, short = smaller * math.sqrt(ratio), smaller / math.sqrt(ratio)
        boxes += [(long, short), (short, long)]
    return boxes


def published_anchors(name: str, width: int, height: int, levels: int | None = None) -> Anchors:
    """Return the anchors that a network was published with, scaled to an input of this size.

    levels: only the finest so many. Empty for a network that this table does not know.
    """
    if name not in PUBLISHED:
        return ()
    return tuple(
        tuple((round(w * width, 2), round(h * height, 2)) for w, h in boxes)
        for boxes in PUBLISHED[name]()[:levels]
    )


def _f38() -> list[list[tuple[float, float]]]:
    """Give the anchors of `heads`: sides 17 to 210 px at 300x300, height / width = 1.5."""
    pixels = [
        [(13.9, 20.8), (22.0, 33.1)],
        [(31.0, 46.5), (44.9, 67.4)],
        [(63.7, 95.5), (89.8, 134.7)],
        [(122.5, 183.7), (171.5, 257.2)],
    ]
    return [[(w / 300, h / 300) for w, h in boxes] for boxes in pixels]


def _faces() -> list[list[tuple[float, float]]]:
    """Give the anchors of `faces`: sides 11 to 58 px at 192x160, height / width = 1.4."""
    pixels = [
        [(9.3, 13.0), (12.7, 17.7)],
        [(17.8, 24.8), (24.9, 34.9)],
        [(34.7, 48.5), (49.0, 68.6)],
    ]
    return [[(w / 192, h / 160) for w, h in boxes] for boxes in pixels]


def _rfb320() -> list[list[tuple[float, float]]]:
    """Give the squares of the Ultra-Light-Fast face detector: sides 10 to 256 px at 320x240.

    Its published code clips the last to the picture.
    """
    pixels = [[10, 16, 24], [32, 48], [64, 96], [128, 192, 256]]
    return [[(side / 320, min(side / 240, 1.0)) for side in sides] for sides in pixels]


def _mobilenet_caffe() -> list[list[tuple[float, float]]]:
    """Give the PriorBox layers of chuanqi305's MobileNet-SSD: 0.2 to 0.95, and 1 above the last.

    Its first level has no second square: (0.2, 1.0), (0.2, 2.0), (0.2, 0.5) as (scale, ratio).
    """
    scales = [*level_scales(6, 0.2, 0.95)[:6], 1.0]
    first = default_boxes(scales[0], None, [2])
    return [first, *(default_boxes(scales[k], scales[k + 1], [2, 3]) for k in range(1, 6))]


def _pytorch_ssd() -> list[list[tuple[float, float]]]:
    """Give those of pytorch-ssd's MobileNets: 0.2 to 0.95 on six levels, six anchors on each."""
    return _by_scales(level_scales(6, 0.2, 0.95), [[2, 3]] * 6)


def _ssd300() -> list[list[tuple[float, float]]]:
    """Give those of SSD300 on VOC: 0.1 on conv4_3, then 0.2 to 0.88 (the published code's steps).

    The paper spreads 0.2 to 0.9 over the five further levels; its code rounds the step to 0.17.
    """
    scales = [0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05]
    return _by_scales(scales, [[2], [2, 3], [2, 3], [2, 3], [2], [2]])


def _ssd512() -> list[list[tuple[float, float]]]:
    """Give those of SSD512 on VOC: 0.07 on conv4_3, then 0.15 to 0.9 by steps of 0.15."""
    scales = [0.07, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05]
    return _by_scales(scales, [[2], [2, 3], [2, 3], [2, 3], [2, 3], [2], [2]])


def _by_scales(
    scales: Sequence[float], ratios: Sequence[Sequence[float]]
) -> list[list[tuple[float, float]]]:
    """Give the default boxes of every level; `scales` has one more than there are levels."""
    return [
        default_boxes(smaller, larger, level)
        for smaller, larger, level in zip(scales, scales[1:], ratios, strict=False)
    ]


PUBLISHED: dict[str, Callable[[], list[list[tuple[float, float]]]]] = {
    "mb2_ssd_lite_f38": _f38,
    "mb2_ssd_lite_f38_relu": _f38,
    "mb2_ssd_lite_f38_tiny": _f38,
    "face_landmarks": _faces,
    "rfb320": _rfb320,
    "mb2_ssd_lite": _pytorch_ssd,
    "mb1_ssd": _mobilenet_caffe,
    "mb1_ssd_3x3": _pytorch_ssd,
    "ssd300_vgg16": _ssd300,
    "ssd512_vgg16": _ssd512,
}
"""By network, for every level (width, height) as shares of the input's width and height."""
