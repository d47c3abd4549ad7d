"""A campaign's figures: a row a runtime and profile, and what of it is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...export.ladder import Rung
from ..results import Record, Result, recorder
from .campaign import Campaign, Sample
from .session import Outcome


@dataclass(frozen=True, kw_only=True)
class Row:
    """One runtime with one performance profile on one device.

    Percentiles are over the means of the runs that count; None where there is none. void, failed:
    runs that do not count; reason: why the last of them does not. temperature_c: the lowest
    before and the highest during or after the runs, by `sensor`. cap: the smallest limit of a
    core's clock. status: `ok`, `incomplete`, `void`, `failed` or `not run`.
    """

    serial: str
    device: str
    chip: str
    arch: int
    stand_in: bool
    model: str
    runtime: str
    profile: str
    status: str
    runs: int
    wanted: int
    void: int
    failed: int
    reason: str
    init_p50_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    spread_ms: float | None
    inferences: int
    per_s: float | None
    peak_mib: float | None
    sensor: str
    temperature_c: tuple[float, float] | None
    clock_mhz: tuple[float, float] | None
    cap: float | None
    battery_percent: tuple[int, int] | None


def rows_of(
    outcome: Outcome, runtimes: Sequence[str], profiles: Sequence[str], samples: int
) -> list[Row]:
    """Return a row for everything that was wanted of a device, none where it is not even known."""
    if outcome.device is None or outcome.model is None:
        return []
    return [
        _row(outcome, runtime, profile, samples) for runtime in runtimes for profile in profiles
    ]


def _row(outcome: Outcome, runtime: str, profile: str, wanted: int) -> Row:
    device, model, campaign = outcome.device, outcome.model, outcome.campaign
    assert device is not None
    assert model is not None
    latency, first, throughput = (
        [] if campaign is None else campaign.of(runtime, profile, kind)
        for kind in ("latency", "first", "throughput")
    )
    every = [*first, *latency, *throughput]
    good = [s for s in latency if s.status == "ok" and s.inference_ms is not None]
    void = [s for s in every if s.status == "void"]
    failed = [s for s in every if s.status == "failed"]
    times = [s.inference_ms for s in good if s.inference_ms is not None]
    inits = [s.init_ms for s in good if s.init_ms is not None]
    low, middle, high = _quantiles(times, (50, 90, 99))
    quartiles = _quantiles(times, (25, 75))
    last = next((s for s in reversed(every) if s.status != "ok"), None)
    seen = [s for s in latency if s.status == "ok"] or every
    return Row(
        serial=outcome.serial,
        device=device.model,
        chip=device.chip,
        arch=device.arch,
        stand_in=device.stand_in or (outcome.sdk is not None and outcome.sdk.is_stand_in),
        model=model.title,
        runtime=runtime,
        profile=profile,
        status=_status(len(good), wanted, (first, throughput), every),
        runs=len(good),
        wanted=wanted,
        void=len(void),
        failed=len(failed),
        reason=last.reason if last is not None else "",
        init_p50_ms=_quantiles(inits, (50,))[0],
        p50_ms=low,
        p90_ms=middle,
        p99_ms=high,
        spread_ms=None if len(times) < 2 else (quartiles[1] - quartiles[0]) / 2,
        inferences=sum(s.inferences for s in good),
        per_s=next((s.per_s for s in reversed(throughput) if s.status == "ok"), None),
        peak_mib=next((s.peak_mib for s in reversed(first) if s.status == "ok"), None),
        sensor=next((str(s.health["before"]["sensor"]) for s in seen if "before" in s.health), ""),
        temperature_c=_temperatures(seen),
        clock_mhz=_span(_told(seen, "clock_mhz")),
        cap=min(_told(seen, "cap"), default=None),
        battery_percent=_battery(seen),
    )


def _status(
    good: int, wanted: int, others: Iterable[Sequence[Sample]], every: Sequence[Sample]
) -> str:
    """Return how whole a row is. others: runs of other kinds, of each of which one must count."""
    if good >= wanted and all(any(s.status == "ok" for s in runs) for runs in others if runs):
        return "ok"
    if good:
        return "incomplete"
    if not every:
        return "not run"
    # Those that count but are no latency leave the row as empty as none.
    last = next((s.status for s in reversed(every) if s.status != "ok"), "")
    return last or "not run"


def _quantiles(values: Sequence[float], percents: Sequence[int]) -> list[Any]:
    if not values:
        return [None] * len(percents)
    return [float(value) for value in np.percentile(values, percents)]


def _told(samples: Sequence[Sample], name: str) -> list[Any]:
    moments = [moment for sample in samples for moment in sample.health.values() if moment]
    return [moment[name] for moment in moments if moment.get(name) is not None]


def _span(values: Sequence[Any]) -> tuple[Any, Any] | None:
    return (min(values), max(values)) if values else None


def _temperatures(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """Return the span of the gate's sensor over all moments that told it."""
    name = next((s.health["before"]["sensor"] for s in samples if "before" in s.health), None)
    moments = [moment for sample in samples for moment in sample.health.values() if moment]
    known = [m["gate_c"] for m in moments if m["sensor"] == name and m["gate_c"] is not None]
    return _span(known)


def _battery(samples: Sequence[Sample]) -> tuple[int, int] | None:
    known = _told(samples, "battery_percent")
    return (known[0], known[-1]) if known else None


def results_of(outcome: Outcome, rows: Sequence[Row], bundle_name: str) -> Iterator[Result]:
    """Yield what is remembered of whole rows: of a stand-in under names that are no device's.

    What is not whole stays in the campaign until it is.
    """
    for row in rows:
        if row.status != "ok":
            continue
        record = _recorder(outcome, row, bundle_name)
        name = f"{_prefix(row)}_{row.runtime}_{row.profile}"
        figures = [
            ("init_p50", row.init_p50_ms, "ms", row.runs, None),
            ("inference_p50", row.p50_ms, "ms", row.runs, row.spread_ms),
            ("inference_p90", row.p90_ms, "ms", row.runs, None),
            ("inference_p99", row.p99_ms, "ms", row.runs, None),
            ("throughput", row.per_s, "1/s", 1, None),
            ("peak_memory", None if row.peak_mib is None else row.peak_mib * 2**20, "B", 1, None),
        ]
        for metric, value, unit, n, spread in figures:
            if value is not None:
                yield record(f"{name}_{metric}", value, unit, n=n, spread=spread)


def outputs_results(
    outcome: Outcome, row: Row, rung: Rung, images: int, bundle_name: str
) -> Iterator[Result]:
    """Yield what is remembered of a device's outputs. row: any of the same device."""
    record = _recorder(outcome, row, bundle_name)
    codes = [o.max_codes for o in rung.outputs if o.max_codes is not None]
    if codes:
        yield record(f"{_prefix(row)}_codes_from_emulator", max(codes), "1", n=images)
    if rung.ap50 is not None:
        yield record(f"{_prefix(row)}_ap50", rung.ap50, "1", n=images)


def _prefix(row: Row) -> str:
    return "stand_in" if row.stand_in else "device"


def _recorder(outcome: Outcome, row: Row, bundle_name: str) -> Record:
    assert outcome.model is not None
    record = recorder(
        artifact=f"{bundle_name}/{outcome.model.path.name}",
        sha256=outcome.model.sha256,
        backend=f"{_prefix(row).replace('_', '-')} {row.runtime} {row.profile}",
        target=row.chip,
    )
    machine = f"{row.device}, {row.chip}" + (", STAND-IN" if row.stand_in else "")
    return lambda *args, **named: replace(record(*args, **named), machine=machine)


def campaign_of(campaign: Campaign | None) -> dict[str, Any]:
    """Return what tells a campaign in JSON."""
    if campaign is None:
        return {}
    return {"file": str(campaign.path), "begun": campaign.begun, "resumed": campaign.resumed}
