"""Every command and every piece of Python in README.md and docs/ is run, page by page, in order.

A fence of shell is `sh`, one of Python `python`; `text`, `yaml` and `json` are for reading. What a
fence needs that is not here (see `needs.py`) skips it, and says so.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from docs.checkout import SIZES, make_checkout
from docs.needs import NEEDS
from docs.pages import EXECUTED, ROOT, SHOWN, Fence, fences, pages

LIMIT_S = 600
TABLES = ("reliability.md",)
"""Pages whose commands print the tables of tests that run by themselves, for up to an hour."""
ALL = [fence for page in pages() if page.name not in TABLES for fence in fences(page)]
RUN = [fence for fence in ALL if fence.language in EXECUTED]


def _parameter(fence: Fence) -> object:
    marks = [pytest.mark.slow] if "time" in fence.needs else []
    return pytest.param(fence, id=fence.name, marks=marks)


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory: pytest.TempPathFactory, heads: Path) -> dict[Path, Path]:
    """Return the folder of each page that has something to run."""
    made = tmp_path_factory.mktemp("pages")
    return {
        page: make_checkout(made / page.stem, heads)
        for page in dict.fromkeys(fence.page for fence in RUN)
    }


@pytest.mark.parametrize("fence", [_parameter(fence) for fence in RUN])
def test_what_the_page_says_runs(fence: Fence, checkouts: dict[Path, Path]) -> None:
    for need in fence.needs:
        if need == "time":
            continue
        meaning, is_met = NEEDS[need]
        if not is_met():
            pytest.skip(f"{fence.name} needs {meaning}")
    folder = checkouts[fence.page]
    tools = folder / ".venv" / "bin"
    command = (
        ["bash", "-euo", "pipefail", "-c", fence.code]
        if fence.language == "sh"
        else [str(tools / "python"), "-c", fence.code]
    )
    result = subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "HEXDET_DATA": str(Path(os.environ.get("HEXDET_DATA") or "data").resolve()),
            "COLUMNS": "120",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert result.returncode == 0, f"{fence.name}\n{fence.code}\n{result.stdout}"


def test_every_fence_has_a_language_that_is_known() -> None:
    assert not [f"{f.name} {f.language!r}" for f in ALL if f.language not in (*EXECUTED, *SHOWN)]


def test_every_need_is_one_that_can_be_met() -> None:
    assert {need for fence in ALL for need in fence.needs} <= {*NEEDS, "time"}


def test_only_sizes_are_appended() -> None:
    sizes = {"--check", "--limit", "--images", "--rounds", "--runs", "--frames", "--repeat"}
    sizes |= {"--augmented", "--no-sizes"}
    keys = {"calibration.images", "training.epochs", "training.batch_size"}
    keys |= {"training.workers", "training.cache_mib"}
    for appended in SIZES.values():
        words = iter(appended.split())
        for word in words:
            if word == "--set":
                assert next(words).partition("=")[0] in keys
            elif word != "--no-sizes":
                assert word in sizes
                assert next(words).isdigit()


def test_the_pages_are_found() -> None:
    assert {page.relative_to(ROOT).parts[0] for page in pages()} == {"README.md", "docs"}
    assert RUN
