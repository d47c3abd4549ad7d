"""snpe-throughput-net-run and snpe-parallel-run: on this PC's CPU, for as long as asked, at most
a moment."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from hexdet.errors import HexdetError
from sdk_standin.input_lists import ListError, read_raw
from sdk_standin.net_run import Network
from sdk_standin.running import Job, ToolError
from sdk_standin.told import LONGEST_S, RUNTIMES, throughput_text


def run(job: Job) -> None:
    """Run, and print the pace."""
    given = job.arguments
    runtimes = [name for name in RUNTIMES if given.has(f"--use_{name}")]
    runtimes += [w[0].split(",")[0] for w in given.words("--runtime_order")]
    try:
        started = time.perf_counter()
        network = Network(Path(given.one("--container")))
        built_us = round((time.perf_counter() - started) * 1e6)
        feed = _feed(job, network)
        if any(name not in ("cpu", "cpu_float32") for name in runtimes):
            raise ListError(f"runtime {runtimes[0]} is not available on this machine")
    except (HexdetError, ListError, ValueError) as error:
        raise ToolError(
            f"Unable to successfully create SNPE instance\nerror_code=402; error_message={error}; "
            f"error_component=Network; line_no=1; thread_id=1\n"
            f"Error: Requested 1 instances of SNPE, Could not create any.. Exiting.",
            stdout=True,
        ) from None
    count, started = 0, time.perf_counter()
    limit = min(float(given.one("--duration", "1")), LONGEST_S)
    while time.perf_counter() - started < limit:
        network.run(feed)
        count += 1
    elapsed_us = round((time.perf_counter() - started) * 1e6)
    if job.tool == "snpe-parallel-run":
        print("PSNPE start executing...")
        print(f"runtimes: {runtimes[0]} - Mode :0- Number of images processed: {count}")
        print(f"Build time: {built_us / 1e6:.6f} seconds.")
        return
    print(throughput_text(job.version, runtimes[0], count, elapsed_us, built_us))
    if given.has("--json"):  # Qualcomm's schema is not public
        text = json.dumps({"stand_in": True, "infs_per_second": count / elapsed_us * 1e6})
        Path(given.one("--json")).write_text(text, encoding="utf-8")


def _feed(job: Job, network: Network) -> dict[str, np.ndarray]:
    given = job.arguments.one("--input_raw")
    if not given:
        rng = np.random.default_rng(0)
        return {
            name: rng.random(tensor.shape, np.float32) for name, tensor in network.inputs.items()
        }
    paths = given.split(",")
    if len(paths) != len(network.inputs):
        raise ListError(f"{len(paths)} raws for {len(network.inputs)} inputs")
    for path in paths:
        if not Path(path).is_file():
            raise ListError(f"could not open file {path}")
    pairs = zip(sorted(network.inputs), paths, strict=True)
    return {name: read_raw(Path(path), network.inputs[name].shape, name) for name, path in pairs}
