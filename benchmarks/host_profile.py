"""Which layers take the time on onnxruntime's CPU provider: its own profile, read."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ToolError
from ..runtime.backend import graph_path
from ..runtime.contract import load_contract
from ..runtime.images import Image, normalise, prepare
from ..runtime.scratch import scratch_folder
from ..runtime.signature import Precision

SUFFIX = "_kernel_time"


@dataclass(frozen=True, kw_only=True)
class NodeTime:
    """A node as onnxruntime runs it, fused with others perhaps; its median time, microseconds."""

    name: str
    operator: str
    time_us: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Nodes, the slowest first, of runs under the profiler, which slows them a little.

    operators: the sum of their nodes' medians by operator, microseconds, the slowest first.
    """

    runs: int
    nodes: tuple[NodeTime, ...]
    operators: dict[str, float]

    @property
    def total_us(self) -> float:
        """Return what all nodes take, microseconds a run."""
        return sum(self.operators.values())


def profile(
    bundle: Path, precision: Precision, image: Image, *, threads: int, runs: int
) -> Profile:
    """Run a bundle's graph under onnxruntime's profiler; the first run warms up and is left out.

    Raises ArtifactError where the graph is missing, ToolError where there is no profile to read.
    """
    import onnxruntime

    contract = load_contract(bundle)
    pixels = prepare(image, contract.input).pixels
    value = pixels if precision == "int8" else normalise(pixels, contract.input)
    with scratch_folder() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "host")
        path = str(graph_path(bundle, precision))
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for _ in range(runs + 1):
            session.run(None, {"image": value})
        text = Path(session.end_profiling()).read_text(encoding="utf-8")
    return read_profile(text, runs)


def read_profile(text: str, runs: int) -> Profile:
    """Read a profile in Chrome's trace format, of which the last `runs` of each node count.

    Raises ToolError for what is no such profile.
    """
    times: defaultdict[str, list[float]] = defaultdict(list)
    operators: dict[str, str] = {}
    try:
        events: Iterable[Mapping[str, Any]] = json.loads(text)
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith(SUFFIX):
                name = event["name"].removesuffix(SUFFIX)
                times[name].append(float(event["dur"]))
                operators[name] = str(event["args"]["op_name"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ToolError(f"onnxruntime wrote a profile that cannot be read: {error}") from error
    if not times:
        raise ToolError("onnxruntime's profile names no node")
    nodes = [
        NodeTime(name=name, operator=operators[name], time_us=statistics.median(t[-runs:]))
        for name, t in times.items()
    ]
    totals: defaultdict[str, float] = defaultdict(float)
    for node in nodes:
        totals[node.operator] += node.time_us
    return Profile(
        runs=runs,
        nodes=tuple(sorted(nodes, key=lambda node: -node.time_us)),
        operators=dict(sorted(totals.items(), key=lambda item: -item[1])),
    )
