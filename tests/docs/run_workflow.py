"""Run the `run:` steps of a GitHub workflow in a fresh clone, with the shell that GitHub uses.

python tests/docs/run_workflow.py .github/workflows/ci.yml [--job NAME] [--without STEP]
python tests/docs/run_workflow.py .github/workflows/accuracy-gate.yml --input limit=2

A `uses:` step is not run: the clone stands for the checkout, this Python for setup-python, and
artifacts stay where they are. Of expressions, only those that our workflows use are understood.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""What GitHub makes of `shell: bash`."""
LEFT_OUT = ("HEXDET_DATA", "VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL")
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_INPUT = re.compile(r"inputs\.([\w-]+)")
_INPUT_GIVEN = re.compile(r"inputs\.([\w-]+) != ''")


@dataclass(kw_only=True)
class Ended:
    """A job after its end: the exit code of each step that ran, and what the job gave out."""

    codes: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    @property
    def code(self) -> int:
        """Return the exit code of the first step that failed, 0 where none did."""
        return next((code for code in self.codes.values() if code), 0)


def read_workflow(path: Path) -> dict[str, Any]:
    """Return a workflow's content; YAML 1.1 reads its key `on` as true."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["on"] = content.pop(True)
    return dict(content)


def inputs_of(workflow: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return every input of a reusable workflow as text, as the shell sees it."""
    known = ((workflow["on"] or {}).get("workflow_call") or {}).get("inputs") or {}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SystemExit(f"no input {unknown[0]}: there are {', '.join(known) or 'none'}")
    return {name: given.get(name, _text(spec.get("default", ""))) for name, spec in known.items()}


def run_job(
    job: Mapping[str, Any], clone: Path, inputs: Mapping[str, str], without: Sequence[str] = ()
) -> Ended:
    """Run the steps of a job in a clone, in their order, as GitHub decides whether each runs."""
    ended = Ended()
    files = {name: clone.parent / name for name in ("env", "output", "summary", "path")}
    for path in files.values():
        path.write_text("", encoding="utf-8")
    variables = {key: _fill(_text(value), inputs) for key, value in job.get("env", {}).items()}
    for step in job["steps"]:
        name = step.get("name") or step.get("uses", "?")
        if "run" not in step or name in without or not _wanted(step, inputs, ended):
            print(f"-- {name}: not run here", flush=True)
            continue
        print(f"-- {name}", flush=True)
        script = clone.parent / "step.sh"
        script.write_text(_fill(step["run"], inputs), encoding="utf-8")
        own = {key: _fill(_text(value), inputs) for key, value in step.get("env", {}).items()}
        begun = time.monotonic()
        done = subprocess.run(
            [*SHELL, str(script)],
            cwd=clone,
            env={**_environment(clone, files), **variables, **_pairs(files["env"]), **own},
            stdin=subprocess.DEVNULL,
        )
        ended.codes[name] = done.returncode
        print(f"-- exit code {done.returncode}, {time.monotonic() - begun:.0f} s", flush=True)
    ended.outputs = _pairs(files["output"])
    ended.summary = files["summary"].read_text(encoding="utf-8")
    return ended


def clone_here(folder: Path) -> Path:
    """Clone what is committed into a folder and return the clone."""
    clone = folder / "checkout"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    return clone


def _wanted(step: Mapping[str, Any], inputs: Mapping[str, str], ended: Ended) -> bool:
    """Tell whether a step runs: after a failure only one that asks for it."""
    condition = _EXPRESSION.sub(r"\1", str(step.get("if", "success()")))
    if condition == "success()":
        return not ended.code
    if condition in ("!cancelled()", "always()"):
        return True
    named = _INPUT.fullmatch(condition)
    if named:
        return not ended.code and inputs[named[1]] not in ("", "false", "0")
    given = _INPUT_GIVEN.fullmatch(condition)
    if given:
        return not ended.code and inputs[given[1]] != ""
    raise SystemExit(f"the condition {condition!r} is not understood here")


def _fill(text: str, inputs: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        named = _INPUT.fullmatch(match[1])
        if named is None:
            raise SystemExit(f"the expression {match[1]!r} is not understood here")
        return inputs[named[1]]

    return _EXPRESSION.sub(value, text)


def _environment(clone: Path, files: Mapping[str, Path]) -> dict[str, str]:
    """Return a runner's environment: `python` is this one's base, nothing else is inherited."""
    tools = clone.parent / "bin"
    tools.mkdir(exist_ok=True)
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        link = tools / name
        if not link.is_symlink():
            link.symlink_to(getattr(sys, "_base_executable", sys.executable))
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return {
        **kept,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(clone),
        "GITHUB_ENV": str(files["env"]),
        "GITHUB_OUTPUT": str(files["output"]),
        "GITHUB_STEP_SUMMARY": str(files["summary"]),
        "GITHUB_PATH": str(files["path"]),
    }


def _pairs(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def main(words: Sequence[str]) -> int:
    """Run from the command line; returns the exit code of the first step that failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workflow", type=Path)
    parser.add_argument("--job", action="append", help="only this job; repeatable")
    parser.add_argument("--without", action="append", default=[], help="a step to leave out")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args(words)
    workflow = read_workflow(arguments.workflow)
    inputs = inputs_of(workflow, dict(pair.split("=", 1) for pair in arguments.input))
    code = 0
    for name, job in workflow["jobs"].items():
        if arguments.job and name not in arguments.job:
            continue
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="hexdet-workflow-") as folder:
            clone = clone_here(Path(folder))
            ended = run_job(job, clone, inputs, arguments.without)
        print(ended.summary, end="")
        code = code or ended.code
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
