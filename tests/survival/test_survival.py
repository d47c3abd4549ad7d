"""What is survived, a part of each table; `make survival` tries everything and prints it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from survival.disk import reason_not_to

NAMES = ("kill", "together", "disk", "surroundings", "hostile", "live")
TABLES = Path(__file__).parent / "tables.py"


def print_tables(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TABLES), *arguments], capture_output=True, text=True, timeout=3600
    )


def check(printed: subprocess.CompletedProcess[str], name: str) -> None:
    """Fail with the faults of a table, or where it has no row."""
    faults = [line for line in printed.stderr.splitlines() if line.startswith(f"FAULT {name}: ")]
    assert not faults, "\n".join(faults)
    sections = dict(part.split("\n", 1) for part in printed.stdout.split("\n## ")[1:])
    assert name in sections, printed.stderr
    if name == "disk" and reason_not_to():
        pytest.skip(reason_not_to())
    assert sum(line.startswith("| ") for line in sections[name].splitlines()) > 1


@pytest.fixture(scope="module")
def quick() -> subprocess.CompletedProcess[str]:
    return print_tables("--quick")


@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_each_table_has_no_fault(
    quick: subprocess.CompletedProcess[str], name: str
) -> None:
    check(quick, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_table_has_no_fault(name: str) -> None:
    printed = print_tables(name, "--count", "18", "--seconds", "60")
    check(printed, name)
    assert printed.returncode == 0, printed.stderr
