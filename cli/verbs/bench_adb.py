"""What `bench adb` does: measure a bundle on devices, hold their outputs, remember and show."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from ...benchmarks.adb.client import Adb, find_adb
from ...benchmarks.adb.commands import PROFILES
from ...benchmarks.adb.fleet import compare_outputs, run_devices, rung_failure
from ...benchmarks.adb.rows import Row, campaign_of, outputs_results, results_of, rows_of
from ...benchmarks.adb.session import Outcome, Wanted
from ...datasets.opening import open_split
from ...errors import DeviceError, NotRunError, ParityError, UsageError
from ...export.bundle import Bundle
from ...export.ladder import Rung
from ...export.sdk.discovery import Sdk, discover
from ...export.stages import STAGES
from ..terminal import console
from .bench_results import remember

RUNTIMES = ("dsp", "gpu", "cpu")
STAND_IN_LINE = (
    "STAND-IN: what is marked so comes from an imitation of a device or of an SDK. Its outputs are "
    "those of the emulated HTP, its times mean nothing and are no latency."
)


def bench_adb(
    folder: Path,
    wanted: Wanted,
    *,
    serials: Sequence[str],
    images: int,
    sdk_root: Path | None,
    adb_program: Path | None,
    memory: Path,
    as_json: bool,
) -> None:
    """Measure on every device; DeviceError where something has no figure, ParityError where
    outputs are not what they should be."""
    for name, known in (("--runtime", RUNTIMES), ("--profile", PROFILES)):
        given = wanted.runtimes if name == "--runtime" else wanted.profiles
        unknown = [value for value in given if value not in known]
        if unknown:
            raise UsageError(f"{name} {unknown[0]} is not known: take {', '.join(known)}")
    if wanted.context and wanted.runtimes != ("dsp",):
        raise UsageError("a context binary runs on the DSP alone: take --runtime dsp")
    bundle = Bundle(folder, STAGES)
    recipe = bundle.recipe()
    adb = Adb(find_adb(adb_program, os.environ))
    chosen, reasons = adb.choose(serials)
    for reason in reasons:
        console.warn(f"left out: {reason}")
    sdk = _sdk(sdk_root)
    dataset = open_split(recipe.data, "test")
    records = [dataset[index] for index in range(min(images, len(dataset)))]
    lock = threading.Lock()

    def say(serial: str, text: str) -> None:
        with lock:
            console.say(f"{serial}: {text}")

    outcomes = run_devices(adb, chosen, bundle, sdk, wanted, records, os.environ, say)
    rows: list[Row] = []
    compared = []
    for outcome in outcomes:
        own = rows_of(outcome, wanted.runtimes, wanted.profiles, wanted.samples)
        rows += own
        name = folder.resolve().name
        remember(list(results_of(outcome, own, name)), memory)
        pair = _compare(bundle, outcome, records)
        compared.append(pair)
        if pair is not None and own:
            remember(list(outputs_results(outcome, own[0], pair[1], len(records), name)), memory)
    if as_json:
        console.print_json(_content(sdk, outcomes, rows, compared))
    else:
        _show(sdk, outcomes, rows, compared)
    _judge(outcomes, rows, compared)


def _sdk(root: Path | None) -> Sdk:
    """Return the SDK, whether or not its Python is here: devices and viewers need none."""
    found = discover(root, None, os.environ)
    if found.sdk is None:
        raise NotRunError(
            f"{found.problems[0]}. Without it nothing runs a network behind adb: the "
            f"onnxruntime-qnn wheel for aarch64 has no program for it, and libraries for Linux "
            f"boards alone (there, `pip install hexdet onnxruntime-qnn` and `hexdet detect`)"
        )
    return found.sdk


def _compare(bundle: Bundle, outcome: Outcome, records: Sequence[Any]) -> tuple[Rung, Rung] | None:
    if not outcome.outputs:
        return None
    with console.bar(f"{outcome.serial}: its outputs beside the emulator's"):
        return compare_outputs(bundle, outcome, records)


def _content(
    sdk: Sdk,
    outcomes: Sequence[Outcome],
    rows: Sequence[Row],
    compared: Sequence[tuple[Rung, Rung] | None],
) -> dict[str, Any]:
    devices = []
    for outcome, pair in zip(outcomes, compared, strict=True):
        devices.append(
            {
                "serial": outcome.serial,
                "device": outcome.device and dataclasses.asdict(outcome.device),
                "model": outcome.model
                and {"title": outcome.model.title, "sha256": outcome.model.sha256},
                "campaign": campaign_of(outcome.campaign),
                "shipped": dataclasses.asdict(outcome.shipped),
                "outputs_of": outcome.fetched,
                "rungs": [] if pair is None else [dataclasses.asdict(rung) for rung in pair],
                "problems": outcome.problems,
            }
        )
    stand_in = sdk.is_stand_in or any(row.stand_in for row in rows)
    return {
        "stand_in": stand_in,
        "sdk": sdk.version,
        "devices": devices,
        "rows": [dataclasses.asdict(row) for row in rows],
    }


def _show(
    sdk: Sdk,
    outcomes: Sequence[Outcome],
    rows: Sequence[Row],
    compared: Sequence[tuple[Rung, Rung] | None],
) -> None:
    stand_in = sdk.is_stand_in or any(row.stand_in for row in rows)
    if stand_in:
        console.out.print(STAND_IN_LINE, markup=False)
    for outcome in outcomes:
        own = [row for row in rows if row.serial == outcome.serial]
        if own:
            console.out.print(_table(own, sdk))
    for row in rows:
        if row.reason:
            console.out.print(
                f"{row.chip} {row.runtime} {row.profile}: {row.void} void and {row.failed} failed "
                f"runs, the last: {row.reason}",
                markup=False,
            )
    for outcome, pair in zip(outcomes, compared, strict=True):
        for line in _lines(outcome, pair):
            console.out.print(f"{outcome.serial}: {line}", markup=False)


def _table(rows: Sequence[Row], sdk: Sdk) -> Table:
    """Return the table of one device."""
    first = rows[0]
    mark = "STAND-IN, no device's times: " if first.stand_in else ""
    title = (
        f"{mark}{first.chip} {first.device}, {first.model}, {sdk.title}; ms, percentiles of the "
        f"runs' means"
    )
    table = Table(title=escape(title), padding=(0, 1), collapse_padding=True, **console.LEFT)
    table.box = box.SIMPLE_HEAD
    table.add_column("runtime", no_wrap=True)
    table.add_column("profile", overflow="fold", max_width=18)
    headings = ("init\np50", "p50", "p90", "p99", "inf/s", "peak\nMiB", "runs", "void", "C")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for row in rows:
        span = row.temperature_c
        table.add_row(
            row.runtime,
            row.profile,
            *(_digits(v) for v in (row.init_p50_ms, row.p50_ms, row.p90_ms, row.p99_ms)),
            _digits(row.per_s),
            "" if row.peak_mib is None else f"{row.peak_mib:.0f}",
            f"{row.runs}/{row.wanted}",
            str(row.void) if row.void else "",
            "" if span is None else f"{span[0]:.0f}-{span[1]:.0f}",
            row.status,
        )
    return table


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _lines(outcome: Outcome, pair: tuple[Rung, Rung] | None) -> list[str]:
    """Return what else is to be said of a device."""
    found = []
    shipped = outcome.shipped
    if outcome.device is not None:
        found.append(
            f"{shipped.pushed} files copied ({shipped.pushed_bytes / 2**20:.1f} MiB), "
            f"{shipped.kept} were there with the same content"
        )
    if outcome.campaign is not None:
        found.append(f"every run is in {outcome.campaign.path}")
    if pair is not None:
        emulated, device = pair
        codes = [o.max_codes for o in device.outputs if o.max_codes is not None]
        worst = max(codes, default=0.0)
        ap = "" if device.ap50 is None else f", AP@0.5 {console.share(device.ap50)}"
        than = "" if emulated.ap50 is None else f" (emulated {console.share(emulated.ap50)})"
        found.append(
            f"{device.title}: {device.status} against {emulated.title}: at most {worst:g} codes "
            f"apart, {device.matched} of {device.references} detections found again{ap}{than}"
        )
    return found + [f"problem: {problem}" for problem in outcome.problems]


def _judge(
    outcomes: Sequence[Outcome],
    rows: Sequence[Row],
    compared: Sequence[tuple[Rung, Rung] | None],
) -> None:
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    bad = [row for row in rows if row.status != "ok"]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DeviceError(f"{problems[0]}{more}")
    if bad:
        first = bad[0]
        raise DeviceError(
            f"{len(bad)} of {len(rows)} rows are not whole, first {first.chip} {first.runtime} "
            f"{first.profile}, {first.status}: {first.reason}; run it again, it goes on with what "
            f"is missing"
        )
    wrong = [text for text in map(rung_failure, compared) if text]
    if wrong:
        raise ParityError(f"the outputs of a device are not the network's: {wrong[0]}")
