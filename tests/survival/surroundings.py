"""The main job where machines are not as they should be: it works, or says clearly why not."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from survival.tiny import NAME, Outcome, World, contents, last_line

STRANGE = "a b 'c' \"d\" $HOME [e] {f} ä 日本"
"""A name with what shells, globs, YAML, rich and old locales trip over."""
OLD_LOCALE = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def sealed(folder: Path) -> tuple[str, ...]:
    """Return what makes a folder read-only for the command behind it, for root as well."""
    return ("unshare", "-m", "sh", "-c", READ_ONLY, str(folder))


def can_unshare() -> bool:
    """Tell whether a command can be given a network and a file system of its own here."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-mn", "true"], capture_output=True).returncode == 0


@dataclass(frozen=True, kw_only=True)
class Place:
    """A surrounding: changed variables (None: taken away) and a command before."""

    title: str
    environment: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    prefix: tuple[str, ...] = ()


NOTHING: dict[str, str | None] = dict.fromkeys(os.environ)
PLACES = (
    Place(title="no HOME", environment={"HOME": None, "USER": None, "XDG_CACHE_HOME": None}),
    Place(title="HOME is missing", environment={"HOME": "/nowhere/home"}),
    Place(title="HOME cannot be written to", environment={"HOME": "/proc"}),
    Place(title="no network", prefix=("unshare", "-n")),
    Place(title="LC_ALL=C", environment={"LC_ALL": "C", "PYTHONUTF8": "0"}),
    Place(title="LC_ALL=POSIX, not coerced", environment=OLD_LOCALE),
    Place(title="output in latin-1", environment={"PYTHONIOENCODING": "latin-1"}),
    Place(title="no variable at all", environment=NOTHING),
)


def usual_names(
    world: World, finished: Path, places: tuple[Place, ...] = PLACES
) -> Iterator[Outcome]:
    """Export in each place: the bytes shall be the usual ones."""
    for place in places:
        if place.prefix and not can_unshare():
            continue
        there = dataclasses.replace(world, environment=place.environment)
        build = world.folder / "elsewhere"
        shutil.rmtree(build, ignore_errors=True)
        done = there.run(there.export_arguments(build, 0), place.prefix)
        yield _outcome(place.title, done, _differences(build / NAME, finished))


def read_only(world: World, finished: Path) -> Iterator[Outcome]:
    """Let the folder that a command writes into be read-only: it is refused, and stays."""
    if not can_unshare():
        return
    build = world.folder / "elsewhere"
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir()
    done = world.run(world.export_arguments(build, 0), sealed(build))
    left = [p.name for p in build.iterdir()]
    yield _outcome("read-only: build", done, [f"{n} is left" for n in left], code=1)
    done = world.run(["report", str(finished), "--limit", "1"], sealed(finished))
    yield _outcome("read-only: bundle, report", done, [], code=1)
    found = world.folder / "found.png"
    cv2.imwrite(str(found), np.zeros((48, 64, 3), np.uint8))
    arguments = ["detect", str(finished), str(found), "--out", str(world.folder / "found")]
    done = world.run(arguments, sealed(finished))
    yield _outcome("read-only: bundle, detect", done, [])
    done = world.run(world.export_arguments(build, 0), sealed(world.temporary))
    yield _outcome("read-only: TMPDIR (another folder is taken)", done, [])


def strange_names(world: World) -> Iterator[Outcome]:
    """Use a strange name for everything: recipe, data, images, build, results, temporary files."""
    places = [Place(title="strange names"), Place(title="the same, POSIX", environment=OLD_LOCALE)]
    for place in places:
        folder = world.folder / STRANGE
        shutil.rmtree(folder, ignore_errors=True)
        images = _write_images(folder / "data" / STRANGE)
        (folder / "tmp").mkdir()
        recipe = folder / f"{STRANGE}.yaml"
        chosen = f"calibration: {{images: 2, folder: '{STRANGE.replace(chr(39), 2 * chr(39))}'}}"
        text = world.recipe.read_text(encoding="utf-8")
        text = text.replace("calibration: {images: 2}", f"name: strange\n{chosen}")
        recipe.write_text(text, encoding="utf-8")
        checkpoint = shutil.copy(world.checkpoint(0), folder / f"{STRANGE}.safetensors")
        variables = {"HEXDET_DATA": str(folder / "data"), "TMPDIR": str(folder / "tmp")}
        there = dataclasses.replace(world, environment={**variables, **place.environment})
        build, out = folder / "build", folder / "found" / STRANGE
        bundle = build / "strange"
        export = ["export", str(recipe), "--checkpoint", str(checkpoint), "--build", str(build)]
        steps = (
            (export, bundle / "report.html"),
            (["dlc", str(bundle), "--target", "sm8550"], bundle / "SM8550.bin"),
            (["parity", str(bundle), "--limit", "1"], bundle / "parity.json"),
            (["detect", str(bundle), str(images), "--out", str(out)], out / "detections.json"),
            (["train", str(recipe), "--build", str(build)], bundle / "training/best.safetensors"),
        )
        # Data are read only: nothing may be written beside them.
        prefix = sealed(folder / "data") if can_unshare() else ()
        for arguments, result in steps:
            done = there.run(arguments, prefix)
            missing = [] if result.is_file() else [f"{result.name} is not there"]
            yield _outcome(f"{arguments[0]}: {place.title}, data read-only", done, missing)
        shutil.rmtree(folder)


def _write_images(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
        _, data = cv2.imencode(".png", picture)
        (folder / f"{STRANGE} {number}.png").write_bytes(data.tobytes())
    return folder


def _differences(bundle: Path, finished: Path) -> list[str]:
    found, expected = contents(bundle), contents(finished)
    return [f"{name} differs" for name in expected if found.get(name) != expected[name]]


def _outcome(
    title: str, done: subprocess.CompletedProcess[str], faults: list[str], code: int = 0
) -> Outcome:
    if done.returncode != code:
        faults = [f"it ended with exit code {done.returncode}", *faults]
    if "Traceback" in done.stderr:
        faults.append("it crashed")
    said = "" if done.returncode == 0 else last_line(done.stderr)
    return Outcome(title=title, code=done.returncode, said=said, faults=tuple(faults))
