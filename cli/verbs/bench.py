"""What the subcommands of `bench` do where they need more than a line: measure and show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from ...benchmarks.machine import Machine, this_machine
from ...benchmarks.postprocess import BURST, CODES, ROUTES, PostprocessCost, measure
from ...datasets.opening import open_split
from ...errors import ParityError
from ...export.bundle import Bundle
from ...runtime.signature import Precision
from ..terminal import console


def bench_postprocess(folder: Path, images: int, repeat: int, as_json: bool) -> None:
    """Time the post-processing; raises ParityError where it differs from the plain reading."""
    dataset = open_split(Bundle(folder, ()).recipe().data, "test")
    with console.bar("timing the post-processing") as step:
        costs = measure(folder, dataset, images=images, repeat=repeat, progress=step)
    machine = this_machine()
    if as_json:
        rows = [{**dataclasses.asdict(cost), "speedup": cost.speedup} for cost in costs]
        console.print_json({"machine": dataclasses.asdict(machine), "threads": 1, "rows": rows})
    else:
        postprocess_table(costs, machine)
    wrong = sum(cost.mismatches for cost in costs)
    if wrong:
        raise ParityError(f"{wrong} detections differ from the plain post-processing")


def postprocess_table(costs: Sequence[PostprocessCost], machine: Machine) -> None:
    """Print what post-processing costs, a line a network and number of candidates."""
    times = _table("post-processing of one image, milliseconds: p50, p99")
    ratios = _table(f"p50 as a multiple of {CODES}, and what differs from plain")
    for heading in ("anchors", "classes", "candidates"):
        times.add_column(heading, justify="right", no_wrap=True)
    ratios.add_column("candidates", justify="right", no_wrap=True)
    for name in ROUTES:
        times.add_column(name, justify="right", no_wrap=True)
        if name != CODES:
            ratios.add_column(name, justify="right", no_wrap=True)
    for heading in ("found", "differ"):
        ratios.add_column(heading, justify="right", no_wrap=True)
    for cost in costs:
        base = cost.routes[CODES].p50_ms
        low, high = cost.candidates
        name = escape(cost.name) + (" synthetic" if cost.synthetic else "")
        candidates = str(low) if low == high else f"{low}-{high}"
        found = [cost.routes.get(route) for route in ROUTES]
        times.add_row(
            name,
            f"{cost.anchors:,}",
            str(cost.classes),
            candidates,
            *("" if t is None else f"{_digits(t.p50_ms)} {_digits(t.p99_ms)}" for t in found),
        )
        ratios.add_row(
            name,
            candidates,
            *("" if t is None else f"{t.p50_ms / base:.1f}" for t in found[1:]),
            f"{cost.detections:.1f}",
            f"{cost.mismatches} of {cost.compared}",
        )
    console.out.print(times)
    console.out.print(ratios)
    lines = [f"{name}: {text}" for name, text in ROUTES.items()]
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    lines += [
        "classes: with the background. candidates: of an image. found: mean of an image. "
        "differ: detections of codes and floats.",
        "synthetic: the recorded codes laid out on SSD512's grid. "
        f"On every image the routes take turns of {BURST} calls, on one thread.",
        f"{machine.title}; {versions}",
    ]
    for line in lines:
        console.out.print(line, markup=False)


def _table(title: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, **console.LEFT)
    table.add_column("outputs", no_wrap=True)
    return table


def _digits(time_ms: float) -> str:
    """Return milliseconds in as many digits as anybody compares."""
    return f"{time_ms:.3f}" if time_ms < 1 else f"{time_ms:5.1f}"


def bench_stress(limit: int | None, factor: float, adaround: bool, as_json: bool) -> None:
    """Print the stress table; raises ParityError where it is not as it must be."""
    from ...benchmarks import stress

    methods = tuple(stress.METHODS) if adaround else stress.QUICK
    with console.bar("the stress network") as step:
        table = stress.measure(
            factor=factor,
            images=limit,
            methods=methods,
            progress=lambda what, done, total: step(done, total),
        )
    machine = this_machine()
    content = {"machine": dataclasses.asdict(machine), **dataclasses.asdict(table)}
    text = f"{stress.describe(table)}\n{machine.title}"
    console.show(content, text, as_json=as_json)
    if table.passed is False:
        raise ParityError("the stress table is not as it must be: see its last line")


def bench_call(folder: Path, precision: Precision, images: int, as_json: bool) -> None:
    """Print what a call of the detector costs beyond its network, on images of its test split."""
    from ...benchmarks.detector_call import describe, measure

    dataset = open_split(Bundle(folder, ()).recipe().data, "test")
    first = dataset[0].image
    pictures = [dataset[i].image for i in range(min(images, len(dataset)))]
    same = [picture for picture in pictures if picture.shape == first.shape]
    cost = measure(folder, images=same, precision=precision)
    console.show(dataclasses.asdict(cost), describe(cost), as_json=as_json)


def bench_evaluation(folder: Path, images: int, as_json: bool) -> None:
    """Print how much faster the emulated evaluation is on all cores."""
    from ...benchmarks.evaluation import describe, measure

    cost = measure(folder, open_split(Bundle(folder, ()).recipe().data, "test"), images=images)
    console.show(dataclasses.asdict(cost), describe(cost), as_json=as_json)


def bench_metrics(images: int, detections: int, classes: int, as_json: bool) -> None:
    """Print what scoring costs; raises ParityError where it differs from pycocotools."""
    from ...benchmarks.metrics import TOLERANCE, describe, measure

    with console.bar("scoring a seeded case by hexdet and by pycocotools"):
        cost = measure(images, detections, classes)
    machine = this_machine()
    content = {"machine": dataclasses.asdict(machine), **dataclasses.asdict(cost)}
    text = f"{describe(cost)}\n{machine.title}"
    console.show(content, text, as_json=as_json)
    if not cost.equal:
        raise ParityError(f"a figure differs from pycocotools' by more than {TOLERANCE:g}")


def bench_loading(name: str, overrides: Sequence[str], images: int, as_json: bool) -> None:
    """Print the pace of a recipe's loading beside that of its network."""
    from ...benchmarks.loading import describe, measure
    from ...recipe import load_recipe

    with console.bar("timing the loading and the network") as step:
        cost = measure(load_recipe(name, overrides), images=images, progress=step)
    machine = this_machine()
    content = {"machine": dataclasses.asdict(machine), **dataclasses.asdict(cost)}
    text = f"{describe(cost)}\n{machine.title}"
    ratios = {"ratio": cost.ratio, "first_ratio": cost.first_ratio}
    console.show({**content, **ratios}, text, as_json=as_json)
