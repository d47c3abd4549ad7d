"""The emulator's process: opens a graph on the HTP, then answers pictures with codes.

python -m hexdet.runtime.htp_worker GRAPH ARCH FD
"""

from __future__ import annotations

import json
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from .qnn import htp_options, open_session


def serve(model: Path, arch: int, connection: Connection) -> None:
    """Send the outputs' names and shapes as JSON; then answer each picture with their bytes."""
    session = open_session(model, htp_options(arch))
    image = session.get_inputs()[0]
    shapes = {value.name: value.shape for value in session.get_outputs()}
    connection.send_bytes(json.dumps(shapes).encode())
    while True:
        try:
            data = connection.recv_bytes()
        except EOFError:
            return
        pixels = np.frombuffer(data, np.uint8).reshape(image.shape)
        for value in session.run(list(shapes), {image.name: pixels}):
            connection.send_bytes(np.ascontiguousarray(value).tobytes())


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), Connection(int(sys.argv[3])))
