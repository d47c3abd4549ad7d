"""The process that lets Qualcomm's libraries write a graph as a DLC into a folder.

python -m hexdet.export.dlc_writer GRAPH FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..runtime.qnn import dlc_options, open_session

KEEP_EQUAL_CONSTANTS = {"optimization.disable_specified_optimizers": "ConstantSharing"}
"""Two layers' equal biases (zeros, of a level that no object ever fell to) are two tensors."""

if __name__ == "__main__":
    graph, folder = Path(sys.argv[1]), Path(sys.argv[2])
    # The DLC names a hash of the graph's path: by its name alone every folder gives the same.
    os.chdir(graph.parent)
    open_session(Path(graph.name), dlc_options(folder), KEEP_EQUAL_CONSTANTS)
