"""The table of faults: what each does, what the user is told, whether a second call is needed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adb.rig import Place, StandIn, Told, usual

from hexdet.benchmarks.adb.campaign import Sample


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a device.

    says: what the user is told. alone: the call ends well without the user; else it does not, and
    a second one, the fault being gone, does. wanted: changes of the usual wish.
    """

    name: str
    says: str
    values: Mapping[str, float] = field(default_factory=dict)
    alone: bool = False
    wanted: Mapping[str, Any] = field(default_factory=dict)


FAULTS = [
    Fault(name="lost-in-push", says="the connection broke", values={"bytes": 2000}, alone=True),
    Fault(name="lost-in-run", says="it is back", values={"skip": 1}, alone=True),
    Fault(name="lost-in-pull", says="the connection broke", values={"bytes": 20}, alone=True),
    Fault(name="dies-in-run", says="did not come back", values={"skip": 2},
          wanted={"reconnect_s": 1.0}),
    Fault(name="full", says="KiB are free", values={"bytes": 4000}),
    Fault(name="full", says="did not fit into", values={"bytes": 4000, "hidden": 1}),
    Fault(name="slow", says="", values={"seconds": 0.05}, alone=True),
    Fault(name="garbled", says="", alone=True),
    Fault(name="hot", says="waiting until it is cool: skin at",
          values={"celsius": 42.0, "per_s": 3.0}, alone=True),
    Fault(name="hot", says="still warm after 0.2 s: skin at 4",
          values={"celsius": 42.0, "per_s": 0.0}, wanted={"wait_s": 0.2}),
    Fault(name="throttle", says="a core's clock was capped at 60%", alone=True),
    Fault(name="throttle", says="clock was capped", values={"skip": 1}, wanted={"retries": 0}),
    Fault(name="crash", says="was ended by signal 11", values={"skip": 2}),
    Fault(name="hang", says="gave no answer in 6 s on the device and was ended",
          values={"skip": 1}, wanted={"run_limit_s": 6.0}),
    Fault(name="refuse", says="Runtime DSP is not available on this device", values={"skip": 1}),
    Fault(name="half-outputs", says="bytes of scores_8 instead of 512", values={"times": 9}),
    Fault(name="no-sensors", says="it tells no temperature", alone=True),
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Played:
    """A fault that was played. second: the call after it, None where the first ended well.

    kept: the good runs of the first call, all of which are still in the campaign after the second.
    """

    first: Told
    second: Told | None
    kept: int
    seconds: float

    @property
    def last(self) -> Told:
        """Return the call that must have ended well."""
        return self.second or self.first


def play(place: Place, device: StandIn, fault: Fault) -> Played:
    """Let a device have a fault, and make the call again when it is gone, where that is needed."""
    begun = time.monotonic()
    device.arm(fault.name, **fault.values)
    first = place.run([device], usual(throughput_s=0, **fault.wanted))
    good = _good(first)
    second = None
    if not is_whole(first):
        device.faults.clear()
        if fault.name == "dies-in-run":
            device.stop()
            device.start()
            place.server.connect(device)
        second = place.run([device], usual(throughput_s=0))
        again = _good(second)
        assert again[: len(good)] == good, "a run of the first call is lost"
    return Played(first=first, second=second, kept=len(good), seconds=time.monotonic() - begun)


def is_whole(told: Told) -> bool:
    """Return whether a call gave everything that was asked for."""
    rows = bool(told.rows) and all(row.status == "ok" for row in told.rows)
    return rows and all(outcome.outputs and not outcome.problems for outcome in told.outcomes)


def _good(told: Told) -> list[Sample]:
    campaign = told.outcomes[0].campaign
    return [] if campaign is None else [s for s in campaign.samples if s.status == "ok"]
