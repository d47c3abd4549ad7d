"""What the door shows: progress bars, tables and errors. Nothing below the door prints."""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
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

from ...runtime.files import to_json

if TYPE_CHECKING:
    from ...evaluation.landmark_error import LandmarkError
    from ...export.dlc_file.diff import DlcDiff
    from ...export.dlc_file.info import DlcInfo
    from ...export.ladder import Rung
    from ...quantization.report.schema import Report
    from ...runtime.stream.frames import Source
    from ...runtime.stream.meter import Meter

NAME_WIDTH = 28
GENERATED = re.compile(r"_token_\d+$")
"""What the layout pass appends to the names of nodes that it made anew."""
PIPED_WIDTH = 140
"""Columns of a table that no terminal limits."""

out = Console(
    highlight=False,
    soft_wrap=True,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH,
)
LEFT: dict[str, Any] = {"title_justify": "left"}
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


@contextlib.contextmanager
def stream_line(title: str, source: Source, limit: int | None) -> Iterator[Callable[[Meter], None]]:
    """Show how a stream is doing in one line of a terminal; yields its update function.

    Without a terminal the title is all that is printed. limit: of frames, None for all.
    """
    if not err.is_terminal:
        err.print(escape(title))
        yield lambda meter: None
        return
    known = [n for n in (source.count, limit) if n is not None]
    columns = (TextColumn("{task.description}"), TextColumn("{task.fields[text]}"))
    with Progress(*columns, console=err, transient=True, refresh_per_second=4) as progress:
        task = progress.add_task(escape(title), total=None, text="")

        def update(meter: Meter) -> None:
            pace = meter.lately()
            of = f"/{min(known)}" if known else ""
            text = (
                f"frame {meter.frames}{of}  {pace.fps:.1f} fps  pre {pace.pre_ms:.1f}  "
                f"net {pace.net_ms:.1f}  post {pace.post_ms:.1f} ms  {meter.detections} found"
            )
            if source.live:
                text += f"  {meter.lost} dropped"
            progress.update(task, text=text)

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
    out.out(to_json(value), end="")


def show(content: Any, text: str, *, as_json: bool) -> None:
    """Print a measurement, in words or as plain JSON."""
    if as_json:
        print_json(content)
    else:
        out.print(text, markup=False)


def print_line(text: str) -> None:
    """Print a line that is complete, at once: somebody may read along."""
    out.out(text, end="")


def accuracy_table(report: Report) -> None:
    """Print the accuracy-drop table of a report, with its verdict and what flipped."""
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
    for row in report.rows:
        if row.landmarks is not None:
            out.print(f"{row.backend}: {landmark_line(row.landmarks)}", markup=False)
    out.print(report.verdict.sentence, markup=False)
    flips = report.flips.counts
    out.print(
        f"At the detector's threshold: {flips.kept + flips.lost} objects found by float, of these "
        f"{flips.lost} lost by INT8 on the HTP, {flips.gained} others gained; "
        f"{flips.new_false} new false alarms, {flips.gone_false} gone.",
        markup=False,
    )


def landmark_line(error: LandmarkError) -> str:
    """Return the error of landmarks in words."""
    eyes = "" if error.eyes is None else f", {error.eyes:.2%} of the eyes' distance"
    return f"landmarks {error.box:.2%} of the box off{eyes}, {error.faces} faces"


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


def ladder_table(rungs: Sequence[Rung]) -> None:
    """Print the ladder of parity, a line a rung: the worst output of each; then the reasons."""
    table = Table(title="the ladder of parity, each rung against an earlier one", **LEFT)
    table.add_column("rung", no_wrap=True)
    table.add_column("against", no_wrap=True)
    for heading in ("max\nunits", "max\ncodes", "mean\ncodes", "found\nagain", "AP@0.5"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for rung in rungs:
        worst = max((o.max_units for o in rung.outputs), default=None)
        codes = [o.max_codes for o in rung.outputs if o.max_codes is not None]
        means = [o.mean_codes for o in rung.outputs if o.mean_codes is not None]
        table.add_row(
            escape(rung.title),
            rung.compared_with or "",
            "" if worst is None else f"{worst:.2g}",
            f"{max(codes):.1f}" if codes else "",
            f"{max(means):.2f}" if means else "",
            f"{rung.matched}/{rung.references}" if rung.compared_with else "",
            "" if rung.ap50 is None else share(rung.ap50),
            rung.status,
        )
    out.print(table)
    for rung in rungs:
        if rung.reason:
            out.print(f"{rung.title}: {rung.status}: {rung.reason}", markup=False)


def dlc_table(info: DlcInfo) -> None:
    """Print a DLC's layers and totals; the full names and encodings are in its JSON and CSV."""
    title = (
        f"{info.file}: container v{info.container_version}, converter {info.converter_version}, "
        f"{info.size_bytes:,} bytes"
    )
    table = Table(title=escape(title), **LEFT)
    for heading in ("id", "name", "type", "from", "output", "range"):
        table.add_column(heading, justify="right" if heading == "id" else "left", no_wrap=True)
    for heading in ("parameters", "%", "MACs", "%"):
        table.add_column(heading, justify="right", no_wrap=True)
    makers = {output: str(row.id) for row in info.rows for output in row.outputs}
    for row in info.rows:
        # Stored tensors have no maker; what nobody made and is no weight is an input of the graph.
        sources = [makers.get(name, name) for name in row.inputs[:1]]
        sources += [makers[name] for name in row.inputs[1:] if name in makers]
        table.add_row(
            str(row.id),
            escape(_tail(GENERATED.sub("", row.name), NAME_WIDTH)),
            escape(row.type),
            escape(" ".join(sources)),
            " ".join("x".join(map(str, shape)) for shape in row.output_shapes),
            escape(_range(row.encodings.get(row.outputs[0], "")) if row.outputs else ""),
            f"{row.parameters:,}",
            f"{100 * row.parameters_share:.2f}",
            f"{row.macs:,}",
            f"{100 * row.macs_share:.2f}",
        )
    out.print(table)
    operators = ", ".join(f"{count} {name}" for name, count in info.operators.items())
    out.print(f"{len(info.rows)} nodes, {info.tensors} tensors: {operators}", markup=False)
    out.print(f"Total parameters: {info.total_parameters:,}")
    out.print(f"Total MACs per inference: {info.total_macs:,}")


def _tail(name: str, width: int) -> str:
    """Return the end of a name, where the layers of one network differ."""
    return name if len(name) <= width else f"\u2026{name[1 - width :]}"


def _range(encoding: str) -> str:
    """Return an encoding's bits and limits in short: 8b -1.2..3.4."""
    found = dict(re.findall(r"(bitwidth|min|max) ([-+.\de]+)", encoding))
    if {"bitwidth", "min", "max"} <= found.keys():
        low, high = float(found["min"]), float(found["max"])
        return f"{found['bitwidth']}b {low:.3g}..{high:.3g}"
    return encoding


def difference_table(result: DlcDiff) -> None:
    """Print what differs between two DLCs."""
    if result.identical:
        out.print("identical: layers, shapes, encodings and weights")
        return
    table = Table(title=f"{len(result.differences)} differences", **LEFT)
    for heading in ("what", "name", "A", "B"):
        table.add_column(heading)
    for row in result.differences:
        table.add_row(row.aspect, escape(row.name), escape(row.first), escape(row.second))
    out.print(table)


def print_file(path: Path) -> None:
    """Print a text file as it is."""
    out.out(path.read_text(encoding="utf-8"), end="")


def share(value: float) -> str:
    """Return an AP as text."""
    return "none" if math.isnan(value) else f"{value:.4f}"


def points(value: float | None) -> str:
    """Return a drop in points as text, with its sign; empty for the reference."""
    if value is None:
        return ""
    return "none" if math.isnan(value) else f"{value:+.2f}"
