"""Print the matrix and the misbehaviours as Markdown, each square being really run.

python tests/sdk/tables.py [matrix] [faults]
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from sdk.cases import FAULTS, MATRIX, drive, told
from sdk.tiny import make_bundle, write_pictures

from hexdet.errors import HexdetError
from sdk_standin.layout import make_python, make_tree
from sdk_standin.versions import VERSIONS


def matrix(bundle: Path, folder: Path) -> None:
    """Print a row a square: what was chosen, and how the result compares with ours."""
    print("| stand-in of | chip | encodings | flow | prepared | the INT8 DLC against ours |")
    print("|---|---|---|---|---|---|")
    for cell in MATRIX:
        root = make_tree(VERSIONS[cell.version], folder / cell.version)
        try:
            about = drive(bundle, root, cell.chip, encodings=cell.encodings).about
            words = [about["flow"], about["preparation"], about["held_summary"]]
        except HexdetError as error:
            words = ["", "", str(error).splitlines()[0]]
        row = [cell.version, cell.chip, cell.encodings, *words]
        print(f"| {' | '.join(row)} |", flush=True)


def faults(bundle: Path, folder: Path) -> None:
    """Print a row a misbehaviour: what the user is told."""
    print("| tool | misbehaviour | the user is told |")
    print("|---|---|---|")
    for fault in FAULTS:
        root = make_tree(
            VERSIONS[fault.version], folder / "broken", misbehaves={fault.tool: fault.fault}
        )
        said = told(bundle, root, fault).splitlines()[0].replace("|", "\\|")
        print(f"| {fault.tool} | {fault.fault} | {said} |", flush=True)
        shutil.rmtree(bundle / "sdk", ignore_errors=True)


def main(names: list[str]) -> int:
    """Run from the command line."""
    with tempfile.TemporaryDirectory(prefix="hexdet-tables-") as name:
        folder = Path(name)
        os.environ["HEXDET_DATA"] = str(write_pictures(folder / "data"))
        for minor in {minor for version in VERSIONS.values() for minor in version.minors}:
            make_python(folder / "pythons", minor)
        os.environ["PATH"] = f"{folder / 'pythons'}{os.pathsep}{os.environ['PATH']}"
        bundle = make_bundle(folder)
        for table in (matrix, faults):
            if not names or table.__name__ in names:
                table(bundle, folder)
                print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
