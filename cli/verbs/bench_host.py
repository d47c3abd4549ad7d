"""What `bench host` and `bench emulator` do: measure a bundle on this machine, remember, show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from ...benchmarks.emulator import EmulatorCost
from ...benchmarks.host import HostCosts
from ...benchmarks.machine import this_machine
from ...datasets.opening import open_split
from ...errors import ParityError
from ...export.bundle import Bundle
from ..terminal import console
from .bench_results import remember

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
    from ...benchmarks.host import measure, results

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
    console.out.print(machine.title, markup=False)


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


def bench_emulator(
    folder: Path,
    targets: Sequence[str],
    runs: int,
    sizes: bool,
    top: int,
    memory: Path,
    as_json: bool,
) -> None:
    """Prepare and run a bundle for chips on the emulator; raises ParityError where nodes are left.

    The times are host times of an emulation.
    """
    from ...benchmarks.emulator import binary_sizes, measure, results
    from ...runtime.contract import load_contract
    from ...runtime.htp import DEFAULT_ARCH
    from ...runtime.images import prepare
    from ...runtime.targets import find_target, target_of_arch

    contract = load_contract(folder)
    default = target_of_arch(contract.target_arch or DEFAULT_ARCH)
    chips = [find_target(name) for name in targets] or [default]
    dataset = open_split(Bundle(folder, ()).recipe().data, "test")
    pixels = prepare(dataset[0].image, contract.input).pixels
    with console.bar("preparing and running on the emulator") as step:
        costs = []
        for done, chip in enumerate(chips, 1):
            costs.append(measure(folder, pixels, chip, runs=runs))
            step(done, len(chips))
    binaries = []
    if sizes:
        with console.bar("compiling context binaries") as step:
            binaries = binary_sizes(folder, step=step)
    remember(results(folder, costs, binaries), memory)
    if as_json:
        content = {
            "costs": [{**dataclasses.asdict(cost), "share": cost.share} for cost in costs],
            "binaries": [dataclasses.asdict(binary) for binary in binaries],
        }
        console.print_json(content)
    else:
        for cost in costs:
            _show_emulation(cost, top)
        for binary in binaries:
            size = binary.reason if binary.size_bytes is None else f"{binary.size_bytes:,} bytes"
            console.out.print(
                f"context binary v{binary.arch} {binary.target}: {size}", markup=False
            )
    left = [cost for cost in costs if cost.refused]
    if left:
        raise ParityError(
            f"{len(left[0].elsewhere)} nodes are not on the HTP of {left[0].target}, first "
            f"{', '.join(left[0].elsewhere[:3])}: a device would fall back to its processor"
        )


def _show_emulation(cost: EmulatorCost, top: int) -> None:
    where = ", ".join(f"{count} on {name}" for name, count in cost.placement.items())
    whole = "all of it" if not cost.refused else f"refused: {cost.refused}"
    console.out.print(
        f"{cost.target} (v{cost.arch}): {cost.share:.0%} of the nodes on the HTP, {where}; {whole}",
        markup=False,
    )
    if cost.refused:
        return
    total = sum(node.cycles for node in cost.nodes) or 1
    table = Table(
        title=f"the {top} nodes that take most of the emulation, of {len(cost.nodes)}",
        **console.LEFT,
    )
    table.add_column("node", no_wrap=True)
    table.add_column("host cycles of\nthe emulation", justify="right")
    table.add_column("%", justify="right")
    for node in sorted(cost.nodes, key=lambda node: -node.cycles)[:top]:
        table.add_row(escape(node.name), f"{node.cycles:,}", f"{100 * node.cycles / total:.1f}")
    console.out.print(table)
    console.out.print(
        f"host times of an emulation, not latency: prepared in {cost.prepare_s:.2f} s, "
        f"{cost.run_s:.2f} s an image (median of {cost.runs})",
        markup=False,
    )


def bench_compare(
    subjects: Sequence[str],
    recipe: str | None,
    images: int,
    threads: int,
    page: Path,
    memory: Path,
    as_json: bool,
) -> None:
    """Run detectors on the same test images, those of a recipe or of the first bundle."""
    from ...benchmarks.compare import compare, results, save_page
    from ...recipe import load_recipe

    if recipe is None:
        first = next((Path(s) for s in subjects if Path(s).exists()), Path(subjects[0]))
        settings = Bundle(first if first.is_dir() else first.parent, ()).recipe()
    else:
        settings = load_recipe(recipe)
    dataset = open_split(settings.data, "test")
    with console.bar("comparing detectors") as step:
        rows = compare(subjects, dataset, images=images, threads=threads, step=step)
    written = save_page(rows, dataset.name, page)
    remember(results(rows), memory)
    if as_json:
        content = {"rows": [dataclasses.asdict(row) for row in rows], "page": str(written)}
        console.print_json(content)
        return
    count = max(row.images for row in rows)
    table = Table(title=escape(f"{dataset.name}, {count} images, in turns"), **console.LEFT)
    table.add_column("detector", no_wrap=True)
    for heading in ("AP@0.5", "AP@0.5:0.95", "ms p50", "ms p90", "memory\nMiB", "size\nMiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if row.reason:
            table.add_row(escape(row.name), "not run")
            continue
        table.add_row(
            escape(row.name),
            console.share(row.ap50),
            console.share(row.ap),
            f"{row.p50_ms:.1f}",
            f"{row.p90_ms:.1f}",
            "" if row.memory_bytes is None else f"{row.memory_bytes / 2**20:.1f}",
            f"{row.size_bytes / 2**20:.2f}",
        )
    console.out.print(table)
    for row in rows:
        if row.reason:
            console.out.print(f"{row.name}: {row.reason}", markup=False)
    console.out.print(f"page: {written}", markup=False)
