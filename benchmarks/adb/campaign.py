"""A campaign's memory: one line of JSON for everything that happened, so that it can go on."""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..results import append_lines

FILE_NAME = "campaign.jsonl"
Kind = Literal["first", "latency", "throughput"]
Status = Literal["ok", "void", "failed"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One run to be made. kind: `first` warms up and looks at memory, and its times do not count.

    index: of the latency runs of its cell.
    """

    runtime: str
    profile: str
    kind: Kind
    index: int = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A run after its end, or what was left of it.

    void: the device throttled or was never cool; its figures are kept and do not count.
    inference_ms: the mean of the run's `inferences`, as the SDK's own profile tells it; init_ms:
    what came before the first. per_s: of a throughput run. health: `before`, `during`, `after`.
    """

    step: Step
    status: Status
    reason: str = ""
    init_ms: float | None = None
    inference_ms: float | None = None
    inferences: int = 0
    per_s: float | None = None
    peak_mib: float | None = None
    health: Mapping[str, Any] = field(default_factory=dict)
    time: str = ""


@dataclass(kw_only=True)
class Campaign:
    """What was measured on one device with one model and one choice of settings.

    begun: when. resumed: whether an earlier call had begun it.
    """

    path: Path
    settings: Mapping[str, Any]
    begun: str
    resumed: bool
    samples: list[Sample] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, sample: Sample) -> None:
        """Remember a run, on disk before anything else happens."""
        stamped = Sample(**{**_fields(sample), "time": _now()})
        with self._lock:
            append_lines(self.path, [{"event": "sample", **asdict(stamped)}])
            self.samples.append(stamped)

    def note(self, what: str) -> None:
        """Remember something that happened between runs."""
        append_lines(self.path, [{"event": "note", "time": _now(), "what": what}])

    def finish(self) -> None:
        """Remember that nothing is left: the next call begins another campaign."""
        append_lines(self.path, [{"event": "finished", "time": _now()}])

    def done(self, step: Step) -> bool:
        """Return whether a step has a run that counts."""
        return any(s.step == step and s.status == "ok" for s in self.samples)

    def of(self, runtime: str, profile: str, kind: Kind) -> list[Sample]:
        """Return the runs of a cell and kind, in their order."""
        wanted = (runtime, profile, kind)
        return [s for s in self.samples if (s.step.runtime, s.step.profile, s.step.kind) == wanted]


def open_campaign(
    folder: Path, settings: Mapping[str, Any], about: Mapping[str, Any], *, fresh: bool
) -> Campaign:
    """Go on with the last campaign of a folder where it is unfinished and of the same settings.

    Else begin one; what the file holds already stays in it. fresh: begin one in any case.
    Lines that are torn or foreign are passed over. Raises ArtifactError for a file that cannot be
    written.
    """
    path = folder / FILE_NAME
    last = None if fresh else _last(path)
    if last is not None and last.settings == json.loads(json.dumps(settings)):
        return last
    begun = _now()
    head = {"event": "campaign", "time": begun, "settings": settings, "about": about}
    append_lines(path, [head])
    return Campaign(path=path, settings=settings, begun=begun, resumed=False)


def _last(path: Path) -> Campaign | None:
    """Return the last campaign of a file, None where it came to its end or there is none."""
    found: Campaign | None = None
    for line in _lines(path):
        event = line.get("event")
        try:
            if event == "campaign":
                found = Campaign(
                    path=path, settings=line["settings"], begun=line["time"], resumed=True
                )
            elif event == "finished":
                found = None
            elif event == "sample" and found is not None:
                fields = {key: value for key, value in line.items() if key != "event"}
                found.samples.append(Sample(**{**fields, "step": Step(**fields["step"])}))
        except (KeyError, TypeError):
            continue
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        data = path.read_bytes()
    except OSError:
        return
    for raw in data.split(b"\n"):
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if isinstance(line, dict):
            yield line


def _fields(sample: Sample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in sample.__dataclass_fields__}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
