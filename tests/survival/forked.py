"""`hexdet` in a fork of this process: the same door, without seconds of imports each time."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

CRASHED = 70
"""Exit code where the door let an exception through."""


class Forked:
    """A running `hexdet ARGUMENTS`, the head of a process group; what it prints goes into a file.

    most_mib: more memory than this process has now that it can have, where limited.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        log: Path,
        environment: Mapping[str, str],
        most_mib: int | None = None,
    ) -> None:
        log.write_bytes(b"")
        self._peak = log.with_name(f"{log.name}.peak")
        self._peak.unlink(missing_ok=True)
        self.returncode: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._become_hexdet(arguments, folder, log, environment, most_mib)

    def _become_hexdet(
        self,
        arguments: Sequence[str],
        folder: Path,
        log: Path,
        environment: Mapping[str, str],
        most_mib: int | None,
    ) -> None:
        code = CRASHED
        try:
            os.setsid()
            handle = os.open(log, os.O_WRONLY | os.O_APPEND)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            tempfile.tempdir = None
            # The peak counts from here: pages that this process once had are none of its own.
            Path("/proc/self/clear_refs").write_text("5")
            before = _status("VmHWM")
            if most_mib is not None:
                limit = (_status("VmSize") + most_mib * 1024) * 1024
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            code = _door(arguments)
            self._peak.write_text(str(_status("VmHWM") - before))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, limit_s: float = 600.0) -> int:
        """Wait for its end, which is enforced in the end; return the exit code."""
        until = time.monotonic() + limit_s
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                os.killpg(self.pid, signal.SIGKILL)
                until += limit_s
            time.sleep(0.005)
        return code

    @property
    def grown_mib(self) -> float:
        """Return by how much its memory grew at most; 0 where it was killed."""
        return int(self._peak.read_text()) / 1024 if self._peak.is_file() else 0.0


def load_libraries() -> None:
    """Import what the verbs import, so that the forks need not; nothing is run."""
    import onnxsim  # noqa: F401

    from hexdet.cli.verbs import (  # noqa: F401
        detect,
        dlc,
        export,
        import_,
        parity,
        quantize,
    )


def _door(arguments: Sequence[str]) -> int:
    from hexdet.__main__ import main

    sys.argv = ["hexdet", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return CRASHED
    return 0


def _status(key: str) -> int:
    """Return a figure of /proc/self/status, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    return 0
