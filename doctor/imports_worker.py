"""The process that imports modules one by one and writes down how that went.

python -m hexdet.doctor.imports_worker RESULT MODULE...

RESULT gets one JSON line a module before it is imported, and one after: a crash shows whose it was.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any, TextIO


def _import_all(modules: list[str], stream: TextIO) -> None:
    def write(line: dict[str, Any]) -> None:
        stream.write(json.dumps(line) + "\n")
        stream.flush()

    for name in modules:
        write({"module": name, "state": "begun"})
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a package raises while it is imported is the finding
            write({"module": name, "state": "failed", "error": f"{type(error).__name__}: {error}"})
        else:
            write({"module": name, "state": "done"})
    if "torch" in modules and "torch" in sys.modules:
        write({"cuda": _cuda()})


def _cuda() -> dict[str, Any]:
    """Return what torch was built for, and the GPUs that it can use."""
    import torch

    usable = torch.cuda.is_available()
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"built_for": torch.version.cuda or "", "gpus": names if usable else []}


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", encoding="utf-8") as file:
        _import_all(sys.argv[2:], file)
