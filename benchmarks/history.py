"""Figures over time, and whether the newest ones lie where they are expected."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArtifactError
from ..runtime.files import write_text
from .pages.plots import line_chart, render
from .results import Result

EXPECTED = Path(__file__).parent / "expected"
SCHEMA = 1
DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True)
class Series:
    """One figure of one artifact over time, the oldest first."""

    artifact: str
    target: str
    metric: str
    unit: str
    results: tuple[Result, ...]

    @property
    def newest(self) -> Result:
        """Return the last result."""
        return self.results[-1]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a figure is expected, its ends among the good values; None is no limit."""

    artifact: str
    target: str
    metric: str
    low: float | None
    high: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """An interval and the newest figure, None where nothing was measured."""

    interval: Interval
    value: float | None

    @property
    def status(self) -> str:
        """Return `ok`, `regression` or `not measured`."""
        if self.value is None:
            return "not measured"
        low, high = self.interval.low, self.interval.high
        fits = (low is None or low <= self.value) and (high is None or self.value <= high)
        return "ok" if fits else "regression"


def series(results: Sequence[Result], metrics: Sequence[str] = ()) -> list[Series]:
    """Return the figures over time, of all metrics or of those that contain one of the words."""
    found: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        if not metrics or any(word in result.metric for word in metrics):
            found.setdefault(result.key, []).append(result)
    return [
        Series(
            artifact=artifact,
            target=target,
            metric=metric,
            unit=rows[-1].unit,
            results=tuple(sorted(rows, key=_moment)),
        )
        for (artifact, target, metric), rows in sorted(found.items())
    ]


def load_expected(folder: Path = EXPECTED) -> list[Interval]:
    """Read the intervals of every JSON file in a folder.

    Raises ArtifactError for a file that is not of this form, or where two limit the same figure.
    """
    found: dict[tuple[str, str, str], Interval] = {}
    for path in sorted(folder.glob("*.json")):
        for interval in _intervals(path):
            key = interval.artifact, interval.target, interval.metric
            if key in found:
                raise ArtifactError(f"{path} limits {', '.join(key)} a second time")
            found[key] = interval
    if not found:
        raise ArtifactError(f"{folder} holds no interval: nothing can be checked")
    return list(found.values())


def _intervals(path: Path) -> list[Interval]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ArtifactError(f"{path} has schema {content['schema']}, known is {SCHEMA}")
        rows = [Interval(**row) for row in content["intervals"]]
        for row in rows:
            limits = [v for v in (row.low, row.high) if v is not None]
            if not limits or sorted(float(v) for v in limits) != limits:
                raise ArtifactError(f"{path}: {row.metric} has no limit or low is above high")
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{path} is not a file of intervals: {error}") from error
    return rows


def check(results: Sequence[Result], intervals: Sequence[Interval]) -> list[Checked]:
    """Hold the newest figure of each artifact, target and metric against its interval."""
    newest = {(one.artifact, one.target, one.metric): one.newest.value for one in series(results)}
    return [
        Checked(interval=i, value=newest.get((i.artifact, i.target, i.metric))) for i in intervals
    ]


def save_page(found: Sequence[Series], path: Path) -> Path:
    """Write a page with a drawing for each figure over time."""
    drawings = [
        line_chart(
            _title(one),
            [(one.artifact, [_point(result) for result in one.results])],
        )
        for one in found
    ]
    return write_text(
        path, render("history.html.j2", series=list(zip(found, drawings, strict=True)))
    )


def _title(one: Series) -> str:
    unit = "" if one.unit == "1" else f", {one.unit}"
    return f"{one.metric} of {' '.join(w for w in (one.artifact, one.target) if w)}{unit}"


def _point(result: Result) -> tuple[float, float, str]:
    text = f"{result.value:.6g} {result.unit}, {result.time}, {result.machine}"
    return _moment(result) / DAY_S, result.value, text


def _moment(result: Result) -> float:
    moment = datetime.datetime.fromisoformat(result.time)
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
