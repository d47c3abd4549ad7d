"""The process that executes a DLC on the emulator and answers pictures with codes.

python -m hexdet.export.dlc_runner.worker DLC CHIP FD
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection
from pathlib import Path

from ...errors import HexdetError, NotRunError
from ...runtime.htp_worker import answer, refuse
from ...runtime.targets import find_target
from .qnn_api import QnnApi
from .run_dlc import DlcNetwork


def _serve(path: Path, chip: str, connection: Connection) -> None:
    try:
        network = DlcNetwork(QnnApi(_libraries()), path, find_target(chip))
    except HexdetError as error:
        refuse(connection, error)
        return
    with network:
        answer(connection, network.input_shape, network.output_shapes, network.run)


def _libraries() -> Path:
    try:
        import onnxruntime_qnn
    except ImportError as error:
        raise NotRunError("not run: it needs `pip install onnxruntime-qnn`") from error
    return Path(onnxruntime_qnn.get_library_path()).parent


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2], Connection(int(sys.argv[3])))
