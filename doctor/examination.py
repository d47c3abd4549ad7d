"""All checks, several at once: most of them wait for processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..errors import HexdetError
from . import devices, machine, packages, qualcomm
from .finding import JOBS, Finding

Check = Callable[[], Finding | list[Finding]]
CHECKS: tuple[Check, ...] = (
    packages.python,
    packages.packages,
    qualcomm.emulator,
    qualcomm.dlc_writing,
    qualcomm.sdks,
    devices.devices,
    machine.data,
    lambda: machine.disk(machine.results()),
    machine.cores,
)
"""In the order in which they are shown."""
AT_ONCE = 4


def examine(
    progress: Callable[[int, int], None], checks: Sequence[Check] = CHECKS
) -> list[Finding]:
    """Run all checks and return what they found, in their order.

    progress: told how many of them are done.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(_outcome, check) for check in checks]
        found: list[Finding] = []
        for done, future in enumerate(waiting, 1):
            found += future.result()
            progress(done, len(checks))
    return found


def _outcome(check: Check) -> list[Finding]:
    """Return what a check found; what kept it from looking, such as a full disk, is a finding."""
    try:
        result = check()
    except HexdetError as error:
        return [Finding(what="a check", status="broken", found=str(error), jobs=JOBS)]
    return [result] if isinstance(result, Finding) else result
