"""All figures of a detector on a set of images: COCO's, PASCAL VOC's and the miss rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..datasets.record import Annotation
from ..runtime.detections import Detections
from .average_precision import area_under, eleven_point, mean_of_known
from .coco_metrics import CocoMetrics, coco_metrics
from .curves import Ranking, rank
from .matches import Matches
from .matching import match_coco, match_voc, overlaps_of
from .miss_rate import log_average, log_average_crowdhuman

Metric = Literal["coco", "voc07", "voc", "mr"]
METRICS: tuple[Metric, ...] = get_args(Metric)


@dataclass(frozen=True, kw_only=True)
class ByClass:
    """One figure, 0 to 1: of every class, nan without objects, and the mean of the known."""

    mean: float
    per_class: dict[str, float]

    @classmethod
    def of(cls, rankings: dict[str, Ranking], read: Callable[[Ranking], float]) -> ByClass:
        """Read one figure off every class's ranking."""
        values = {name: read(ranking) for name, ranking in rankings.items()}
        return cls(mean=mean_of_known(values), per_class=values)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Every figure that was asked for; None for the others.

    coco: COCO's twelve. voc07: PASCAL VOC's eleven-point AP of 2007, voc: its area AP since 2010,
    both at IoU 0.5 and by its own matching. mr: the log-average miss rate as the Caltech toolbox
    reads it off, mr_crowdhuman: as CrowdHuman's evaluation does; IoU 0.5, lower is better.
    rankings: of every class by COCO's matching at IoU 0.5, every detection: what the miss rate is
    read off.
    """

    coco: CocoMetrics | None
    voc07: ByClass | None
    voc: ByClass | None
    mr: ByClass | None
    mr_crowdhuman: ByClass | None
    rankings: dict[str, Ranking]


def score_all(
    truths: Sequence[Annotation],
    found: Sequence[Detections],
    classes: Sequence[str],
    metrics: Iterable[Metric] = METRICS,
) -> Scores:
    """Score the detections of some images against their annotations, pairwise."""
    wanted, overlaps = set(metrics), overlaps_of(truths, found)
    rankings = _rankings(match_coco(overlaps), classes)
    voc = _rankings(match_voc(overlaps), classes)
    return Scores(
        coco=coco_metrics(overlaps, classes) if "coco" in wanted else None,
        voc07=ByClass.of(voc, eleven_point) if "voc07" in wanted else None,
        voc=ByClass.of(voc, area_under) if "voc" in wanted else None,
        mr=ByClass.of(rankings, log_average) if "mr" in wanted else None,
        mr_crowdhuman=ByClass.of(rankings, log_average_crowdhuman) if "mr" in wanted else None,
        rankings=rankings,
    )


def _rankings(matches: Matches, classes: Sequence[str]) -> dict[str, Ranking]:
    return {name: rank(matches, label) for label, name in enumerate(classes, 1)}
