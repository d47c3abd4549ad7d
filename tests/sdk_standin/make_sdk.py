"""Lay out a stand-in of a Qualcomm SDK.

python tests/sdk_standin/make_sdk.py --version 2.25 --to DIR [--python-minor 10]
    [--python-to DIR] [--misbehave snpe-dlc-quant=hang]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from sdk_standin.layout import make_python, make_tree
from sdk_standin.misbehaving import FAULTS
from sdk_standin.versions import VERSIONS


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Lay out a stand-in of a Qualcomm SDK, for tests.",
        epilog="misbehaviours: " + "; ".join(f"{k}: {v}" for k, (v, _) in FAULTS.items()),
    )
    parser.add_argument("--version", required=True, choices=list(VERSIONS))
    parser.add_argument("--to", required=True, type=Path, help="the SDK's root")
    parser.add_argument("--python-minor", type=int, action="append", default=[], metavar="N",
                        help="the Python 3.N that it wants, not the release's")  # fmt: skip
    parser.add_argument("--python-to", type=Path, metavar="DIR",
                        help="also write a stand-in interpreter python3.N there")  # fmt: skip
    parser.add_argument("--misbehave", action="append", default=[], metavar="TOOL=FAULT")
    options = parser.parse_args()
    version = VERSIONS[options.version]
    misbehaves = dict(pair.split("=", 1) for pair in options.misbehave)
    root = make_tree(version, options.to, minors=options.python_minor, misbehaves=misbehaves)
    for minor in options.python_minor or version.minors:
        if options.python_to:
            make_python(options.python_to, minor)
    print(root)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
