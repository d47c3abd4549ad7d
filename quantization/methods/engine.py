"""AIMET, where it is installed: imported only when a method needs it, and kept quiet."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from types import ModuleType

from ...errors import NotRunError

PACKAGE = "aimet_onnx"
INSTALL = "pip install 'hexdet[aimet]'"
LOGGER = "Quant"
"""AIMET's own name for the logger of its quantization methods."""


def engine(module: str, needed_for: str) -> ModuleType:
    """Return a module of AIMET by its name inside the package.

    needed_for: the recipe's key, for the error. Raises NotRunError, with the command that installs
    it, where AIMET is missing, or with the reason where it does not load.
    """
    try:
        with quiet():
            return importlib.import_module(f"{PACKAGE}.{module}")
    except ModuleNotFoundError as error:
        raise NotRunError(
            f"{needed_for} needs AIMET, and {error.name} is not installed: {INSTALL}"
        ) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise NotRunError(
            f"{needed_for} needs AIMET, which does not load here "
            f"({' '.join(str(error).split())}): {INSTALL} into a fresh environment"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what AIMET and its dependencies print and warn of from the terminal.

    AIMET logs to standard output with handlers of its own, and draws bars on standard error.
    """
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def heard(handler: logging.Handler) -> Iterator[None]:
    """Let a handler hear AIMET's log in the place of AIMET's own."""
    logger = logging.getLogger(LOGGER)
    handlers, level, propagate = logger.handlers, logger.level, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
