"""Everything on one device, from finding out what it is to cleaning up; lost, it is waited for."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import DeviceError, HexdetError
from ...export.bundle import Bundle
from ...export.device_outputs import FOLDER, DeviceOutputs
from ...export.sdk.calls import Toolbox
from ...export.sdk.discovery import HOST, Sdk
from ...runtime.contract import load_contract
from .campaign import Campaign, Sample, Step, open_campaign
from .client import Adb, Connection, LostError, quote
from .health import Limits
from .identity import Device, identify
from .kit import THROUGHPUT, Family, Runtime, pack_kit
from .model import Model, Pixels, choose_model, same_encodings, write_raws
from .outputs import fetch_outputs
from .running import VIEWERS, Bench, Pace, measure
from .shipping import NOTHING, Shipped, check_device_folder, remove, ship

Say = Callable[[str, str], None]
"""Told what happens: the device's serial, and a sentence."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be measured on every device.

    samples: latency runs of a cell. retries: further runs in the place of each void one.
    reconnect_s: how long a lost device is waited for. context: the chip's context binary is run,
    not a DLC. clean: nothing stays on the device. chip: what a device is taken for.
    """

    runtimes: tuple[Runtime, ...]
    profiles: tuple[str, ...]
    samples: int
    retries: int
    pace: Pace
    limits: Limits
    reconnect_s: float
    device_dir: str
    family: Family | None = None
    context: bool = False
    fresh: bool = False
    clean: bool = False
    chip: str | None = None


@dataclass(kw_only=True)
class Outcome:
    """What came of a device. problems: sentences; folder: its campaign and its outputs.

    fetched: pictures whose outputs were run now; outputs: whether those of all are there.
    """

    serial: str
    device: Device | None = None
    model: Model | None = None
    sdk: Sdk | None = None
    campaign: Campaign | None = None
    folder: Path | None = None
    shipped: Shipped = NOTHING
    fetched: int = 0
    outputs: bool = False
    problems: list[str] = field(default_factory=list)


class Session:
    """One device, one bundle, one wish."""

    def __init__(
        self,
        adb: Adb,
        serial: str,
        bundle: Bundle,
        sdk: Sdk,
        wanted: Wanted,
        pictures: Sequence[Pixels],
        say: Say,
        stop: threading.Event,
    ) -> None:
        self.outcome = Outcome(serial=serial, sdk=sdk)
        self._connection = Connection(adb, serial)
        self._bundle, self._sdk, self._wanted = bundle, sdk, wanted
        self._pictures, self._stop = pictures, stop
        self._told = say
        self._bench: Bench | None = None
        self._blind = False

    def run(self, scratch: Path, environ: Mapping[str, str]) -> Outcome:
        """Do all of it; whatever fails is a problem of the outcome. scratch: a folder of ours."""
        try:
            with alone(self.outcome.serial):
                self._run(scratch, environ)
        except HexdetError as error:
            self._tell(str(error))
        return self.outcome

    def _say(self, text: str) -> None:
        self._told(self.outcome.serial, text)

    def _tell(self, problem: str) -> None:
        self.outcome.problems.append(problem)
        self._say(problem)

    def _run(self, scratch: Path, environ: Mapping[str, str]) -> None:
        wanted, outcome = self._wanted, self.outcome
        root = check_device_folder(wanted.device_dir)
        device: Device = self._again(lambda: identify(self._connection, wanted.chip))
        model = choose_model(self._bundle, device, context=wanted.context)
        family = wanted.family or ("qnn" if wanted.context else "snpe")
        kit = pack_kit(self._sdk, device, wanted.runtimes, family, prepared=model.prepared)
        outcome.device, outcome.model = device, model
        outcome.folder = self._bundle.folder / FOLDER / _file_name(device.name)
        mark = " This is a STAND-IN: no time of it is a device's." if device.stand_in else ""
        self._say(f"{device.title}, {model.title}.{mark}")
        native = family == "qnn"
        raws = write_raws(self._pictures, model, scratch, native=native)
        bench = Bench(
            connection=self._connection,
            device=device,
            kit=kit,
            model=model,
            root=root,
            raws=[path.name for path in raws],
            native=native,
            host=_host_tools(self._sdk, VIEWERS[family], environ, scratch),
            pace=wanted.pace,
            limits=wanted.limits,
            stop=self._stop,
        )
        self._bench = bench
        files = {**kit.folders, "model": (model.path,), "inputs": tuple(dict.fromkeys(raws))}
        self._again(lambda: self._ship(root, files))
        # An unpacked SDK may have lost who may run what.
        self._again(lambda: self._connection.shell(f"chmod 755 {quote(root)}/bin/*"))
        campaign = open_campaign(
            outcome.folder, self._settings(bench), asdict(device), fresh=wanted.fresh
        )
        outcome.campaign = campaign
        if campaign.resumed:
            ok = sum(sample.status == "ok" for sample in campaign.samples)
            self._say(f"goes on with the campaign of {campaign.begun}: {ok} runs are there")
        complete = self._measure(bench, campaign)
        if "dsp" in wanted.runtimes:
            self._fetch(bench)
        if complete and (outcome.outputs or "dsp" not in wanted.runtimes):
            campaign.finish()
        self._again(bench.clean)
        if wanted.clean:
            self._again(lambda: remove(self._connection, root))

    def _ship(self, root: str, files: Mapping[str, Sequence[Path]]) -> None:
        self.outcome.shipped = ship(self._connection, root, files)

    def _settings(self, bench: Bench) -> dict[str, Any]:
        """Return all that decides a campaign's figures: runs of other settings never mix.

        How patient somebody is with heat, cables and programs that hang is no part of them.
        """
        wanted = self._wanted
        return {
            "model": bench.model.title,
            "model_sha256": bench.model.sha256,
            "sdk": self._sdk.version,
            "family": bench.kit.family,
            "chip": bench.device.chip,
            "runtimes": list(wanted.runtimes),
            "profiles": list(wanted.profiles),
            "samples": wanted.samples,
            "pictures": list(bench.raws),
            "inferences": wanted.pace.inferences,
            "throughput_s": wanted.pace.throughput_s,
            "cool_below_c": wanted.limits.cool_below_c,
            "void_above_c": wanted.limits.void_above_c,
        }

    def steps(self, kit_has_throughput: bool) -> dict[tuple[Runtime, str], list[Step]]:
        """Return the runs to be made, cell by cell."""
        found: dict[tuple[Runtime, str], list[Step]] = {}
        for runtime in self._wanted.runtimes:
            for profile in self._wanted.profiles:
                cell = [Step(runtime=runtime, profile=profile, kind="first")]
                cell += [
                    Step(runtime=runtime, profile=profile, kind="latency", index=index)
                    for index in range(self._wanted.samples)
                ]
                if kit_has_throughput and self._wanted.pace.throughput_s:
                    cell.append(Step(runtime=runtime, profile=profile, kind="throughput"))
                found[runtime, profile] = cell
        return found

    def _measure(self, bench: Bench, campaign: Campaign) -> bool:
        """Make the runs that are missing; return whether none is missing then."""
        complete = True
        for (runtime, profile), cell in self.steps(bench.kit.has(THROUGHPUT)).items():
            missing = [step for step in cell if not campaign.done(step)]
            for step in missing:
                if self._stop.is_set():
                    raise DeviceError(f"{self.outcome.serial}: interrupted; run it again to go on")
                sample = self._sample(bench, campaign, step)
                if sample.status == "failed":
                    self._say(f"{runtime} {profile} failed: {sample.reason}")
                    complete = False
                    break
                complete &= sample.status == "ok"
        return complete

    def _sample(self, bench: Bench, campaign: Campaign, step: Step) -> Sample:
        """Make a run, and others in its place while it is void; all of them are remembered."""
        for attempt in range(1 + self._wanted.retries):
            sample: Sample = self._again(lambda: measure(bench, step, self._say), campaign)
            campaign.add(sample)
            self._warn_of_heat(sample)
            if sample.status != "void":
                break
            self._say(f"{step.runtime} {step.profile}: run {attempt + 1} is void: {sample.reason}")
            if sample.reason.startswith("still warm"):  # it was waited for already
                break
        return sample

    def _warn_of_heat(self, sample: Sample) -> None:
        before = sample.health.get("before")
        if before and before["sensor"] == "none" and not self._blind:
            self._blind = True
            self._say("it tells no temperature: no run waits for it to cool, and heat voids none")

    def _fetch(self, bench: Bench) -> None:
        outcome = self.outcome
        assert outcome.folder is not None
        contract = load_contract(self._bundle.folder)
        kept = DeviceOutputs(outcome.folder, self._about(bench))
        outcome.fetched = fetch_outputs(
            bench, self._pictures, kept, contract, self._wanted.profiles[0], self._come_back
        )
        outcome.outputs = True

    def _about(self, bench: Bench) -> dict[str, Any]:
        device, model = bench.device, bench.model
        stand_in = device.stand_in or self._sdk.is_stand_in
        contract = load_contract(self._bundle.folder)
        mark = "STAND-IN of a device, " if stand_in else "device "
        return {
            "title": f"{mark}{device.chip} {device.name}",
            "chip": device.chip,
            "arch": device.arch,
            "stand_in": stand_in,
            "model": str(model.path.relative_to(self._bundle.folder)),
            "model_sha256": model.sha256,
            "own_encodings": not same_encodings(model.contract, contract),
            "runtime": "dsp",
            "model_name": device.model,
            "sdk": self._sdk.version,
            "family": bench.kit.family,
        }

    def _again(self, work: Callable[[], Any], campaign: Campaign | None = None) -> Any:
        """Do something, and do it again whenever the device was lost and came back."""
        while True:
            try:
                return work()
            except LostError as error:
                if campaign is not None:
                    campaign.note(str(error))
                self._come_back(error)

    def _come_back(self, error: LostError) -> None:
        """Wait for a lost device; DeviceError where it stays away or somebody wants to stop."""
        wait_s = self._wanted.reconnect_s
        what = str(error).removeprefix(f"{self.outcome.serial}: ")
        self._say(f"lost: {what}; waiting up to {wait_s:g} s for it")
        if self._stop.is_set() or not self._connection.come_back(wait_s, self._stop):
            raise DeviceError(
                f"{self.outcome.serial} was lost and did not come back in {wait_s:g} s: reconnect "
                f"it and run this again, it goes on where it stopped"
            ) from error
        if self._bench is not None:
            self._bench.written.clear()
        self._say("it is back")


@contextmanager
def alone(serial: str) -> Iterator[None]:
    """Keep a device to ourselves; DeviceError where another call uses it: both would be wrong."""
    try:
        import fcntl
    except ImportError:  # no POSIX
        yield
        return
    path = Path(tempfile.gettempdir()) / f"hexdet-adb-{_file_name(serial)}.lock"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DeviceError(f"{serial} is being measured by another call: wait for it") from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _host_tools(sdk: Sdk, viewer: str, environ: Mapping[str, str], work: Path) -> Toolbox:
    path = sdk.root / "bin" / HOST / viewer
    if not path.is_file():
        raise DeviceError(f"{sdk.title} has no bin/{HOST}/{viewer}, which reads the device's logs")
    known = replace(sdk, tools={**sdk.tools, viewer: path})
    return Toolbox(sdk=known, environ=environ, time_limit_s=120.0, work=work)


def _file_name(text: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in text)
