"""`hexdet export` killed at random moments: what is left, and what a second run makes of it."""

from __future__ import annotations

import dataclasses
import random
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from survival.tiny import NAME, Running, World, contents, kill, last_line, wait_for

from hexdet.export.bundle import Bundle
from hexdet.export.dlc_file import read_dlc
from hexdet.export.stages import STAGES
from hexdet.runtime.contract import DetectorContract, load_contract

MOMENTS = (
    ("starting", ""),
    ("PyTorch to ONNX", "export: PyTorch to ONNX"),
    ("choosing images", "quantize: choosing"),
    ("reading images", "quantize: reading"),
    ("calibrating", "quantize: calibrating"),
    ("writing DLCs", "dlc: writing DLCs"),
    ("auditing", "dlc: done"),
    ("scoring", "scoring:"),
)
"""Stages of an export, each from the line that it prints first; a set's files move in between."""
MOVING = "a set's files moving"
MOVE_S = 0.02


@dataclass(kw_only=True)
class Trial:
    """One kill. faults: what was wrong afterwards, and after the second run."""

    moment: str
    over_old: bool
    kept_old: int = 0
    new: int = 0
    left: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What undisturbed runs give: an old bundle, the one that follows it, and when it said what."""

    old: Path
    new: Path
    lines_s: dict[str, float]
    seconds: float

    def span(self, moment: int) -> float:
        """Return how long a stage took."""
        names = [text for _, text in MOMENTS]
        after = [self.lines_s[t] for t in names[moment + 1 :] if t in self.lines_s]
        begun = self.lines_s.get(names[moment], 0.0)
        return max(0.0, (after[0] if after else self.seconds) - begun)


def make_reference(world: World, old: Path) -> Reference:
    """Export a checkpoint and take down the times; old: the bundle of the other one."""
    build = world.folder / "build"
    log = world.folder / "log"
    began = time.monotonic()
    process = world.start(world.export_arguments(build, 0), log)
    lines: dict[str, float] = {}
    while process.poll() is None:
        printed = log.read_text(errors="replace")
        for _, text in MOMENTS:
            if text and text in printed:
                lines.setdefault(text, time.monotonic() - began)
        time.sleep(0.005)
    assert process.returncode == 0, log.read_text()
    seconds = time.monotonic() - began
    new = shutil.copytree(build / NAME, world.folder / "new" / NAME)
    shutil.rmtree(build)
    return Reference(old=old, new=new, lines_s=lines, seconds=seconds)


def trials(
    world: World, reference: Reference, count: int, seed: int, first: int = 0
) -> Iterator[Trial]:
    """Kill an export so many times, a stage after the other, each at a random moment within it.

    first: the stage to begin with. Every other round goes over the bundle of another checkpoint.
    After each kill a second run shall end with the bytes of a run that was not disturbed.
    """
    chance = random.Random(seed)
    for number in range(first, first + count):
        stage = number % (len(MOMENTS) + 1)
        trial = Trial(
            moment=MOVING if stage == len(MOMENTS) else MOMENTS[stage][0],
            over_old=number // (len(MOMENTS) + 1) % 2 == 1,
        )
        build = world.folder / "build"
        most_s = MOVE_S if stage == len(MOMENTS) else reference.span(stage)
        while True:
            shutil.rmtree(build, ignore_errors=True)
            if trial.over_old:
                shutil.copytree(reference.old, build / NAME)
            delay_s = chance.uniform(0, most_s)
            if _kill_in_time(world, build, stage, delay_s, skip=chance.randrange(2)):
                break
            most_s = delay_s  # it had ended by then
        _judge(trial, build / NAME, reference)
        trial.left = len(leftovers(world, build / NAME, reference))
        _run_again(trial, world, build, reference)
        yield trial


def _kill_in_time(world: World, build: Path, stage: int, delay_s: float, skip: int) -> bool:
    """Kill an export so long after the beginning of a stage; False where it had ended."""
    log = world.folder / "log"
    arguments = world.export_arguments(build, 0)
    # The imports belong to the first stage; elsewhere they need not be waited for.
    process = world.start(arguments, log) if stage == 0 else world.fork(arguments, log)
    if stage == len(MOMENTS):
        _wait_for_a_move(build / NAME, process, skip)
    else:
        wait_for(log, MOMENTS[stage][1], process)
    time.sleep(delay_s)
    if process.poll() is not None:
        return False
    kill(process)
    return True


def _wait_for_a_move(bundle: Path, process: Running, skip: int) -> None:
    """Wait until the files of a set lie ready beside the old ones, the first or second time."""
    seen: set[Path] = set()
    while process.poll() is None:
        seen.update(bundle.glob("hexdet-scratch-*"))
        if len(seen) > skip:
            return
        time.sleep(0.0005)


def _judge(trial: Trial, bundle: Path, reference: Reference) -> None:
    """Hold every file against the old and the new one; a step on the way is read and compared."""
    old = contents(reference.old) if trial.over_old else {}
    new = contents(reference.new)
    found = contents(bundle)
    for name in new.keys() & found.keys():
        is_old, is_new = found[name] == old.get(name), found[name] == new[name]
        trial.kept_old += is_old
        trial.new += is_new and not is_old
        if not (is_old or is_new) and not _is_on_the_way(bundle, name, reference, trial.over_old):
            trial.faults.append(f"{name} is neither the old one nor the new one")
    for name in old.keys() - found.keys():
        # While a set moves there is none: nobody takes the others for a bundle.
        if not (name == "detector.json" and any(bundle.glob("hexdet-scratch-*"))):
            trial.faults.append(f"{name} is lost")
    for path in bundle.glob("*.onnx") if bundle.is_dir() else ():
        onnx.checker.check_model(onnx.load(path))
    for path in bundle.glob("*.dlc") if bundle.is_dir() else ():
        read_dlc(path)
    trial.faults += _mixture(bundle, found, old, new)


def _is_on_the_way(bundle: Path, name: str, reference: Reference, over_old: bool) -> bool:
    """Tell whether a file is one that an export replaces several times on its way."""
    if name == "manifest.json":
        known = Bundle(bundle, STAGES).outputs("")
        return (bundle / name).stat().st_size > 0 and known is not None
    if name == "detector.json":
        contract = load_contract(bundle)
        ends = [load_contract(reference.new), *([load_contract(reference.old)] if over_old else [])]
        return any(contract in _steps(end) for end in ends)
    return False


def _steps(contract: DetectorContract) -> list[DetectorContract]:
    """Return what the stages make of a contract, one after the other."""
    quantized = dataclasses.replace(contract, target_arch=None)
    return [dataclasses.replace(quantized, encodings={}), quantized, contract]


def _mixture(
    bundle: Path, found: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]
) -> list[str]:
    """Return what is wrong where the runtime would take files of two generations for one."""
    if not {"detector.json", "int8.onnx"} <= found.keys():
        return []
    encodings = load_contract(bundle).encodings
    if not encodings:
        return []  # the runtime refuses the integer graph: quantize again
    generation = old if found["int8.onnx"] == old.get("int8.onnx") else new
    text = generation["detector.json"].decode()
    known = {float(s) for s in re.findall(r'"scale": ([-\d.e]+)', text)}
    if {e.scale for e in encodings.values()} != known:
        return ["int8.onnx and detector.json do not belong together"]
    return []


def leftovers(world: World, bundle: Path, reference: Reference) -> list[str]:
    """Return what lies beside the bundle's own files, and in the folder for temporary ones."""
    own = {path.name for path in reference.new.iterdir()}
    inside = [p.name for p in bundle.iterdir() if p.name not in own] if bundle.is_dir() else []
    return inside + [p.name for p in world.temporary.iterdir()]


def _run_again(trial: Trial, world: World, build: Path, reference: Reference) -> None:
    log = world.folder / "again.log"
    if world.fork(world.export_arguments(build, 0), log).wait() != 0:
        trial.faults.append(f"the second run failed: {last_line(log.read_text())}")
        return
    found, expected = contents(build / NAME), contents(reference.new)
    different = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
    if different:
        trial.faults.append(f"after the second run {', '.join(different)} differ")
    left = leftovers(world, build / NAME, reference)
    if left:
        trial.faults.append(f"after the second run {', '.join(left)} are left")
