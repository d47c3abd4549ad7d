"""A recipe whose export takes seconds, and the command as its users start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from survival.forked import Forked

from hexdet.recipe import load_recipe
from hexdet.training.checkpoint import network_of, save_checkpoint

RECIPE = """\
data: {format: scenes, train: 40, val: 2, test: 8}
network: {name: mb2_ssd_lite_f38_tiny, width_multiplier: 0.25, width: 64, height: 64}
training: {epochs: 1, batch_size: 4, workers: 0, validate_every: 1, precision: float32}
calibration: {images: 2}
export: {check_images: 1}
"""
NAME = "tiny"
Running = subprocess.Popen[bytes] | Forked
PATIENCE_S = 300.0
HEXDET = str(Path(sys.executable).with_name("hexdet"))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """code, said: how a command ended; faults: what was not as it should be."""

    title: str
    code: int
    said: str
    faults: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class World:
    """A folder of its own: a recipe, two checkpoints that differ, a folder for temporary files."""

    folder: Path
    environment: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def recipe(self) -> Path:
        return self.folder / f"{NAME}.yaml"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def checkpoint(self, seed: int) -> Path:
        return self.folder / f"seed{seed}.safetensors"

    def export_arguments(self, build: Path, seed: int) -> list[str]:
        checkpoint = str(self.checkpoint(seed))
        return ["export", str(self.recipe), "--checkpoint", checkpoint, "--build", str(build)]

    def variables(self) -> dict[str, str]:
        """Return the environment: one thread, temporary files in a folder that can be looked at."""
        known: dict[str, str | None] = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "140",
            "TMPDIR": str(self.temporary),
            **self.environment,
        }
        return {key: value for key, value in known.items() if value is not None}

    def start(
        self, arguments: Sequence[str], log: Path, prefix: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Start `hexdet` as the head of a process group, all that it prints going into a file."""
        with log.open("wb") as stream:
            return subprocess.Popen(
                [*prefix, HEXDET, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=self.folder,
                env=self.variables(),
                start_new_session=True,
            )

    def fork(self, arguments: Sequence[str], log: Path, most_mib: int | None = None) -> Forked:
        """Start `hexdet` in a fork of this process."""
        return Forked(
            arguments,
            folder=self.folder,
            log=log,
            environment=self.variables(),
            most_mib=most_mib,
        )

    def run_forked(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run `hexdet` in a fork to its end; all that it printed counts as standard error."""
        log = self.folder / "forked.log"
        code = self.fork(arguments, log).wait(2 * PATIENCE_S)
        said = log.read_text(errors="replace")
        return subprocess.CompletedProcess(list(arguments), code, stdout="", stderr=said)

    def run(
        self, arguments: Sequence[str], prefix: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run `hexdet` to its end."""
        return subprocess.run(
            [*prefix, HEXDET, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            cwd=self.folder,
            env=self.variables(),
            timeout=PATIENCE_S,
        )

    def export(self, build: Path, seed: int = 0) -> Path:
        """Export to the end and return the bundle."""
        done = self.run_forked(self.export_arguments(build, seed))
        assert done.returncode == 0, done.stdout + done.stderr
        return build / NAME


def make_world(folder: Path) -> World:
    """Write the recipe and checkpoints of two networks with random weights."""
    world = World(folder=folder)
    world.temporary.mkdir(parents=True)
    world.recipe.write_text(RECIPE, encoding="utf-8")
    recipe = load_recipe(str(world.recipe))
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_checkpoint(world.checkpoint(seed), network_of(recipe), recipe, {})
    return world


def kill(process: Running) -> None:
    """End a process and all that it started, with SIGKILL."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def contents(bundle: Path) -> dict[str, bytes]:
    """Return the files directly in a bundle, the report without how long things took."""
    if not bundle.is_dir():
        return {}
    found = {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}
    if "report.json" in found:
        report: dict[str, Any] = json.loads(found["report.json"])
        for row in report["rows"]:
            del row["seconds"]
        found["report.json"] = json.dumps(report).encode()
    return found


def wait_for(log: Path, text: str, process: Running) -> bool:
    """Wait until a process has printed a text; False where it has ended without."""
    until = time.monotonic() + PATIENCE_S
    while text.encode() not in log.read_bytes():
        assert time.monotonic() < until, log.read_text()
        if process.poll() is not None:
            return text.encode() in log.read_bytes()
        time.sleep(0.005)
    return True


def last_line(text: str) -> str:
    """Return the last line that something was said in."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(nothing)"
