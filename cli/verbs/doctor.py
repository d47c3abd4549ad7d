"""What `hexdet doctor` does: look at this machine, show it on one screen, judge what can run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from ... import __version__
from ...doctor.examination import examine
from ...doctor.finding import JOBS, Finding, Job, Status, obstacles
from ..terminal import console

STYLES: dict[Status, str] = {
    "ok": "green",
    "differs": "yellow",
    "missing": "yellow",
    "broken": "bold red",
}


def doctor(job: Job, as_json: bool) -> int:
    """Examine this machine and show it; returns 1 where the job cannot run on it, else 0."""
    with console.bar("looking at packages, the emulator, SDKs and devices") as step:
        findings = examine(step)
    if as_json:
        console.print_json(report(findings))
    else:
        _show(findings)
    return 1 if obstacles(findings, job) else 0


def report(findings: Sequence[Finding]) -> dict[str, object]:
    """Return the findings as what `--json` prints."""
    return {
        "hexdet": __version__,
        "jobs": {job: not obstacles(findings, job) for job in JOBS},
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }


def _show(findings: Sequence[Finding]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("status", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in findings:
        # What is optional and not there is no reason to look up.
        calm = finding.status == "missing" and not finding.jobs
        style = "dim" if calm else STYLES[finding.status]
        text = escape(finding.found)
        if finding.advice:
            text += f"\n[dim]-> {escape(finding.advice)}[/]"
        table.add_row(f"[{style}]{finding.status}[/]", escape(finding.what), text)
    console.out.print(table)
    for job in JOBS:
        blocking = obstacles(findings, job)
        because = ", ".join(finding.what for finding in blocking)
        verdict = f"cannot run: {because}" if blocking else "can run"
        console.out.print(f"hexdet {job}: {verdict}", markup=False)
