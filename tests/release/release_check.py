"""All that must hold before a release, a step a line: release_check.py OUT [--skip STEP]

What a step printed is in OUT/STEP.log. The files to be released are in OUT/dist: they are built
first and what follows is tested on them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = "tests/release"
PYTEST = (sys.executable, "-m", "pytest", "--slow", "-q")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command that must end well; skipped_is_failed: where tests that skip prove nothing."""

    name: str
    command: Sequence[str]
    skipped_is_failed: bool = False


def steps(dist: Path) -> tuple[Step, ...]:
    """Return the steps in their order, cheap ones first."""
    return (
        Step(name="lint", command=("make", "lint")),
        Step(name="build", command=(sys.executable, f"{HERE}/build_dist.py", str(dist))),
        Step(name="contents", command=(*PYTEST, f"{HERE}/test_dist.py"), skipped_is_failed=True),
        Step(
            name="install",
            command=(*PYTEST, f"{HERE}/test_install.py", "-k", "not arm64"),
            skipped_is_failed=True,
        ),
        Step(
            name="arm64",
            command=(*PYTEST, f"{HERE}/test_install.py", "-k", "arm64"),
            skipped_is_failed=True,
        ),
        Step(name="docker", command=(*PYTEST, "tests/docker")),
        Step(name="tests", command=("make", "test")),
    )


def run(step: Step, log: Path, environ: dict[str, str]) -> bool:
    """Run a step, its output into `log`; print how it ended and return whether it was good."""
    print(f"{step.name:10}", end="", flush=True)
    start = time.monotonic()
    with log.open("wb") as stream:
        done = subprocess.run(
            step.command, cwd=ROOT, stdout=stream, stderr=stream, env=environ, check=False
        )
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    summary = lines[-1].strip(" =") if lines else ""
    good = done.returncode == 0 and not (step.skipped_is_failed and " skipped" in summary)
    seconds = time.monotonic() - start
    print(f"{'ok' if good else 'FAILED':7}{seconds:6.0f} s  {summary[:90]}")
    if not good:
        print(f"{'':10}see {log}")
    return good


def main() -> int:
    """Run all steps, the later ones too where one failed; returns 1 where any did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    names = [step.name for step in steps(Path())]
    parser.add_argument("--skip", action="append", default=[], choices=names)
    parser.add_argument("--only", action="append", default=[], choices=names)
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    dist = out / "dist"
    dist.mkdir(parents=True, exist_ok=True)
    for old in dist.glob("hexdet-*"):
        old.unlink()
    results = []
    for step in steps(dist):
        if step.name in arguments.skip or (arguments.only and step.name not in arguments.only):
            print(f"{step.name:10}not run")
            continue
        built = {"HEXDET_DIST": str(dist)} if any(dist.iterdir()) else {}
        results.append(run(step, out / f"{step.name}.log", {**os.environ, **built}))
    for path in sorted(dist.iterdir()):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
