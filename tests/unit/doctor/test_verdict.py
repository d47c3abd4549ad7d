"""The verdict: which findings keep which job from running, and what the door makes of it."""

from __future__ import annotations

import pytest

from hexdet.cli.verbs import doctor as verb
from hexdet.doctor.examination import examine
from hexdet.doctor.finding import Finding, Job, Status, obstacles
from hexdet.errors import ArtifactError


def finding(what: str, status: Status, *jobs: Job) -> Finding:
    return Finding(what=what, status=status, found="", jobs=jobs)


@pytest.mark.parametrize(
    ("findings", "job", "blocking"),
    [
        ([], "export", []),
        ([finding("a", "missing")], "export", []),
        ([finding("a", "broken")], "export", []),
        ([finding("a", "missing", "export")], "export", ["a"]),
        ([finding("a", "missing", "export")], "detect", []),
        ([finding("a", "broken", "export", "detect")], "detect", ["a"]),
        ([finding("a", "differs", "export"), finding("b", "ok", "export")], "export", []),
    ],
)
def test_what_keeps_a_job_from_running(
    findings: list[Finding], job: Job, blocking: list[str]
) -> None:
    assert [f.what for f in obstacles(findings, job)] == blocking


def test_the_order_is_that_of_the_checks() -> None:
    seen: list[tuple[int, int]] = []
    one, two, three = finding("1", "ok"), finding("2", "ok"), finding("3", "ok")
    found = examine(
        lambda done, total: seen.append((done, total)), [lambda: one, lambda: [two, three]]
    )
    assert found == [one, two, three]
    assert seen == [(1, 2), (2, 2)]


def test_a_check_that_cannot_look_does_not_end_the_others() -> None:
    def full() -> Finding:
        raise ArtifactError("no room for temporary files")

    broken, fine = examine(lambda done, total: None, [full, lambda: finding("1", "ok")])
    assert (broken.status, fine.status) == ("broken", "ok")
    assert broken.found == "no room for temporary files"
    assert obstacles([broken], "detect") == [broken]


@pytest.mark.parametrize(("job", "code"), [("export", 1), ("detect", 0)])
@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_is_the_jobs(
    job: Job, code: int, as_json: bool, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    found = [finding("[red]toolchain", "missing", "export"), finding("Python", "ok", "detect")]
    monkeypatch.setattr(verb, "examine", lambda step: found)
    assert verb.doctor(job, as_json) == code
    printed = capsys.readouterr().out
    if as_json:
        assert '"export": false' in printed
        assert '"detect": true' in printed
    else:
        assert "hexdet export: cannot run: [red]toolchain" in printed
        assert "hexdet detect: can run" in printed
