"""What a program of a stand-in SDK starts on a stand-in device: tool.py ROOT CHIP VERSION TOOL ...

The network runs on the emulated HTP of this PC, whichever runtime was asked for; what it gave for a
picture is kept, since it would give the same again. Flags are held against the documented ones.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])


from adb.standin_device.emulated import Emulated, InputError
from adb.standin_device.faults import Faults

from sdk_standin.flags import Arguments, UsageError, parse
from sdk_standin.told import LOGS, LONGEST_S, profile_log, throughput_text
from sdk_standin.versions import VERSIONS, Version

RULE = "-" * 79
PIPE_LIBRARY = {"snpe": "libSNPE.so", "qnn": "libQnnSystem.so"}


class _FailError(Exception):
    """The program ends with exit code 1 and this text."""


def main(argv: list[str]) -> int:
    """Run a program and return its exit code."""
    root, chip, name, words = Path(argv[0]), argv[1], argv[3], argv[4:]
    version = VERSIONS[argv[2]]
    family = name.partition("-")[0]
    faults = Faults(root)
    missing = _unlinked(PIPE_LIBRARY[family])
    if missing:
        print(f'CANNOT LINK EXECUTABLE "{name}": library "{missing}" not found')
        return 127
    try:
        given = parse(name, version, words)
    except UsageError as error:
        print(f"{name}: error: {error}")
        return 1
    if faults.take("hang"):
        time.sleep(3600)
    if faults.take("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    try:
        runtime = _runtime(given, family, chip, faults)
        work = _throughput if "throughput" in name else _run
        work(given, family, chip, version, runtime, faults)
    except (_FailError, InputError, ValueError, OSError) as error:
        text = str(error)
        if "error_code" not in text:
            text = (
                f"error_code=402; error_message={text}; error_component=Network; line_no=1; "
                f"thread_id=1"
            )
        if "throughput" in name:
            print("Unable to successfully create SNPE instance")
        print(text)
        return 1
    return 0


def _unlinked(library: str) -> str:
    """Return the library that the loader would not find, nothing where it would."""
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return "" if any((Path(folder) / library).is_file() for folder in folders) else library


def _runtime(given: Arguments, family: str, chip: str, faults: Faults) -> str:
    from hexdet.runtime.targets import LEGACY, TARGETS

    if family == "qnn":
        backend = given.one("--backend")
        if not Path(backend).is_file():
            raise _FailError(f"[ERROR] could not load {backend}")
        runtime = next((r for r in ("cpu", "gpu") if r in backend.lower()), "dsp")
    else:
        runtime = next((r for r in ("gpu", "dsp") if given.has(f"--use_{r}")), "cpu")
        given.has("--use_cpu")
    if runtime != "dsp":
        return runtime
    if faults.take("refuse"):
        raise _FailError(
            "error_code=202; error_message=Runtime DSP is not available on this device; "
            "error_component=Runtime; line_no=1; thread_id=1"
        )
    arch = LEGACY[chip] if chip in LEGACY else TARGETS[chip].arch
    first = Path(os.environ.get("ADSP_LIBRARY_PATH", "").split(";")[0])
    if not any(first.glob(f"lib*[vV]{arch}*[sS]kel.so")):
        raise _FailError(
            "error_code=1008; error_message=DspTransport.openSession qnn_open failed, 0x80000406; "
            "error_component=DSP; line_no=1; thread_id=1"
        )
    return runtime


def _run(
    given: Arguments, family: str, chip: str, version: Version, runtime: str, faults: Faults
) -> None:
    started = time.perf_counter()
    network = Emulated(_model(given, family), chip)
    native = family == "qnn" and given.has("--use_native_input_files")
    if family == "snpe":
        print(f"{RULE}\nModel String: N/A\nSNPE v{version.full}\n{RULE}")
    loaded = time.perf_counter()
    listed = _listed(Path(given.one("--input_list")), network.input_name)
    folder = Path(given.one("--output_dir", "output"))
    half = faults.take("half-outputs") is not None
    for index, path in enumerate(listed):
        print(f"Processing DNN input(s):\n{path}")
        target = folder / f"Result_{index}"
        target.mkdir(parents=True, exist_ok=True)
        for name, data in network.answer(path, native=native).items():
            content = data[: len(data) // 2] if half else data
            (target / f"{name.replace('/', '_')}.raw").write_bytes(content)
    level = given.one("--profiling_level", "detailed")
    times = (started, loaded, time.perf_counter())
    log = profile_log(version, level, runtime, times, len(listed), {})
    (folder / LOGS[family]).write_text(json.dumps(log), encoding="utf-8")


def _listed(path: Path, input_name: str) -> list[Path]:
    """Return the raws of a list; its whole grammar is known to the SDK's stand-in alone."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines and not any(set("#% ") & set(line) or ":=" in line or not line for line in lines):
        found = [Path(line) for line in lines]
    else:
        from sdk_standin.input_lists import ListError, read_list

        try:
            found = [run[input_name] for run in read_list(path, [input_name]).runs]
        except ListError as error:
            raise InputError(str(error)) from None
    for raw in found:
        if not raw.is_file():
            raise InputError(f"could not open file {raw}")
    return found


def _model(given: Arguments, family: str) -> Path:
    if family == "snpe":
        return Path(given.one("--container"))
    return Path(given.one("--retrieve_context") or given.one("--dlc_path"))


def _throughput(
    given: Arguments, family: str, chip: str, version: Version, runtime: str, faults: Faults
) -> None:
    started = time.perf_counter()
    network = Emulated(_model(given, family), chip)
    raw = Path(given.one("--input_raw"))
    network.answer(raw, native=False)
    built_us = round((time.perf_counter() - started) * 1e6)
    count, started = 0, time.perf_counter()
    limit = min(float(given.one("--duration", "1")), LONGEST_S)
    while time.perf_counter() - started < limit:
        network.answer(raw, native=False)
        count += 1
    us = round((time.perf_counter() - started) * 1e6)
    print(throughput_text(version, runtime, count, us, built_us))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
