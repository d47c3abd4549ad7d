"""What hexdet's own modules log, as lines of the terminal."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

OWN = logging.getLogger("hexdet")


class Shown(logging.Handler):
    """Prints records: below a warning as what happens, else as a warning."""

    def emit(self, record: logging.LogRecord) -> None:
        from . import console  # only here: most runs log nothing

        (console.say if record.levelno < logging.WARNING else console.warn)(self.format(record))


def show_log() -> None:
    """Print from now on what our own modules warn of, and of other people's their errors alone.

    What of theirs concerns a user is an error of ours.
    """
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    if not any(isinstance(handler, Shown) for handler in OWN.handlers):
        OWN.addHandler(Shown())
    OWN.setLevel(logging.WARNING)
    OWN.propagate = False


@contextlib.contextmanager
def details_shown() -> Iterator[None]:
    """Print meanwhile what they say at the level INFO, too, where the log is shown."""
    level = OWN.level
    OWN.setLevel(logging.INFO)
    try:
        yield
    finally:
        OWN.setLevel(level)
