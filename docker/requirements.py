"""Print what pyproject.toml asks for, a line each: requirements.py PYPROJECT [EXTRA]

Installed from this before the sources come, so that a change of the code leaves the layer as it is.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

if __name__ == "__main__":
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in sys.argv[2:]:
        wanted += project["optional-dependencies"][extra]
    print("\n".join(wanted))
