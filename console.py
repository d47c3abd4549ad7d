"""What the door shows: progress bars, tables and errors. Nothing below the door prints."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from .quantization.report import Report

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal (one line without one); yields its update function."""
    if not err.is_terminal:
        err.print(escape(title))
        yield lambda done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(escape(title), total=None)

        def update(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield update


def say(text: str) -> None:
    """Print a line about what happens, on standard error: standard output is for results."""
    err.print(escape(text))


def fail(text: str) -> None:
    """Print an error in one line."""
    err.print(f"[bold red]error:[/] {escape(text)}")


def warn(text: str) -> None:
    """Print a warning in one line."""
    err.print(f"[bold yellow]warning:[/] {escape(text)}")


def print_json(value: Any) -> None:
    """Print plain JSON; numbers that are not known are null."""
    out.out(json.dumps(value, indent=1, allow_nan=False))


def accuracy_table(report: Report) -> None:
    """Print the accuracy-drop table of a report, with its verdict."""
    from .quantization.report_page import verdict

    title = f"{report.name}: {report.dataset}, {report.images} of {report.images_available} images"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("runs")
    for heading in ("AP@0.5", "drop", "AP@0.5:0.95", "drop", *report.classes):
        table.add_column(escape(heading), justify="right")
    for row in report.rows:
        table.add_row(
            escape(row.backend),
            share(row.ap50),
            points(row.drop_ap50),
            share(row.ap),
            points(row.drop_ap),
            *(share(row.per_class_ap50[name]) for name in report.classes),
        )
    out.print(table)
    out.print(escape(verdict(report)))


def artifact_table(report: Report) -> None:
    """Print the table that closes an export: every graph with its size, cost and AP@0.5."""
    title = f"{report.name}: AP@0.5 on {report.images} of {report.images_available} test images"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("file")
    for heading in ("MiB", "parameters", "MACs", "float", "INT8\nCPU", "INT8\nHTP"):
        table.add_column(heading, justify="right", no_wrap=True)
    scores = [share(report.row(key).ap50) for key in ("float", "int8_cpu", "int8_htp")]
    for name, size in report.sizes.items():
        known = ["", *scores[1:]] if name.startswith("int8") else [scores[0], "", ""]
        costs = [f"{report.parameters:,}", f"{report.macs:,}"]
        table.add_row(name, f"{size / 2**20:.2f}", *costs, *known)
    out.print(table)


def share(value: float) -> str:
    """Return an AP as text."""
    return "none" if math.isnan(value) else f"{value:.4f}"


def points(value: float | None) -> str:
    """Return a drop in points as text, with its sign; empty for the reference."""
    if value is None:
        return ""
    return "none" if math.isnan(value) else f"{value:+.2f}"
