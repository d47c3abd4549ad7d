"""What `bench cost`, `bench history` and `bench check` do: count, remember, show, compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from ...benchmarks import history, results
from ...benchmarks.results import Result
from ...errors import ParityError
from ..terminal import console


def remember(found: Sequence[Result], path: Path) -> None:
    """Append results to the file that `bench history` reads, and say so."""
    console.say(f"{results.append(path, found)} results appended to {path}")


def bench_cost(
    subjects: Sequence[str], sdk_info: Sequence[Path], page: Path, memory: Path, as_json: bool
) -> None:
    """Count bundles, files and recipes' networks; write the page and the results."""
    from ...benchmarks.cost import measuring
    from ...benchmarks.cost.counting import RULE, NetworkCost
    from ...benchmarks.cost.page import results as of_cost
    from ...benchmarks.cost.page import save_page
    from ...benchmarks.cost.published import bounds

    sdk = measuring.sdk_memory(subjects, sdk_info)
    found = []
    with console.bar("counting") as step:
        for done, subject in enumerate(subjects, 1):
            found += measuring.measure(subject)
            step(done, len(subjects))
    written = save_page(found, sdk, page)
    remember(of_cost(found), memory)
    reference = found[0].cost
    estimates = [{**dataclasses.asdict(b), "bound_ms": b.bound_ms} for b in bounds(reference)]
    if as_json:
        content: dict[str, Any] = {
            "rule": RULE,
            "costs": [_totals(one.cost) for one in found],
            "sdk_memory_mib": dict(sdk),
            "estimated_bounds": estimates,
            "page": str(written),
        }
        console.print_json(content)
        return
    table = Table(title="cost of one image, counted from the files", **console.LEFT)
    table.add_column("file", no_wrap=True)
    for heading in (
        "parameters", "MACs", "stored\nMiB", "peak\nfloat32\nMiB", "peak\nuint8\nMiB",
        "moved\nuint8\nMiB", "MACs/B\nuint8",
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(f"beside {escape(reference.file)}")

    def mib(value: int) -> str:
        return f"{value / 2**20:.2f}"

    for one in found:
        cost: NetworkCost = one.cost
        table.add_row(
            escape(cost.file),
            f"{cost.parameters:,}",
            f"{cost.macs:,}",
            mib(cost.weight_bytes),
            mib(cost.peak_float32_bytes),
            mib(cost.peak_uint8_bytes),
            mib(cost.moved),
            f"{cost.intensity_uint8:.1f}",
            measuring.verdict(cost, reference),
        )
    console.out.print(table)
    lines = [RULE]
    lines += [
        f'{path}: the SDK prints "Memory Needed to Run" {value} MiB, formula not public'
        for path, value in sdk
    ]
    lines += [
        f"estimate for {b['target']}, no measurement: at least {b['bound_ms']:.3f} ms, "
        f"{b['spilled_ms']:.3f} ms where no activation stays in the chip "
        f"({b['tops']:g} TOPS, {b['gb_s']:g} GB/s; {b['source']})"
        for b in estimates
    ]
    lines.append("estimates for other targets: not given, no public source states their peaks")
    lines.append(f"page: {written}")
    for line in lines:
        console.out.print(line, markup=False)


def _totals(cost: Any) -> dict[str, Any]:
    """Return a cost as plain data, the derived figures among them."""
    derived = ("peak_float32_bytes", "peak_uint8_bytes", "intensity_float32", "intensity_uint8")
    return {**dataclasses.asdict(cost), **{name: getattr(cost, name) for name in derived}}


def bench_history(memory: Path, metrics: Sequence[str], page: Path, as_json: bool) -> None:
    """Print the newest figure of each kind beside the one before, and draw all of them."""
    found = history.series(results.read(memory), metrics)
    if as_json:
        console.print_json([dataclasses.asdict(one) for one in found])
        return
    table = Table(title=f"{escape(str(memory))}: the newest of each", **console.LEFT)
    table.box = box.SIMPLE_HEAD
    for heading in ("artifact", "target", "metric"):
        table.add_column(heading, no_wrap=True)
    for heading in ("value", "before", "runs", "day"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        unit = "" if one.unit == "1" else f" {one.unit}"
        table.add_row(
            escape(one.artifact),
            escape(one.target),
            escape(one.metric),
            escape(f"{_number(one.newest.value)}{unit}"),
            _number(one.results[-2].value) if len(one.results) > 1 else "",
            str(len(one.results)),
            escape(one.newest.time[:10]),
        )
    console.out.print(table)
    console.out.print(f"page: {history.save_page(found, page)}", markup=False)


def _number(value: float) -> str:
    """Return counts whole, and six digits of what was measured."""
    return f"{value:.0f}" if value == round(value) else f"{value:.6g}"


def bench_check(memory: Path, expected: Path | None, as_json: bool) -> None:
    """Print whether the newest figures are as expected; raises ParityError where one is not."""
    intervals = history.load_expected(expected or history.EXPECTED)
    rows = history.check(results.read(memory), intervals)
    if as_json:
        console.print_json([{**dataclasses.asdict(row), "status": row.status} for row in rows])
    else:
        table = Table(title="the newest figures and where they are expected", **console.LEFT)
        for heading in ("artifact", "target", "metric", "value", "low", "high", "verdict"):
            table.add_column(heading, no_wrap=True)
        for row in rows:
            limits = (row.value, row.interval.low, row.interval.high)
            table.add_row(
                escape(row.interval.artifact),
                escape(row.interval.target),
                escape(row.interval.metric),
                *("" if limit is None else f"{limit:.10g}" for limit in limits),
                row.status,
            )
        console.out.print(table)
    missed = [row.interval for row in rows if row.status == "regression"]
    if missed:
        first = missed[0]
        raise ParityError(
            f"{len(missed)} figures are not where they are expected, first {first.metric} of "
            f"{first.artifact}: {first.why}"
        )
