"""The process that executes a DLC on the emulator and answers pictures with codes.

python -m hexdet.export.dlc_runner.worker DLC CHIP FD
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection
from pathlib import Path

from ...errors import HexdetError, NotRunError
from ...runtime.htp_worker import Run, answer, refuse
from ...runtime.targets import find_target
from .qnn_api import QnnApi
from .run_dlc import DlcNetwork

COLOURS = 3
TO_NCHW = (0, 3, 1, 2)


def _serve(path: Path, chip: str, connection: Connection) -> None:
    try:
        network = DlcNetwork(QnnApi(_libraries()), path, find_target(chip))
    except HexdetError as error:
        refuse(connection, error)
        return
    with network:
        shape, run = _reading_pictures(network)
        answer(connection, shape, network.output_shapes, run)


def _reading_pictures(network: DlcNetwork) -> tuple[tuple[int, ...], Run]:
    """Return the shape of the picture, NHWC, and how the network runs on one.

    qairt-converter may have kept the layout of the float graph, which is NCHW.
    """
    shape = tuple(network.input_shape)
    if len(shape) != 4 or shape[1] != COLOURS or shape[3] == COLOURS:
        return shape, network.run
    n, c, h, w = shape
    return (n, h, w, c), lambda pixels: network.run(pixels.transpose(TO_NCHW))


def _libraries() -> Path:
    try:
        import onnxruntime_qnn
    except ImportError as error:
        raise NotRunError("not run: it needs `pip install onnxruntime-qnn`") from error
    return Path(onnxruntime_qnn.get_library_path()).parent


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2], Connection(int(sys.argv[3])))
