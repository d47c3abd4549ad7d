"""The log on the terminal: warnings of our own modules, more where it is asked for, theirs not."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from hexdet.cli.terminal import log
from hexdet.cli.terminal.log import OWN, details_shown, show_log


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    handlers, level, propagate = list(OWN.handlers), OWN.level, OWN.propagate
    yield
    OWN.handlers, OWN.level, OWN.propagate = handlers, level, propagate


def test_warnings_of_our_own_are_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    show_log()
    show_log()
    logging.getLogger("hexdet.quantization.ranges").warning("[bold] is %d everywhere", 0)
    logging.getLogger("hexdet.quantization.ranges").info("not asked for")
    logging.getLogger("somebody").warning("theirs")
    assert capsys.readouterr().err == "warning: [bold] is 0 everywhere\n"


def test_details_are_shown_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    show_log()
    logger = logging.getLogger("hexdet.training.checkpoint")
    with details_shown():
        logger.info("start from %s", "a")
    logger.info("over")
    assert capsys.readouterr().err == "start from a\n"


def test_the_logger_is_above_all_of_our_modules() -> None:
    assert log.__name__.startswith(f"{OWN.name}.")
