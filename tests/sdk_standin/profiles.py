"""snpe-diagview in the shapes of both eras, and qnn-profile-viewer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sdk_standin.running import Job, ToolError


def run(job: Job) -> None:
    """Print what a log of the stand-in's net-run says."""
    path = Path(job.arguments.one("--input_log").split(",")[0])
    try:
        log = json.loads(path.read_text(encoding="utf-8"))
        if not log["stand_in"]:
            raise ValueError
    except (ValueError, KeyError, TypeError, OSError):
        raise ToolError(f"{path} is no log of a stand-in") from None
    if job.tool == "qnn-profile-viewer":
        lines = _qnn(log)
    else:
        lines = _head(log) + (_new(log) if job.version.key >= (2, 25) else _old(log))
    print("\n".join(lines))
    if job.arguments.has("--output"):
        rows = [line.replace(": ", ",", 1) for line in lines if ": " in line]
        Path(job.arguments.one("--output")).write_text("\n".join(rows) + "\n", encoding="utf-8")


def _head(log: dict[str, Any]) -> list[str]:
    return [
        "Interpreting file serialized with Flatbuffer",
        "CREATE NETWORK: 1",
        "Log File Created: Sat Nov 21 00:00:00 2026",
        "Time Scale: 1e-06",
        "Epoch Timestamp: 1680000000000000 Steady Clock Timestamp: 123456789",
        f"Software library version: {log['version']}",
        "",
    ]


def _create(log: dict[str, Any]) -> list[str]:
    load = log["load_us"]
    lines = [
        f"Load: {load // 4} us",
        f"Deserialize: {load // 4} us",
        f"Create: {load // 2} us",
        f"Init: {load} us",
        "De-Init: 12 us",
    ]
    rest = ("Create Network(s)", "RPC Init Time", "Snpe Accelerator Init Time")
    if log["level"] != "basic":
        lines += [f"{name}: 0 us" for name in (*rest, "Accelerator Init Time")]
    return lines


def _execute(log: dict[str, Any]) -> list[str]:
    total = log["inference_us"]
    lines = [f"Total Inference Time: {total} us"]
    if log["level"] != "basic":
        lines.append(f"Forward Propagate Time: {total * 9 // 10} us")
        rest = ("RPC Execute Time", "Snpe Accelerator Time", "Accelerator Time")
        lines += [*(f"{name}: 0 us" for name in rest), "Misc Accelerator Time: 0 NONE"]
    return lines


def _old(log: dict[str, Any]) -> list[str]:
    lines = ["Dnn Runtime Load/Deserialize/Create/De-Init Statistics:", "-" * 50, *_create(log)]
    lines += ["", "Average SNPE Statistics:", "-" * 30, *_execute(log), ""]
    if log["level"] in ("detailed", "linting"):
        lines += ["Layer Times:", "-" * 15]
        lines += [f"{n}: {us} us : CPU" for n, us in enumerate(log["layers"].values())]
    return lines


def _new(log: dict[str, Any]) -> list[str]:
    lines = ["SNPE Create Statistics:", "-" * 50, *_create(log), ""]
    lines += ["SNPE Execute Statistics (Averaged):", "-" * 50, *_execute(log)]
    lines += ["Num times yield occurred: 0", ""]
    if log["level"] in ("detailed", "linting"):
        lines += ["Per-Subnet Execution Times:", f"Subnet 0 (CPU) : {log['inference_us']} us", ""]
        lines += ["Per-Layer Execution Times:"]
        lines += [
            f"{n}: {name} : {us} us : CPU" for n, (name, us) in enumerate(log["layers"].items())
        ]
    return lines


def _qnn(log: dict[str, Any]) -> list[str]:
    total = log["inference_us"]
    lines = ["Init Stats:", "-" * 30, f"    NetRun: {log['load_us']} us", ""]
    lines += ["Compose Graphs Stats:", f"    NetRun: {log['load_us'] // 2} us", ""]
    lines += ["Finalize Stats:", "Graph 0 (stand_in):", f"    NetRun: {log['load_us'] // 2} us", ""]
    lines += ["De-Init Stats:", "    NetRun: 12 us", ""]
    for kind in ("Average", "Min", "Max"):
        lines += [
            f"Execute Stats ({kind}):",
            "-" * 30,
            "Total Inference Time:",
            "Graph 0 (stand_in):",
            f"    NetRun: {total} us",
            "    Backend (Number of HVX threads used): 4 count",
            f"    Backend (RPC (execute) time): {total * 9 // 10} us",
            f"    Backend (QNN accelerator (execute) time): {total * 8 // 10} us",
            f"    Backend (Accelerator (execute) time): {total * 7 // 10} us",
            f"    Backend (Accelerator (execute) time (cycles)): {total * 1000} cycles",
            f"    Backend (QNN (execute) time): {total * 9 // 10} us",
            f"    NetRun IPS: {1e6 / total:.4f} inf/sec",
            "",
        ]
    return lines
