"""What `bench host` and `bench emulator` do: measure a bundle on this machine, remember, show."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from . import console
from .benching_results import remember
from .benchmarks.host import HostCosts
from .benchmarks.machine import this_machine
from .datasets.opening import open_split
from .export.bundle import Bundle

STEP_NAMES = {
    "pre": "preprocessing",
    "net": "network",
    "post": "post-processing",
    "call": "whole call",
}


def bench_host(
    folder: Path, images: int, threads: int, rounds: int, top: int, memory: Path, as_json: bool
) -> None:
    """Time a bundle's two graphs on onnxruntime CPU, on images of its test split."""
    from .benchmarks.host import measure, results

    dataset = open_split(Bundle(folder, ()).recipe().data, "test")
    pictures = [dataset[i].image for i in range(min(images, len(dataset)))]
    with console.bar("timing both graphs in turns"):
        found = measure(folder, pictures, threads=threads, rounds=rounds)
    remember(results(found), memory)
    machine = this_machine()
    if as_json:
        content = {"machine": dataclasses.asdict(machine), **dataclasses.asdict(found)}
        console.print_json(content)
        return
    _show_times(found)
    for cost in found.costs:
        profile = cost.profile
        shown = ", ".join(
            f"{name} {time / profile.total_us:.1%}" for name, time in profile.operators.items()
        )
        console.out.print(
            f"{cost.precision}: {profile.total_us / 1e3:.1f} ms in {len(profile.nodes)} nodes "
            f"under the profiler: {shown}",
            markup=False,
        )
        table = Table(title=f"{cost.precision}: the {top} slowest nodes", **console.LEFT)
        table.add_column("node", no_wrap=True)
        table.add_column("operator", no_wrap=True)
        table.add_column("ms", justify="right")
        table.add_column("%", justify="right")
        for node in profile.nodes[:top]:
            table.add_row(
                escape(node.name),
                escape(node.operator),
                f"{node.time_us / 1e3:.3f}",
                f"{100 * node.time_us / profile.total_us:.1f}",
            )
        console.out.print(table)
    console.out.print(
        f"INT8 over float: {found.speedup:.2f} times as fast (+- {found.speedup_spread:.2f}, half "
        f"the distance of the quartiles of {found.rounds} rounds in turns)",
        markup=False,
    )
    console.out.print(f"{machine.cpu}, {machine.cores} cores, {machine.system}", markup=False)


def _show_times(found: HostCosts) -> None:
    width, height = found.image
    title = (
        f"{found.name} on onnxruntime CPU, threads: {found.threads}, pinned to core "
        f"{', '.join(map(str, found.cores))}; {width}x{height}, ms of {found.rounds} calls"
    )
    table = Table(title=escape(title), **console.LEFT)
    table.add_column("graph", no_wrap=True)
    table.add_column("step", no_wrap=True)
    for heading in ("p50", "p90", "p99", "calls/s", "memory\nadded, MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cost in found.costs:
        added = "" if cost.memory_bytes is None else f"{cost.memory_bytes / 2**20:.1f}"
        for step, times in cost.times.items():
            whole = step == "call"
            table.add_row(
                cost.precision,
                STEP_NAMES[step],
                f"{times.p50_ms:.3f}",
                f"{times.p90_ms:.3f}",
                f"{times.p99_ms:.3f}",
                f"{cost.throughput:.2f}" if whole else "",
                added if whole else "",
            )
    console.out.print(table)
