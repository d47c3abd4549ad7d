"""Print the table of faults as Markdown, each row being really played over the real adb.

python tests/adb/tables.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from adb.cases import FAULTS, Fault, Played, is_whole, play
from adb.device_sdk import make_device_sdk
from adb.rig import Place, Server, StandIn
from adb.standin_device.faults import FAULTS as WHAT
from sdk.tiny import make_bundle, write_pictures


def row(fault: Fault, played: Played) -> str:
    """Return a line: the fault, what the user sees, how it ends."""
    changes = ", ".join(f"{key} {value:g}" for key, value in fault.values.items())
    sentences = list(dict.fromkeys(played.first.said[1:]))
    reasons = [row.reason for row in played.first.rows if row.reason]
    sentences += [r for r in reasons if not any(r in said for said in sentences)]
    told = "; ".join(sentences).replace("|", "\\|") or "(nothing: it costs time alone)"
    first = played.first.rows[0] if played.first.rows else None
    status = f"{first.status}, {first.runs}/{first.wanted}" if first else "no row"
    last = played.last.rows[0] if played.last.rows else None
    whole = "yes" if is_whole(played.last) and last is not None else "NO"
    second = "not needed" if played.second is None else f"whole: {whole}, {played.kept} runs kept"
    what = WHAT[fault.name] + (f" ({changes})" if changes else "")
    return f"| {fault.name} | {what} | {told} | {status} | {second} |"


def main() -> int:
    """Run from the command line."""
    with tempfile.TemporaryDirectory(prefix="hexdet-adb-tables-") as name:
        folder = Path(name)
        os.environ["HEXDET_DATA"] = str(write_pictures(folder / "data"))
        os.environ["HEXDET_STANDIN_CACHE"] = str(folder / "cache")
        bundle = make_bundle(folder)
        server = Server(folder / "home")
        os.environ.update(server.environment)
        place = Place(bundle, make_device_sdk(folder / "sdk 2.25"), server)
        print("Stand-in devices; the adb client and its server are the real ones.\n")
        print("| fault | what happens | what the user is told | first call | second call |")
        print("|---|---|---|---|---|")
        failed = 0
        try:
            for number, fault in enumerate(FAULTS):
                device = StandIn(folder / f"phone{number}", name=f"STANDIN{number}")
                try:
                    server.connect(device)
                    played = play(place, device, fault)
                    print(row(fault, played).replace(device.serial, "SERIAL"), flush=True)
                    failed += not is_whole(played.last)
                finally:
                    server.call("disconnect", device.serial)
                    device.stop()
        finally:
            server.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
