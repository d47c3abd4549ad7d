"""Steps run as GitHub runs them: in order, until one fails, with what earlier ones set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from docs.run_workflow import Ended, inputs_of, run_job


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


def _run(clone: Path, *steps: dict[str, Any], **inputs: str) -> Ended:
    return run_job({"env": {"WORD": "${{ inputs.word }}"}, "steps": steps}, clone, inputs)


def test_a_failure_ends_the_job_but_for_steps_that_ask(clone: Path) -> None:
    ended = _run(
        clone,
        {"name": "a", "run": "false | true\ntouch reached"},
        {"name": "b", "run": "touch after"},
        {"name": "c", "if": "${{ !cancelled() }}", "run": "exit 3"},
        word="",
    )
    assert ended.codes == {"a": 1, "c": 3}
    assert ended.code == 1
    assert list(clone.iterdir()) == []


def test_steps_hand_on_variables_and_outputs(clone: Path) -> None:
    ended = _run(
        clone,
        {"name": "a", "run": 'echo "SAID=$WORD" >> "$GITHUB_ENV"'},
        {
            "name": "b",
            "run": 'echo "said=$SAID" >> "$GITHUB_OUTPUT"; echo hi > "$GITHUB_STEP_SUMMARY"',
        },
        {"uses": "actions/checkout@v6.0.2"},
        word="$(touch harm)",
    )
    assert ended.code == 0
    assert ended.outputs == {"said": "$(touch harm)"}
    assert ended.summary == "hi\n"
    assert not (clone / "harm").exists()


@pytest.mark.parametrize(("value", "runs"), [("true", True), ("false", False), ("", False)])
def test_a_step_may_hang_on_an_input(clone: Path, value: str, runs: bool) -> None:
    ended = _run(
        clone, {"name": "a", "if": "${{ inputs.search }}", "run": "true"}, word="", search=value
    )
    assert bool(ended.codes) == runs


def test_an_unknown_condition_is_refused(clone: Path) -> None:
    with pytest.raises(SystemExit, match="not understood"):
        _run(clone, {"name": "a", "if": "github.actor == 'x'", "run": "true"}, word="")


def test_inputs_are_the_workflow_s() -> None:
    workflow = {
        "on": {"workflow_call": {"inputs": {"a": {"default": 0.5}, "b": {"default": False}}}}
    }
    assert inputs_of(workflow, {"a": "1"}) == {"a": "1", "b": "false"}
    with pytest.raises(SystemExit, match="no input c"):
        inputs_of(workflow, {"c": "1"})
