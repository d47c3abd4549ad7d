"""What the programs that run networks tell: shapes that the stand-ins on host and device share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdk_standin.versions import Version

RUNTIMES = {
    "cpu": "cpu_float32", "gpu": "gpu_float32_16_hybrid", "gpu_fp16": "gpu_float16",
    "dsp": "dsp_fixed8_tf", "aip": "aip_fixed8_tf",
}  # fmt: skip
LOGS = {"snpe": "SNPEDiag_0.log", "qnn": "qnn-profiling-data_0.log"}
LONGEST_S = 0.2
"""A stand-in's pace means nothing: no test has to wait for more of it."""


def throughput_text(
    version: Version, runtime: str, count: int, elapsed_us: int, built_us: int
) -> str:
    """Return what snpe-throughput-net-run prints of one instance (facts 5.5)."""
    pace = count / elapsed_us * 1e6
    label = "Instance" if version.key >= (2, 25) else "Thread"
    name = RUNTIMES.get(runtime, runtime)
    return (
        f"[{label} 0 - {name}] {pace:.2f} infs/sec - Number of images processed: {count} - "
        f"Build time: {built_us} microseconds - Elapsed time: {elapsed_us} microseconds - "
        f"Real time: {elapsed_us} microseconds - Teardown time: 1 microseconds - Batch : 1\n"
        f"Total throughput: {pace:.2f} infs/sec"
    )


def profile_log(
    version: Version,
    level: str,
    runtime: str,
    times: tuple[float, float, float],
    runs: int,
    layers: Mapping[str, int],
) -> dict[str, Any]:
    """Return what the stand-ins' viewers read of a run. times: of its start, once loaded, its end,
    in seconds; layers: microseconds by name."""
    started, loaded, ended = times
    return {
        "stand_in": True,
        "version": version.full,
        "level": level,
        "load_us": round((loaded - started) * 1e6),
        "inference_us": max(round((ended - loaded) * 1e6 / runs), 1),
        "runtime": runtime,
        "layers": dict(layers),
    }
