"""The printout of snpe-throughput-net-run: how many inferences a second each instance made."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import ToolError

_INSTANCE = re.compile(
    r"\[(?:Thread|Instance)\s+(?P<index>\d+)\s*-\s*(?P<runtime>[^\]]+?)\s*\]\s*"
    r"(?P<rate>\d+\.?\d*) infs/sec(?P<rest>.*)"
)
_TOTAL = re.compile(r"Total throughput:\s*(\d+\.?\d*)")
_FAILED = ("Unable to successfully create SNPE instance", "Could not create any", "error_code=")
SHOWN_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance of the network: times in microseconds, None where this build prints none."""

    index: int
    runtime: str
    inferences_per_s: float
    images: int | None
    build_us: int | None
    elapsed_us: int | None
    real_us: int | None
    teardown_us: int | None
    batch: int | None


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """A run of all instances together."""

    instances: tuple[Instance, ...]
    total_per_s: float


def read_throughput(text: str) -> Throughput:
    """Read what snpe-throughput-net-run printed, of 1.x (`Thread`) and of 2.x (`Instance`).

    Without the line of the total it is the sum of the instances.
    Raises ToolError, with the tool's own words, where it measured nothing.
    """
    lines = text.splitlines()
    instances = tuple(_instance(found) for line in lines if (found := _INSTANCE.search(line)))
    total = _TOTAL.search(text)
    if not instances and total is None:
        blamed = [line.strip() for line in lines if any(words in line for words in _FAILED)]
        shown = blamed or [line.strip() for line in lines if line.strip()][-SHOWN_LINES:]
        raise ToolError(
            "snpe-throughput-net-run measured nothing: "
            + (" | ".join(shown[:SHOWN_LINES]) or "(it printed nothing)")
        )
    rate = float(total[1]) if total else sum(i.inferences_per_s for i in instances)
    return Throughput(instances=instances, total_per_s=rate)


def _instance(found: re.Match[str]) -> Instance:
    rest = found["rest"]

    def number(label: str) -> int | None:
        value = re.search(rf"{label}\s*:\s*(\d+)", rest)
        return int(value[1]) if value else None

    return Instance(
        index=int(found["index"]),
        runtime=found["runtime"],
        inferences_per_s=float(found["rate"]),
        images=number("Number of images processed"),
        build_us=number("Build time"),
        elapsed_us=number("Elapsed time"),
        real_us=number("Real time"),
        teardown_us=number("Teardown time"),
        batch=number("Batch"),
    )
