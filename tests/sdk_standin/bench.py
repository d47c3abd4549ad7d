"""snpe_bench.py: it checks its configuration and, with no device behind adb, times the CPU here."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from hexdet.errors import HexdetError
from sdk_standin.net_run import Network
from sdk_standin.running import Job, ToolError

REQUIRED = (
    "Name", "HostRootPath", "HostResultsDir", "DevicePath", "Devices", "Runs", "Model",
    "Runtimes", "Measurements",
)  # fmt: skip
OF_MODEL = ("Name", "Dlc", "InputList", "Data")
OPTIONAL = frozenset(
    {"HostName", "CpuFallback", "BufferTypes", "PerfProfile", "ProfilingLevel", "PlatformOptions",
     "UBFloatOutput"}
)  # fmt: skip
RUNTIMES = frozenset({"CPU", "GPU", "GPU_s", "GPU_FP16", "DSP", "AIP", "AIP_ACT16"})
ROWS = (
    "Load", "Deserialize", "Create", "Init", "De-Init", "Create Network(s)", "RPC Init Time",
    "Snpe Accelerator Init Time", "Accelerator Init Time", "Total Inference Time",
    "Forward Propagate", "RPC Execute", "Snpe Accelerator", "Accelerator", "Misc Accelerator",
)  # fmt: skip


def run(job: Job) -> None:
    """Time, and write CSV, and JSON where asked."""
    path = Path(job.arguments.one("-c"))
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        _check(config)
        network = Network(Path(config["Model"]["Dlc"]))
    except (ValueError, TypeError, HexdetError, OSError) as error:
        raise ToolError(f"Error: {path}: {error}") from None
    feed = {name: np.zeros(t.shape, np.float32) for name, t in network.inputs.items()}
    times = []
    for _ in range(int(config["Runs"])):
        started = time.perf_counter()
        network.run(feed)
        times.append(max(round((time.perf_counter() - started) * 1e6), 1))
    cells = {
        name: (sum(times) // len(times), max(times), min(times))
        if name in ("Total Inference Time", "Forward Propagate")
        else (0, 0, 0)
        for name in ROWS
    }
    for n, layer in enumerate(network.layers):
        cells[f"layer_{n:03d} (Name:{layer} Type:stand-in)"] = (1, 1, 1)
    base = Path(job.arguments.one("-o") or config["HostResultsDir"])
    folder = base / time.strftime("%Y-%m-%d_%H:%M:%S")
    folder.mkdir(parents=True, exist_ok=True)
    latest = base / "latest_results"
    latest.unlink(missing_ok=True)
    latest.symlink_to(folder.name)
    stem = f"benchmark_stats_{config['Name']}"
    (folder / f"{stem}.csv").write_text(_csv(job, config, cells), encoding="utf-8")
    if job.arguments.has("-json"):
        (folder / f"{stem}.json").write_text(_json(job, config, cells), encoding="utf-8")
    print(f"Results in {folder} (a stand-in's: this PC's CPU)")


def _check(config: dict[str, Any]) -> None:
    for key in REQUIRED:
        if key not in config:
            raise ValueError(f"missing field {key}")
    for key in OF_MODEL:
        if key not in config["Model"]:
            raise ValueError(f"missing field Model:{key}")
    unknown = set(config) - set(REQUIRED) - OPTIONAL
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]}")
    if not config["Runtimes"] or set(config["Runtimes"]) - RUNTIMES:
        raise ValueError(f"Runtimes: {config['Runtimes']}")
    if set(config["Measurements"]) - {"timing", "mem"}:
        raise ValueError(f"Measurements: {config['Measurements']}")


Cells = dict[str, tuple[int, int, int]]


def _csv(job: Job, config: dict[str, Any], cells: Cells) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["SNPE SDK version:", job.version.full])
    writer.writerow(["Name", config["Name"]])
    writer.writerow(["Model:Dlc", config["Model"]["Dlc"]])
    columns = [f"{name}_timing" for name in config["Runtimes"]]
    writer.writerow(["", *(cell for column in columns for cell in (column, "", "", ""))])
    writer.writerow(["", *("avg (us)", "max (us)", "min (us)", "runtime") * len(columns)])
    for name, values in cells.items():
        writer.writerow([name, *(cell for _ in columns for cell in (*values, "CPU"))])
    return text.getvalue()


def _json(job: Job, config: dict[str, Any], cells: Cells) -> str:
    keys = ("Avg_Time", "Max_Time", "Min_Time")
    rows = {
        name: {**dict(zip(keys, values, strict=True)), "Runtime": "CPU"}
        for name, values in cells.items()
    }
    content = {
        "SNPE SDK version:": job.version.full,
        "ro.product.model": "stand-in",
        "Name": config["Name"],
        "HostRootPath": config["HostRootPath"],
        "Model:Name": config["Model"]["Name"],
        "Model:Dlc": config["Model"]["Dlc"],
        "Runtimes": config["Runtimes"],
        "Measurements": config["Measurements"],
        "Execution_Data": {f"{name}_timing": rows for name in config["Runtimes"]},
        "Units": "us",
    }
    return json.dumps(content, indent=1)
