"""The printout of snpe-diagview: what starting and running a network on a device took."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ...errors import ToolError
from .quantities import Quantity, read_quantity

Part = Literal["head", "start", "run", "subnets", "layers", "graphs", "other"]
# Both eras: until about 2.9 the first wording, around 2.37 the second.
_HEADINGS: tuple[tuple[str, Part], ...] = (
    ("Load/Deserialize/Create/De-Init Statistics", "start"),
    ("SNPE Create Statistics", "start"),
    ("Average SNPE Statistics", "run"),
    ("SNPE Execute Statistics", "run"),
    ("Per-Subnet Execution Times", "subnets"),
    ("Per-Layer Execution Times", "layers"),
    ("Layer Times", "layers"),
    ("Per-Graph Execution Times", "graphs"),
)
_OLD_LAYER = re.compile(r"(\d+): (-?\d+(?:\.\d+)?)(?: (\w+))? : (\S.*)")
_LAYER = re.compile(r"(\d+): (.+?)(?: \(\w+\))? : (-?\d+(?:\.\d+)?)(?: (\w+))? : (\S.*)")


@dataclass(frozen=True, kw_only=True)
class LayerTime:
    """One layer: its time (DSP and HTP: cycles, of which only shares mean anything) and runtime.

    name: empty in the older printouts, which only count.
    """

    index: int
    name: str
    time: Quantity
    runtime: str


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A run's averages by the tool's own labels; what the profiling level left out is absent.

    start: Load, Deserialize, Create, Init, De-Init, ... run: Total Inference Time, Forward
    Propagate Time, RPC Execute Time, ..., each within the one before. graphs: of linting logs.
    """

    library_version: str
    start: dict[str, Quantity]
    run: dict[str, Quantity]
    subnets: dict[str, Quantity]
    graphs: dict[str, Quantity]
    layers: tuple[LayerTime, ...]

    @property
    def inference_us(self) -> float | None:
        """Return the mean time of an inference in microseconds, where it was measured."""
        found = self.run.get("Total Inference Time")
        return found.us if found else None


def read_diagview(text: str) -> Diagnosis:
    """Read what snpe-diagview printed, of both eras; ToolError where no figure is in it."""
    parts: dict[str, dict[str, Quantity]] = {
        name: {} for name in ("start", "run", "subnets", "graphs")
    }
    layers: list[LayerTime] = []
    version, part = "", "head"
    for line in text.splitlines():
        heading = next((name for words, name in _HEADINGS if words in line), None)
        if heading:
            part = heading
        elif line.startswith("Software library version:"):
            version = line.partition(":")[2].strip()
        elif part == "layers":
            layer = _layer(line.strip())
            layers += [layer] if layer else []
        elif part in parts and (found := read_quantity(line)):
            parts[part][found[0]] = found[1]
    if not layers and not any(parts.values()):
        shown = " | ".join(line.strip() for line in text.splitlines() if line.strip())[-300:]
        raise ToolError(f"snpe-diagview gave no figures: {shown or '(it printed nothing)'}")
    return Diagnosis(
        library_version=version,
        start=parts["start"],
        run=parts["run"],
        subnets=parts["subnets"],
        graphs=parts["graphs"],
        layers=tuple(layers),
    )


def _layer(line: str) -> LayerTime | None:
    old = _OLD_LAYER.fullmatch(line)
    if old:
        index, value, unit, runtime = old.groups()
        name = ""
    else:
        found = _LAYER.fullmatch(line)
        if found is None:
            return None
        index, name, value, unit, runtime = found.groups()
    time = Quantity(value=float(value), unit=unit or "")
    return LayerTime(index=int(index), name=name, time=time, runtime=runtime.strip())
