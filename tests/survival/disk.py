"""A disk without room, at every stage: what is said, and what is left of what was there."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from survival.tiny import NAME, Outcome, World, contents, last_line

KIB = 1024
ROOM = 64 * 2**20
"""Size of the small disk: what a case does not need is filled."""


def reason_not_to() -> str:
    """Return why no small disk can be mounted here, empty where one can."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        return "only root on Linux can mount a small disk"
    return ""


@contextlib.contextmanager
def small_disk(place: Path, size: int = ROOM) -> Iterator[Path]:
    """Mount a file system in memory for the time of the block."""
    place.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size}", "hexdet-test", str(place)]
    subprocess.run(["mount", *options], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, free: int) -> Path:
    """Write a file that leaves so many bytes free, and return it."""
    filler = disk / "filler"
    with filler.open("wb") as stream:
        while (left := shutil.disk_usage(disk).free - free) > 0:
            stream.write(b"\0" * min(left, 2**20))
            stream.flush()
    return filler


@dataclass(frozen=True, kw_only=True)
class Case:
    """What becomes full, and when.

    missing: files that the bundle lacks beforehand, so that their stage is the one that writes.
    free: bytes that are left. where: the bundle's disk, or that of the temporary files.
    seed: of the checkpoint that is exported: 1 is the bundle's own, 0 makes every stage write.
    """

    title: str
    missing: tuple[str, ...] = ()
    free: int = 0
    where: str = "build"
    seed: int = 1
    arguments: tuple[str, ...] = ()


CASES = (
    Case(title="export: manifest", free=0, seed=0),
    Case(title="export: float.onnx", free=300 * KIB, seed=0),
    Case(title="quantize: int8.onnx, encodings", missing=("int8.onnx",), free=900 * KIB),
    Case(title="dlc: float.dlc", missing=("float.dlc", "int8.dlc"), free=300 * KIB),
    Case(title="dlc: int8.dlc", missing=("float.dlc", "int8.dlc"), free=1000 * KIB),
    Case(title="report.json, report.html", missing=("report.json", "report.html"), free=20 * KIB),
    Case(title="quantize: temporary files", missing=("int8.onnx",), free=8 * KIB, where="tmp"),
    Case(title="dlc: temporary files", missing=("int8.dlc",), free=200 * KIB, where="tmp"),
    Case(
        title="dlc --target: context binary",
        free=100 * KIB,
        arguments=("dlc", "{bundle}", "--target", "sm8550"),
    ),
    Case(
        title="parity.json",
        free=2 * KIB,
        arguments=("parity", "{bundle}", "--limit", "1"),
    ),
)


def try_case(case: Case, world: World, old: Path, new: Path) -> Outcome:
    """Run a command on a full disk over a bundle, and once more when there is room again.

    old: a bundle of checkpoint 1, new: of checkpoint 0.
    """
    build = world.folder / "disk"
    with small_disk(build):
        bundle = shutil.copytree(old, build / NAME)
        for name in case.missing:
            (bundle / name).unlink()
        before = contents(bundle)
        arguments = [a.format(bundle=bundle) for a in case.arguments]
        arguments = arguments or world.export_arguments(build, case.seed)
        with contextlib.ExitStack() as stack:
            disk = build
            if case.where == "tmp":
                disk = stack.enter_context(small_disk(world.temporary))
            filler = fill(disk, case.free)
            done = world.run_forked(arguments)
            filler.unlink()
        faults = list(_faults(done, bundle, before, old, new))
        again = world.run_forked(arguments)
        if again.returncode != 0:
            faults.append(f"with room again it failed: {last_line(again.stderr)}")
        if not case.arguments:
            found, expected = contents(bundle), contents(old if case.seed == 1 else new)
            faults += [f"then {n} differs" for n in expected if found.get(n) != expected[n]]
    return Outcome(
        title=case.title, code=done.returncode, said=last_line(done.stderr), faults=tuple(faults)
    )


def _faults(
    done: subprocess.CompletedProcess[str],
    bundle: Path,
    before: dict[str, bytes],
    old: Path,
    new: Path,
) -> Iterator[str]:
    if done.returncode != 1:
        yield f"it ended with exit code {done.returncode}"
    if "Traceback" in done.stderr:
        yield "it crashed"
    after, whole = contents(bundle), [contents(old), contents(new)]
    for name in before:
        on_the_way = name in ("manifest.json", "detector.json")  # read by the run that follows
        if name not in after:
            yield f"{name} is lost"
        elif not on_the_way and after[name] not in (before[name], *(w.get(name) for w in whole)):
            yield f"{name} is neither old nor new"
    for path in bundle.iterdir():
        if path.name.startswith((".", "hexdet-scratch-")):
            yield f"{path.name} is left"


def others(world: World, bundle: Path, image: Path, video: Path) -> Iterator[Outcome]:
    """Fill the disk of what train, detect and evaluate write."""
    out = world.folder / "disk"
    cases: Sequence[tuple[str, int, list[str], Callable[[Path], bool]]] = (
        (
            "train: checkpoint",
            300 * KIB,
            ["train", str(world.recipe), "--build", str(out)],
            lambda place: not list(place.glob("**/state.safetensors")),
        ),
        (
            "detect: annotated image",
            8 * KIB,
            ["detect", str(bundle), str(image), "--out", str(out / "found")],
            lambda place: not list(place.glob("found/*.*")),
        ),
        (
            "detect: annotated video",
            64 * KIB,
            ["detect", str(bundle), str(video), "--out", str(out / "found"), "--save", "video"],
            lambda place: not list(place.glob("found/*.mp4")),
        ),
        (
            "detect: JSON lines",
            4 * KIB,
            ["detect", str(bundle), str(video), "--out", str(out / "found"), "--save", "jsonl"],
            _lines_are_whole,
        ),
        (
            "evaluate: plots",
            0,
            ["evaluate", str(bundle), "--limit", "1", "--plots", str(out / "plots")],
            lambda place: not list(place.glob("plots/*")),
        ),
    )
    for title, free, arguments, is_good in cases:
        with small_disk(out):
            fill(out, free)
            done = world.run_forked(arguments)
            faults = [] if is_good(out) else ["an incomplete file has a final name"]
        faults += [] if done.returncode == 1 else [f"it ended with exit code {done.returncode}"]
        faults += ["it crashed"] if "Traceback" in done.stderr else []
        said = last_line(done.stderr)
        yield Outcome(title=title, code=done.returncode, said=said, faults=tuple(faults))


def _lines_are_whole(place: Path) -> bool:
    import json

    lines = [line for path in place.glob("found/*.jsonl") for line in path.open()]
    return bool(lines) and all(json.loads(line)["detections"] is not None for line in lines)
