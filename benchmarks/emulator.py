"""A bundle's INT8 graph on the emulated HTP: placement, per-node profile, binaries for chips.

Its times are host times of an emulation: they say where the compiler put the work, never how long
a device takes.
"""

from __future__ import annotations

import csv
import io
import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import ToolError
from ..export.context_binary import write_context_binary
from ..runtime.backend import graph_path
from ..runtime.files import sha256_of
from ..runtime.processes import ModuleProcess
from ..runtime.qnn import PROVIDER
from ..runtime.scratch import scratch_folder
from ..runtime.targets import Target, target_of_arch
from .emulator_worker import ANSWER, PROFILE
from .results import Result, recorder

WORKER = "hexdet.benchmarks.emulator_worker"
SIZED_ARCHS = (68, 69, 73, 75, 79)
TIME_LIMIT_S = 600.0
OP_ID = re.compile(r":OpId_\d+ \(cycles\)$")

Step = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class NodeCycles:
    """A node of the prepared graph; cycles of the host that emulates it, the median of the runs."""

    name: str
    cycles: int


@dataclass(frozen=True, kw_only=True)
class EmulatorCost:
    """What a chip's compiler made of the graph, and what emulating it took on this machine.

    placement: nodes of the ONNX graph by execution provider. share: on the HTP, 0 to 1. refused:
    why the whole graph was not taken, empty where it was. phases_us: of the preparation.
    prepare_s, run_s: host times of the emulation. nodes: in the order of execution.
    """

    target: str
    arch: int
    placement: dict[str, int]
    elsewhere: tuple[str, ...]
    refused: str
    prepare_s: float
    run_s: float
    runs: int
    phases_us: dict[str, int]
    nodes: tuple[NodeCycles, ...]

    @property
    def share(self) -> float:
        """Return how much of the graph the HTP takes, by nodes."""
        total = sum(self.placement.values())
        return self.placement.get(PROVIDER, 0) / total if total else 0.0


@dataclass(frozen=True, kw_only=True)
class BinarySize:
    """The context binary of a chip; size_bytes is None where it could not be made, for `reason`."""

    target: str
    arch: int
    size_bytes: int | None
    reason: str = ""


def measure(
    bundle: Path,
    pixels: npt.NDArray[np.uint8],
    target: Target,
    *,
    runs: int = 2,
    time_limit_s: float = TIME_LIMIT_S,
    worker: str = WORKER,
) -> EmulatorCost:
    """Prepare and run a bundle's INT8 graph for a chip under QNN's profiler.

    pixels: uint8 [1, h, w, 3]. Raises ArtifactError without the graph, ToolError where the
    libraries fail or take too long.
    """
    graph = graph_path(bundle, "int8")
    what = f"emulating {graph} for {target.name}"
    with scratch_folder() as folder:
        content = io.BytesIO()
        np.save(content, pixels, allow_pickle=False)
        (folder / "pixels.npy").write_bytes(content.getvalue())  # says where a disk is full
        given = (graph.resolve(), target.name, folder / "pixels.npy", runs, folder)
        process = ModuleProcess(worker, [str(value) for value in given])
        try:
            process.wait(what, time_limit_s)
        finally:
            process.close()
        try:
            answer = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
        except OSError:
            raise ToolError(f"{what} gave no answer: {process.last_lines()}") from None
        profile = folder / PROFILE
        text = profile.read_text(encoding="utf-8", errors="replace") if profile.is_file() else ""
    phases, nodes = read_profile(text)
    if not answer["refused"] and not nodes:
        raise ToolError(f"{what} left no profile of its nodes: {process.last_lines()}")
    placement: Mapping[str, Sequence[str]] = answer["placement"]
    return EmulatorCost(
        target=target.name,
        arch=target.arch,
        placement={provider: len(names) for provider, names in placement.items()},
        elsewhere=tuple(n for p, names in placement.items() if p != PROVIDER for n in names),
        refused=answer["refused"],
        prepare_s=answer["prepare_s"],
        run_s=statistics.median(answer["run_s"]) if answer["run_s"] else 0.0,
        runs=len(answer["run_s"]),
        phases_us=phases,
        nodes=nodes,
    )


def read_profile(text: str) -> tuple[dict[str, int], tuple[NodeCycles, ...]]:
    """Read the CSV of onnxruntime-qnn: phases of the preparation, and nodes in their order.

    Columns: Msg Timestamp, Message, Time, Unit of Measurement, Timing Source, Event Level, Event
    Identifier. Rows that do not fit are left out: a profile may be cut off.
    """
    phases: dict[str, int] = {}
    cycles: dict[str, list[int]] = {}
    preparing = False
    for row in csv.DictReader(io.StringIO(text.replace("\0", ""))):
        name, unit, event = (
            row.get(key) or "" for key in ("Event Identifier", "Unit of Measurement", "Message")
        )
        try:
            value = int(row["Time"] or "")
        except (KeyError, ValueError):
            continue
        if row.get("Event Level") == "ROOT":
            preparing = event == "FINALIZE"
        if unit == "US" and preparing:
            phases[name] = value
        elif event == "NODE" and unit == "CYCLES":
            cycles.setdefault(OP_ID.sub("", name), []).append(value)
    return phases, tuple(
        NodeCycles(name=name, cycles=int(statistics.median(found)))
        for name, found in cycles.items()
    )


def binary_sizes(
    bundle: Path,
    archs: Sequence[int] = SIZED_ARCHS,
    step: Step | None = None,
    *,
    time_limit_s: float = TIME_LIMIT_S,
) -> list[BinarySize]:
    """Compile a bundle's INT8 graph for the chip of each Hexagon version and weigh the binaries.

    Raises ArtifactError without the graph; a chip that the libraries fail on tells so in its row.
    """
    graph = graph_path(bundle, "int8")
    found = []
    for done, arch in enumerate(archs, 1):
        target, size, reason = target_of_arch(arch), None, ""
        with scratch_folder() as folder:
            binary, wrapper = folder / "graph.bin", folder / "graph.onnx"
            try:
                write_context_binary(graph, target, binary, wrapper, time_limit_s)
                size = binary.stat().st_size
            except ToolError as error:
                reason = str(error)
        found.append(BinarySize(target=target.name, arch=arch, size_bytes=size, reason=reason))
        if step is not None:
            step(done, len(archs))
    return found


def results(
    bundle: Path, costs: Sequence[EmulatorCost], sizes: Sequence[BinarySize]
) -> list[Result]:
    """Return what is worth remembering; times are of the emulation and named so."""
    graph = graph_path(bundle, "int8")
    artifact, sha256 = f"{bundle.resolve().name}/int8.onnx", sha256_of(graph)
    rows = []
    for cost in costs:
        record = recorder(
            artifact=artifact, sha256=sha256, backend="emulated HTP", target=cost.target
        )
        rows.append(record("htp_placement", cost.share, "1", n=sum(cost.placement.values())))
        if not cost.refused:
            rows.append(record("htp_nodes", len(cost.nodes), "1"))
            rows.append(record("emulation_prepare_host_time", cost.prepare_s, "s"))
            rows.append(record("emulation_run_host_time", cost.run_s, "s", n=cost.runs))
    for size in sizes:
        if size.size_bytes is not None:
            record = recorder(artifact=artifact, sha256=sha256, target=size.target)
            rows.append(record("context_binary_size", size.size_bytes, "B"))
    return rows
