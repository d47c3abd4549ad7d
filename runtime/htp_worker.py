"""The emulator's process: opens a graph on the HTP, then answers pictures with codes.

python -m hexdet.runtime.htp_worker GRAPH CHIP FD
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import HexdetError, NotRunError
from .qnn import htp_options, open_session
from .signature import Signature, session_signature
from .targets import find_target

Run = Callable[[npt.NDArray[np.uint8]], Iterable[npt.NDArray[Any]]]


def answer(
    connection: Connection,
    image: Sequence[int],
    outputs: Mapping[str, Sequence[int]],
    run: Run,
    signature: Signature | None = None,
) -> None:
    """Send what the graph reads and gives as JSON; then answer each picture with the outputs.

    image: shape of the input. run: returns the outputs in the order of `outputs`. signature: the
    same with element types, where they are known. Returns when the other end is closed.
    """
    opening = {
        "image": list(image),
        "outputs": {name: list(shape) for name, shape in outputs.items()},
        "signature": None if signature is None else dataclasses.asdict(signature),
    }
    connection.send_bytes(json.dumps(opening).encode())
    with suppress(EOFError):
        while True:
            pixels = np.frombuffer(connection.recv_bytes(), np.uint8).reshape(image)
            for value in run(pixels):
                connection.send_bytes(np.ascontiguousarray(value).tobytes())


def refuse(connection: Connection, error: HexdetError) -> None:
    """Send, instead of the outputs' names, why there will be no answers."""
    connection.send_bytes(
        json.dumps({"error": str(error), "not_run": isinstance(error, NotRunError)}).encode()
    )


def _serve(model: Path, chip: str, connection: Connection) -> None:
    try:
        session = open_session(model, htp_options(find_target(chip)))
    except ImportError:
        refuse(connection, NotRunError("the htp backend needs `pip install onnxruntime-qnn`"))
        return
    except HexdetError as error:
        refuse(connection, error)
        return
    image = session.get_inputs()[0]
    outputs = {value.name: value.shape for value in session.get_outputs()}
    names = list(outputs)
    answer(
        connection,
        image.shape,
        outputs,
        lambda pixels: session.run(names, {image.name: pixels}),
        session_signature(session),
    )


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2], Connection(int(sys.argv[3])))
