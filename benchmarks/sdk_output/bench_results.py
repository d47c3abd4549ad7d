"""The results that snpe_bench.py leaves: a CSV and, with -json, the same as JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ArtifactError

_CELLS = 4
"""Behind the label each combination has average, maximum, minimum and runtime."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One row of one combination: microseconds; cycles where it is a layer on the DSP."""

    average: float
    maximum: float
    minimum: float
    runtime: str


@dataclass(frozen=True, kw_only=True)
class BenchResults:
    """header: SDK version, configuration and device as written. combinations: by names such as
    `DSP_ub_tf8_timing`, then by row: `Total Inference Time`, `layer_000 (Name:... Type:...)`, ...
    """

    header: dict[str, str]
    combinations: dict[str, dict[str, Measured]]


def read_bench(path: Path) -> BenchResults:
    """Read a result file by its suffix, .json or .csv; ArtifactError where it holds no results."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from error
    results = _json(text, path) if path.suffix == ".json" else _csv(text)
    if not any(results.combinations.values()):
        raise ArtifactError(f"{path} holds no results of snpe_bench.py")
    return results


def _json(text: str, path: Path) -> BenchResults:
    try:
        content = json.loads(text)
        data = content.get("Execution_Data", {})
        combinations = {
            name: {
                label: Measured(
                    average=float(row["Avg_Time"]),
                    maximum=float(row["Max_Time"]),
                    minimum=float(row["Min_Time"]),
                    runtime=str(row["Runtime"]),
                )
                for label, row in rows.items()
            }
            for name, rows in data.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} is no result of snpe_bench.py: {error!r}") from error
    header = {
        key.removesuffix(":"): _plain(value)
        for key, value in content.items()
        if key != "Execution_Data"
    }
    return BenchResults(header=header, combinations=combinations)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _csv(text: str) -> BenchResults:
    header: dict[str, str] = {}
    combinations: dict[str, dict[str, Measured]] = {}
    columns: dict[int, str] = {}
    for row in csv.reader(text.splitlines()):
        cells = [cell.strip() for cell in row]
        named = {
            i: cell for i, cell in enumerate(cells) if i and cell.endswith(("_timing", "_mem"))
        }
        if named:
            columns = named
            for name in named.values():
                combinations.setdefault(name, {})
        elif columns and cells and cells[0]:
            for place, name in columns.items():
                measured = _measured(cells[place : place + _CELLS])
                if measured:
                    combinations[name][cells[0]] = measured
        elif len(cells) > 1 and cells[0]:
            header[cells[0].removesuffix(":")] = ", ".join(filter(None, cells[1:]))
    return BenchResults(header=header, combinations=combinations)


def _measured(cells: Sequence[str]) -> Measured | None:
    """Return a row's four cells; None for the line of units and where nothing was measured."""
    try:
        average, maximum, minimum = map(float, cells[:3])
    except ValueError:
        return None
    runtime = cells[3] if len(cells) == _CELLS else ""
    return Measured(average=average, maximum=maximum, minimum=minimum, runtime=runtime)
