"""The command line: what it is made of, and how its errors end."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys

import typer

from ..errors import HexdetError
from .commands import bundles, fidelity, networks, using
from .commands.bench import bench
from .commands.data import data
from .terminal.log import show_log

app = typer.Typer(
    name="hexdet",
    help="From a PyTorch SSD detector to a measured INT8 DLC on the Snapdragon Hexagon DSP.",
    epilog="Start with: hexdet export heads",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

GROUPS = {
    "Networks": networks.commands,
    "Bundles": bundles.commands,
    "Accuracy and fidelity": fidelity.commands,
    "Use": using.commands,
}
for heading, group in GROUPS.items():
    for command in group.registered_commands:
        command.rich_help_panel = heading
    app.add_typer(group)
app.add_typer(data, name="data", rich_help_panel="Data and benchmarks")
app.add_typer(bench, name="bench", rich_help_panel="Data and benchmarks")

USER_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT}
"""Failures of the operating system that are the user's world and no bug."""


def main() -> None:
    """Run the command line; a user's error ends in one line, a bug keeps its traceback."""
    _speak_utf8()
    show_log()
    # An order to end unwinds like any error, so that temporary folders and started tools go too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app()
    except HexdetError as error:
        _end(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        _end(f"{error}: this verb needs `pip install 'hexdet[toolchain]'`", 1)
    except OSError as error:
        if error.errno not in USER_ERRORS:
            raise
        where = f" {error.filename}" if error.filename else ""
        _end(f"{error.strerror}:{where}", 1)


def _speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where an old locale would garble the names of files."""
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # for the processes of the emulator, too
        os.execv(sys.executable, [sys.executable, "-m", "hexdet", *sys.argv[1:]])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # as standard error, which escapes


def _end(text: str, code: int) -> None:
    from .terminal.console import fail

    fail(text)
    sys.exit(code)
