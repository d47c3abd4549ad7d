"""snpe-platform-validator and its host driver: no Snapdragon is here, and they say so."""

from __future__ import annotations

from sdk_standin.running import Job, ToolError


def run(job: Job) -> None:
    """Print what the validator prints where nothing is supported."""
    if job.tool.endswith("-py"):
        raise ToolError("error: no device behind adb")
    asked = job.arguments.one("--runtime")
    for name in ("gpu", "dsp", "aip") if asked == "all" else (asked,):
        runtime = name.upper()
        if job.arguments.has("--debug"):
            print(f"PF_VALIDATOR: DEBUG: Calling PlatformValidator for {runtime}")
        if job.arguments.has("--testRuntime"):
            print(f"Unit Test on the runtime {runtime}: Failed.")
        print(f"SNPE is NOT supported for runtime {runtime} on the device.")
