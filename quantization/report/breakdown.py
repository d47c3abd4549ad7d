"""Where the drop is: by class, size, anchor level, IoU and score, and which heads are to blame."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...evaluation.bootstrap import (
    Resampling,
    Spread,
    average_precisions,
    mean_over_classes,
)
from ...evaluation.curves import Double, precisions, rank
from ...evaluation.groups import Group, by_coco_size, by_level, by_tercile, network_sides
from ...evaluation.matches import Bools, Ints, Matches
from ...runtime.contract import DetectorContract
from ...runtime.placement import Placement
from .measuring import INT8_BOXES, INT8_SCORES
from .schema import FLOAT, GRAPHS, INT8_CPU, INT8_HTP, Breakdown, Part, ScoreBand, Swap

SCORE_BORDERS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Every graph's matches, and its AP in every replicate.

    precision: by key, [classes, 10 IoUs, 1 + replicates]; of the mixed results too.
    """

    classes: Sequence[str]
    matches: Mapping[str, Matches]
    precision: Mapping[str, Double]
    resampling: Resampling

    @classmethod
    def of(
        cls, matches: Mapping[str, Matches], classes: Sequence[str], resampling: Resampling
    ) -> Scored:
        """Compute the average precisions of all replicates."""
        labels = range(1, len(classes) + 1)
        return cls(
            classes=classes,
            matches=matches,
            precision={
                key: average_precisions(m, labels, resampling, ious=range(len(m.ious)))
                for key, m in matches.items()
            },
            resampling=resampling,
        )

    def ap50(self, key: str) -> Spread:
        """Return AP at IoU 0.5, the mean of the classes."""
        return mean_over_classes(self.precision[key][:, :1])

    def ap(self, key: str) -> Spread:
        """Return AP over IoU 0.5 to 0.95, the mean of the classes."""
        return mean_over_classes(self.precision[key])


def break_down(
    scored: Scored, contract: DetectorContract, placements: Sequence[Placement]
) -> Breakdown:
    """Return where the drop is.

    In groups of objects the matching is that of all objects together, so that every hit is in one
    group and the groups add up. A false alarm belongs to the group of its own box.
    """
    sides = {key: network_sides(scored.matches[key], placements) for key in GRAPHS}
    sizes = _parts(scored, {key: by_coco_size(s) for key, s in sides.items()})
    thirds = {key: by_tercile(scored.matches[key], s) for key, s in sides.items()}
    return Breakdown(
        classes=[
            _part(
                scored,
                name=name,
                bounds="",
                objects=int((_counted(scored) & (_labels(scored) == index + 1)).sum()),
                values={k: Spread(values=scored.precision[k][index, 0]) for k in GRAPHS},
            )
            for index, name in enumerate(scored.classes)
        ],
        sizes=sizes,
        terciles=_parts(scored, thirds) if any(p.objects == 0 for p in sizes) else [],
        levels=_parts(scored, {key: by_level(contract, s) for key, s in sides.items()}),
        ious=[
            _part(
                scored,
                name=f"{threshold:.2f}",
                bounds="",
                objects=int(_counted(scored).sum()),
                values={
                    k: mean_over_classes(scored.precision[k][:, index : index + 1]) for k in GRAPHS
                },
            )
            for index, threshold in enumerate(scored.matches[FLOAT].ious)
        ],
        score_bands=score_bands(scored.matches),
    )


def score_bands(matches: Mapping[str, Matches]) -> list[ScoreBand]:
    """Count hits and false alarms by score, at IoU 0.5; a score of 1 is in the last band."""
    counts: dict[str, dict[str, list[int]]] = {}
    for key in GRAPHS:
        found = matches[key]
        counts[key] = {
            kind: [int(n) for n in np.histogram(found.score[chosen], SCORE_BORDERS)[0]]
            for kind, chosen in (("hits", found.hit()), ("alarms", found.false_alarm()))
        }
    return [
        ScoreBand(
            low=low,
            high=high,
            hits={key: counts[key]["hits"][index] for key in GRAPHS},
            false_alarms={key: counts[key]["alarms"][index] for key in GRAPHS},
        )
        for index, (low, high) in enumerate(itertools.pairwise(SCORE_BORDERS))
    ]


def swap_heads(scored: Scored) -> list[Swap]:
    """Return the two by two: score and box outputs of float and of INT8 on the HTP."""
    cells = []
    for key, scores_from, boxes_from in (
        (FLOAT, FLOAT, FLOAT),
        (INT8_BOXES, FLOAT, INT8_HTP),
        (INT8_SCORES, INT8_HTP, FLOAT),
        (INT8_HTP, INT8_HTP, INT8_HTP),
    ):
        drop = scored.ap50(key).drop_from(scored.ap50(FLOAT))
        cells.append(
            Swap(
                scores_from=scores_from,
                boxes_from=boxes_from,
                ap50=scored.ap50(key).value,
                ap=scored.ap(key).value,
                drop_ap50=drop.value,
                drop_ap50_interval=None if key == FLOAT else drop.interval(),
                drop_ap=scored.ap(key).drop_from(scored.ap(FLOAT)).value,
            )
        )
    return cells


def precision_curves(scored: Scored) -> dict[str, dict[str, list[float]]]:
    """Return the precision at each recall of COCO's, at IoU 0.5, by class and graph."""
    once = np.ones((scored.matches[FLOAT].truths.images, 1))
    curves: dict[str, dict[str, list[float]]] = {}
    for label, name in enumerate(scored.classes, 1):
        some = bool((_counted(scored) & (_labels(scored) == label)).any())
        curves[name] = {
            key: [float(v) for v in precisions(rank(scored.matches[key], label), once)[0]]
            for key in GRAPHS
            if some
        }
    return curves


def _parts(scored: Scored, groups: Mapping[str, Sequence[Group]]) -> list[Part]:
    labels = range(1, len(scored.classes) + 1)
    parts = []
    for index, group in enumerate(groups[FLOAT]):
        values = {
            key: mean_over_classes(
                average_precisions(
                    scored.matches[key],
                    labels,
                    scored.resampling,
                    truths=group.truths,
                    found=groups[key][index].found,
                )
            )
            for key in GRAPHS
        }
        objects = int((_counted(scored) & group.truths).sum())
        parts.append(
            _part(scored, name=group.name, bounds=group.bounds, objects=objects, values=values)
        )
    return parts


def _part(
    scored: Scored, *, name: str, bounds: str, objects: int, values: Mapping[str, Spread]
) -> Part:
    drops = {key: values[key].drop_from(values[FLOAT]) for key in (INT8_CPU, INT8_HTP)}
    return Part(
        name=name,
        bounds=bounds,
        objects=objects,
        ap={key: spread.value for key, spread in values.items()},
        drop={key: drop.value for key, drop in drops.items()},
        drop_interval=drops[INT8_HTP].interval() if objects else None,
    )


def _counted(scored: Scored) -> Bools:
    return scored.matches[FLOAT].truths.counted


def _labels(scored: Scored) -> Ints:
    return scored.matches[FLOAT].truths.label
