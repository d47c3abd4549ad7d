"""The command lines of the SDK's programs on a device, and the script that runs one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .client import quote
from .kit import THROUGHPUT, Runtime

PROFILES = (
    "burst", "sustained_high_performance", "high_performance", "balanced", "low_balanced",
    "high_power_saver", "power_saver", "low_power_saver", "default",
)  # fmt: skip
"""Performance profiles that every release takes (2.5 of 1.x and of 2.x)."""
LIST, OUT, LOG, PID = "list.txt", "out", "log.txt", "pid"
CONFIG, HTP_CONFIG = "qnn.json", "htp.json"
SHOWN_BYTES = 65536
BACKENDS = {"cpu": "libQnnCpu.so", "gpu": "libQnnGpu.so"}
_SYSTEM_SKELETONS = {
    "android": "/system/lib/rfsa/adsp;/system/vendor/lib/rfsa/adsp;/dsp",
    "linux": "/usr/lib/rfsa/adsp;/dsp",
}
_ENVIRONMENT = 'export LD_LIBRARY_PATH={lib} PATH="$PATH":{bin} ADSP_LIBRARY_PATH={dsp}'
PEAK = """p=0
while kill -0 $hexdet_pid 2>/dev/null; do
 m=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$hexdet_pid/status 2>/dev/null)
 [ -n "$m" ] && p=$m
 sleep 0.1
done
echo hexdet-peak=$p
"""
"""Looks at the process's peak memory while it lives; it takes time from it, so no run that is
timed has it."""


def snpe_run(
    model: str, runtime: Runtime, profile: str, *, profiling: str, signed: bool
) -> list[str]:
    """Return the words of snpe-net-run over the list of the working folder.

    signed: this release runs only signed code on the DSP unless told otherwise: that of 1.x.
    """
    chosen = [] if runtime == "cpu" else [f"--use_{runtime}"]
    if signed and runtime == "dsp":
        chosen.append("--platform_options=unsignedPD:ON")
    return [
        "snpe-net-run", "--container", model, "--input_list", LIST, *chosen,
        f"--perf_profile={profile}", f"--profiling_level={profiling}", f"--output_dir={OUT}",
    ]  # fmt: skip


def snpe_throughput(
    model: str, runtime: Runtime, profile: str, raw: str, duration_s: int
) -> list[str]:
    """Return the words of snpe-throughput-net-run for one instance fed with one raw."""
    return [
        THROUGHPUT, "--container", model, f"--use_{runtime}", "--perf_profile", profile,
        "--duration", str(duration_s), "--input_raw", raw,
    ]  # fmt: skip


def qnn_run(
    model: str, runtime: Runtime, lib: str, *, context: bool, htp: bool, native: bool
) -> list[str]:
    """Return the words of qnn-net-run over the list of the working folder.

    The performance profile of the HTP stands in CONFIG. context: the model is a context binary.
    native: inputs and outputs are the network's own codes.
    """
    backend = BACKENDS.get(runtime, "libQnnHtp.so" if htp else "libQnnDsp.so")
    if context:
        source = ["--retrieve_context", model]
    else:
        source = ["--model", f"{lib}/libQnnModelDlc.so", "--dlc_path", model]
    return [
        "qnn-net-run", "--backend", f"{lib}/{backend}", *source, "--input_list", LIST,
        "--output_dir", OUT, "--profiling_level", "basic",
        *(["--use_native_input_files", "--use_native_output_files"] if native else []),
        *(["--config_file", CONFIG] if runtime == "dsp" and htp else []),
    ]  # fmt: skip


def qnn_configs(profile: str, lib: str, soc_model: int, arch: int) -> dict[str, str]:
    """Return the two files that give qnn-net-run a performance profile on the HTP."""
    outer: dict[str, Any] = {
        "backend_extensions": {
            "shared_library_path": f"{lib}/libQnnHtpNetRunExtensions.so",
            "config_file_path": HTP_CONFIG,
        }
    }
    core = {"core_id": 0, "perf_profile": profile}
    device = {"soc_model": soc_model, "dsp_arch": f"v{arch}", "cores": [core]}
    return {CONFIG: json.dumps(outer), HTP_CONFIG: json.dumps({"devices": [device]})}


def run_script(words: Sequence[str], root: str, work: str, system: str, *, peak: bool) -> str:
    """Return the script that runs a program in a working folder and prints its end and its log.

    A program that an earlier call left running there is ended first. peak: see PEAK.
    """
    skeletons = f"{root}/dsp/lib;{_SYSTEM_SKELETONS[system]}"
    environment = _ENVIRONMENT.format(
        lib=quote(f"{root}/lib"), bin=quote(f"{root}/bin"), dsp=quote(skeletons)
    )
    return f"""{stop_script(work)}
cd {quote(work)} || exit 97
rm -rf {OUT} {LOG}
( {environment}
exec {quote(*words)} ) >{LOG} 2>&1 &
hexdet_pid=$!
echo $hexdet_pid >{PID}
{PEAK if peak else ""}wait $hexdet_pid
hexdet_code=$?
rm -f {PID}
tail -c {SHOWN_BYTES} {LOG}
exit $hexdet_code"""


def stop_script(work: str) -> str:
    """Return the script that ends what runs in a working folder, where something does."""
    pid = quote(f"{work}/{PID}")
    # A number alone may have gone to another process since: it must have that working folder.
    return f"""if [ -f {pid} ]; then
 p=$(cat {pid}); [ "$(readlink /proc/$p/cwd)" = "$(cd {quote(work)} && pwd -P)" ] && kill -9 $p
 rm -f {pid}
fi 2>/dev/null"""
