"""What every tool of a stand-in SDK starts: run_tool.py ROOT TOOL ARGUMENTS..."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from sdk_standin.flags import UsageError, parse, usage
from sdk_standin.layout import ABOUT
from sdk_standin.misbehaving import faults_of
from sdk_standin.running import Job, ToolError, remember
from sdk_standin.versions import HOST, STAND_IN, VERSIONS, tools_of

MODULES = {
    "snpe-onnx-to-dlc": "converting",
    "qairt-converter": "converting",
    "snpe-dlc-quantize": "quantizer_tools",
    "snpe-dlc-quant": "quantizer_tools",
    "qairt-quantizer": "quantizer_tools",
    "snpe-dlc-graph-prepare": "preparing",
    "snpe-dlc-info": "dlc_info",
    "qairt-dlc-info": "dlc_info",
    "snpe-dlc-diff": "dlc_info",
    "snpe-dlc-viewer": "dlc_info",
    "snpe-net-run": "net_run",
    "qnn-net-run": "net_run",
    "snpe-throughput-net-run": "throughput",
    "snpe-parallel-run": "throughput",
    "snpe-diagview": "profiles",
    "qnn-profile-viewer": "profiles",
    "snpe-platform-validator": "platform",
    "snpe-platform-validator-py": "platform",
    "qnn-context-binary-generator": "contexts",
    "qnn-context-binary-utility": "contexts",
    "snpe_bench.py": "bench",
}


def main(argv: list[str]) -> int:
    """Run a tool and return its exit code."""
    root, name, words = Path(argv[0]), argv[1], argv[2:]
    version = VERSIONS[(root / ABOUT).read_text(encoding="utf-8").strip()]
    tool = next(tool for tool in tools_of(version) if tool.name == name)
    libraries = os.environ.get("HEXDET_STAND_IN_LIBRARIES", "").split(os.pathsep)
    if str(root / "lib" / HOST) not in libraries:
        print(
            f"{name}: error while loading shared libraries: libSNPE.so: cannot open shared object "
            f"file: No such file or directory",
            file=sys.stderr,
        )
        return 127
    if words in (["--help"], ["-h"]):
        print(usage(name, version), end="")
        return 0
    if words == ["--version"]:
        print(f"SNPE v{version.full}" if name.startswith("snpe") else version.full)
        return 0
    faults = faults_of(root, name)
    if "hang" in faults:
        subprocess.Popen(["sleep", "3600"])
        time.sleep(3600)
    try:
        arguments = parse(name, version, words)
    except UsageError as error:
        code = 2 if tool.kind == "python" else 1
        remember(root, {"tool": name, "refused": words, "code": code})
        head = usage(name, version)
        head = head.splitlines()[0] if tool.kind == "python" else head
        print(f"{head}\n{name}: error: {error}", file=sys.stderr)
        return code
    if "crash" in faults:
        raise RuntimeError(f"{name}: the {STAND_IN} was told to crash")
    job = Job(root=root, tool=name, version=version, arguments=arguments, faults=frozenset(faults))
    code = 1 if "error-but-good" in faults else 0
    try:
        importlib.import_module(f"sdk_standin.{MODULES[name]}").run(job)
    except ToolError as failure:
        print(failure, file=failure.stream)
        code = 1
    if arguments.unheeded:
        print(f"({STAND_IN}: no effect here: {', '.join(arguments.unheeded)})", file=sys.stderr)
    job.remember(code)
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
