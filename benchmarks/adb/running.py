"""One run of the SDK's programs on a device: prepared, watched, and read."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DeviceError, ToolError
from ...export.sdk.calls import Toolbox
from ...runtime.files import write_text
from ...runtime.scratch import scratch_folder
from ...runtime.targets import TARGETS
from ..sdk_output.diagview import read_diagview
from ..sdk_output.profile_viewer import read_profile
from ..sdk_output.throughput import read_throughput
from .campaign import Sample, Step
from .client import Connection, Done, LostError, quote
from .commands import (
    LIST,
    OUT,
    qnn_configs,
    qnn_run,
    run_script,
    snpe_run,
    snpe_throughput,
    stop_script,
)
from .health import Health, Limits, read_health, throttled, wait_until_cool
from .identity import Device
from .kit import FIRST_HTP, Kit
from .model import Model
from .shipping import ship

WATCH_S = 1.0
SHOWN_LINES = 4
PULL_LIMIT_S = 600.0
_PEAK = re.compile(r"^hexdet-peak=(\d+)$", re.MULTILINE)
LOGS = {"snpe": "SNPEDiag_0.log", "qnn": "qnn-profiling-data_0.log"}
VIEWERS = {"snpe": "snpe-diagview", "qnn": "qnn-profile-viewer"}
FALLBACK = re.compile(r"fall(?:ing|en)? ?back to (?:the )?cpu", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long runs are. inferences: of one latency run. run_limit_s: until a run is ended."""

    inferences: int
    throughput_s: int
    run_limit_s: float


@dataclass(kw_only=True)
class Bench:
    """A device made ready: its kit and model are there, its pictures too.

    raws: names of the pictures below inputs, in their order. native: they are 8-bit codes.
    host: the SDK's tools that read what the device wrote.
    """

    connection: Connection
    device: Device
    kit: Kit
    model: Model
    root: str
    raws: Sequence[str]
    native: bool
    host: Toolbox
    pace: Pace
    limits: Limits
    stop: threading.Event
    written: dict[str, str] = field(default_factory=dict)
    """What lies in the working folder, as far as is known."""

    @property
    def work(self) -> str:
        """Return the folder that programs run in."""
        return f"{self.root}/run"

    @property
    def model_path(self) -> str:
        """Return the model as the working folder sees it."""
        return f"../model/{self.model.path.name}"

    def write_list(self, names: Iterable[str]) -> None:
        """Let the next runs read these pictures."""
        # Paths are relative: the lists know no quotes.
        self._write(LIST, "".join(f"../inputs/{name}\n" for name in names))

    def write_turns(self) -> int:
        """Let the next runs read the pictures in turns; return how many inferences that makes."""
        count = self.pace.inferences
        self.write_list(itertools.islice(itertools.cycle(self.raws), count))
        return count

    def write_profile(self, profile: str) -> None:
        """Let the next runs of qnn-net-run use a performance profile."""
        target = TARGETS.get(self.device.chip)
        if self.kit.family == "qnn" and target is not None:
            lib = f"{self.root}/lib"
            for name, text in qnn_configs(profile, lib, target.soc_model, target.arch).items():
                self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        if self.written.get(name) == text:
            return
        with scratch_folder() as folder:
            path = write_text(folder / name, text)
            ship(self.connection, self.root, {"run": [path]})
        self.written[name] = text

    def command(self, runtime: Any, profile: str, *, profiling: str = "basic") -> list[str]:
        """Return the words that run the list."""
        if self.kit.family == "snpe":
            signed = self.host.sdk.number[0] == 1
            return snpe_run(self.model_path, runtime, profile, profiling=profiling, signed=signed)
        return qnn_run(
            self.model_path,
            runtime,
            f"{self.root}/lib",
            context=self.model.kind == "context",
            htp=self.device.arch >= FIRST_HTP,
            native=self.native,
        )

    def run(self, words: Sequence[str], *, peak: bool = False) -> Done:
        """Run a program on the device to its end.

        Raises ToolError, with its own last words, where it fails, is not there or does not end;
        LostError where the connection breaks.
        """
        script = run_script(words, self.root, self.work, self.device.system, peak=peak)
        try:
            done = self.connection.shell(script, self.pace.run_limit_s)
        except LostError:
            raise
        except DeviceError:
            self.connection.shell(stop_script(self.work))
            raise ToolError(
                f"{words[0]} gave no answer in {self.pace.run_limit_s:g} s on the device and was "
                f"ended"
            ) from None
        if done.code:
            raise ToolError(f"{words[0]} on the device {_ended(done.code)}: {_words(done.out)}")
        if FALLBACK.search(done.out):
            raise ToolError(f"{words[0]} fell back to the CPU: {_words(done.out)}")
        return done

    def pull(self, name: str, folder: Path) -> Path:
        """Copy a file or folder of the working folder here and return where it is.

        Raises ToolError where it is not there: the programs tell success even then.
        """
        try:
            self.connection.pull(f"{self.work}/{name}", folder, PULL_LIMIT_S)
        except LostError:
            raise
        except DeviceError as error:
            raise ToolError(f"the run left nothing to fetch: {error}") from error
        return folder / Path(name).name

    def clean(self) -> None:
        """Delete what runs left: outputs, lists and pictures; programs and model stay."""
        self.written.clear()
        self.connection.shell(
            f"{stop_script(self.work)}\nrm -rf {quote(self.work, f'{self.root}/inputs')}"
        )


def measure(bench: Bench, step: Step, say: Any) -> Sample:
    """Make one run, between two looks at the device's health, and while it is watched.

    A program that fails gives a sample that says so. Raises LostError where the connection breaks.
    """
    before, warm = wait_until_cool(bench.connection, bench.limits, say, bench.stop)
    if warm:
        return Sample(step=step, status="void", reason=warm, health={"before": before.told()})
    try:
        with _watching(bench.connection) as seen:
            found = _MEASURES[step.kind](bench, step)
    except ToolError as error:
        return Sample(
            step=step, status="failed", reason=str(error), health={"before": before.told()}
        )
    after = read_health(bench.connection)
    reason = throttled([before, *seen, after], bench.limits)
    during = max(seen, key=lambda h: (h.status or 0, h.gate_c or 0.0), default=None)
    health = {
        "before": before.told(),
        "during": None if during is None else during.told(),
        "after": after.told(),
    }
    return Sample(
        step=step, status="void" if reason else "ok", reason=reason, health=health, **found
    )


def _first(bench: Bench, step: Step) -> dict[str, Any]:
    """Warm up, and look at the memory meanwhile."""
    bench.write_profile(step.profile)
    bench.write_turns()
    done = bench.run(bench.command(step.runtime, step.profile), peak=True)
    peaks = [int(kib) for kib in _PEAK.findall(done.out)]
    return {"peak_mib": peaks[-1] / 1024 if peaks and peaks[-1] else None}


def _latency(bench: Bench, step: Step) -> dict[str, Any]:
    bench.write_profile(step.profile)
    count = bench.write_turns()
    bench.run(bench.command(step.runtime, step.profile))
    init_us, inference_us = _read_log(bench)
    return {"init_ms": init_us / 1e3, "inference_ms": inference_us / 1e3, "inferences": count}


def _read_log(bench: Bench) -> tuple[float, float]:
    """Return what starting and one inference took, in microseconds, of the run's own log."""
    family = bench.kit.family
    with scratch_folder() as folder:
        log = bench.pull(f"{OUT}/{LOGS[family]}", folder)
        call = bench.host.run(VIEWERS[family], ["--input_log", str(log)])
    if family == "snpe":
        told = read_diagview(call.log)
        start, inference = told.start.get("Init"), told.inference_us
        init = start.us if start else None
    else:
        profile = read_profile(call.log)
        parts = [profile.find(f"{name} Stats", "NetRun") for name in ("Init", "Compose Graphs")]
        parts += [profile.find("Finalize Stats", "NetRun")]
        known = [part.us for part in parts if part is not None and part.us is not None]
        init, inference = (sum(known) if known else None), profile.inference_us
    if init is None or inference is None:
        raise ToolError(f"{VIEWERS[family]} tells no time of start or inference: {call.last_lines}")
    return init, inference


def _throughput(bench: Bench, step: Step) -> dict[str, Any]:
    raw = f"../inputs/{bench.raws[0]}"
    runtime: Any = step.runtime
    words = snpe_throughput(bench.model_path, runtime, step.profile, raw, bench.pace.throughput_s)
    found = read_throughput(bench.run(words).out)
    return {"per_s": found.total_per_s, "inferences": sum(i.images or 0 for i in found.instances)}


_MEASURES = {"first": _first, "latency": _latency, "throughput": _throughput}


@contextmanager
def _watching(connection: Connection) -> Iterator[list[Health]]:
    """Look at a device's health now and then from another thread; yields what was seen."""
    seen: list[Health] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            try:
                seen.append(read_health(connection, quick=True))
            except DeviceError:
                return  # the run itself meets the same and tells it
            stop.wait(WATCH_S)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def _ended(code: int) -> str:
    return f"was ended by signal {code - 128}" if code > 128 else f"ended with exit code {code}"


def _words(text: str) -> str:
    lines = [line.strip() for line in _PEAK.sub("", text).splitlines() if line.strip()]
    blamed = [line for line in lines if "error_code=" in line or "[ERROR]" in line]
    return " | ".join((blamed or lines)[-SHOWN_LINES:]) or "(it printed nothing)"
