"""Python modules run as processes of their own, so that an abort inside a library is a message."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from contextlib import suppress

from ..errors import ToolError

SHOWN_LINES = 6
GRACE_S = 5.0


class ModuleProcess:
    """`python -m module arguments...` with everything it prints, at C level too, kept in a file."""

    def __init__(self, module: str, arguments: list[str], pass_fds: tuple[int, ...] = ()) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self._printed = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=pass_fds,
        )

    def last_lines(self) -> str:
        """Return the last lines that the process printed, as one line."""
        if not self._log.closed:
            self._log.seek(0)
            self._printed = self._log.read()
        lines = self._printed.decode(errors="replace").splitlines()
        kept = [line.strip() for line in lines if line.strip()][-SHOWN_LINES:]
        return " | ".join(kept) or "(it printed nothing)"

    def failure(self, what: str) -> ToolError:
        """Return the error that says how the process ended."""
        with suppress(subprocess.TimeoutExpired):  # it may live on, having closed its socket
            self.process.wait(GRACE_S)
        self.close()
        code = self.process.returncode
        if code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit code {code}"
        return ToolError(f"{what} {how}: {self.last_lines()}")

    def wait(self, what: str, time_limit_s: float) -> None:
        """Wait for a good end; raises ToolError for any other, or past the time limit."""
        try:
            code = self.process.wait(time_limit_s)
        except subprocess.TimeoutExpired:
            raise self.timeout(what, time_limit_s) from None
        if code != 0:
            raise self.failure(what)

    def timeout(self, what: str, time_limit_s: float) -> ToolError:
        """End the process and return the error that says it took too long."""
        self.close()
        return ToolError(f"{what} gave no answer in {time_limit_s:g} s: {self.last_lines()}")

    def close(self) -> None:
        """End the process if it still runs; what it printed can still be asked for."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.last_lines()
        self._log.close()
