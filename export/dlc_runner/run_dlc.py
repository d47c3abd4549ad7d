"""One DLC, loaded, compiled for a chip and executed on the HTP, in the calling process."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ArtifactError, NotRunError, ToolError
from ...runtime.backend import Closing
from ...runtime.qnn import FINALIZATION_MODE
from ...runtime.targets import Target
from .qnn_api import (
    DEVICE_SOC,
    GRAPH_INFO_VERSION,
    GRAPH_OPTIMIZATION,
    LOG_ERRORS,
    MEMORY_RAW,
    OPTIMIZATION_FINALIZE,
    TENSOR_VERSION,
    UFIXED_POINT_8,
    DeviceSetting,
    GraphInfo,
    GraphSetting,
    QnnApi,
    Tensor,
    null_terminated,
)


class DlcNetwork(Closing):
    """A DLC whose one graph reads one 8-bit picture; use it as a context.

    input_shape: NHWC. output_shapes: NHWC by name, in the DLC's order.
    """

    def __init__(self, api: QnnApi, path: Path, target: Target) -> None:
        self._api = api
        with ExitStack() as held:
            # The context goes first of all when this is undone: its graph may still read weights
            # out of the DLC, and it runs on the device.
            log = held.enter_context(api.handle("logCreate", "logFree", None, LOG_ERRORS))
            backend = held.enter_context(api.handle("backendCreate", "backendFree", log, None))
            setting = DeviceSetting(option=DEVICE_SOC)
            setting.value.soc_model = target.soc_model
            device = held.enter_context(
                api.handle("deviceCreate", "deviceFree", log, null_terminated(setting))
            )
            try:
                dlc = held.enter_context(
                    api.handle("dlcCreateFromFile", "dlcFree", None, str(path).encode())
                )
            except ToolError as error:
                raise ArtifactError(f"{path.name} is damaged or no DLC: {error}") from error
            context = held.enter_context(
                api.handle("contextCreate", "contextFree", backend, device, None, rest=(None,))
            )
            info = self._compose(path, dlc, backend, context)
            self._graph = api.create("graphRetrieve", context, info.name)
            optimization = GraphSetting(
                option=GRAPH_OPTIMIZATION, kind=OPTIMIZATION_FINALIZE, value=FINALIZATION_MODE
            )
            api.call("graphSetConfig", self._graph, null_terminated(optimization))
            api.call("graphFinalize", self._graph, None, None)
            inputs, self._input_tensors, self._buffers = _tensors(
                info.inputs, info.input_count, path
            )
            outputs, self._output_tensors, self._codes = _tensors(
                info.outputs, info.output_count, path
            )
            if len(inputs) != 1:
                raise ArtifactError(f"{path.name} has {len(inputs)} inputs instead of one")
            self.input_shape = next(iter(inputs.values()))
            self.output_shapes: Mapping[str, tuple[int, ...]] = outputs
            self._held = held.pop_all()

    def run(self, pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
        """Return the outputs' codes, uint8 NHWC, in the order of `output_shapes`.

        pixels: uint8 of `input_shape`. The arrays are overwritten by the next call.
        """
        self._buffers[0][...] = pixels
        self._api.call(
            "graphExecute",
            self._graph,
            self._input_tensors,
            len(self._input_tensors),
            self._output_tensors,
            len(self._output_tensors),
            None,
            None,
        )
        return self._codes

    def close(self) -> None:
        """Free everything that QNN holds."""
        self._held.close()

    def _compose(
        self, path: Path, dlc: ctypes.c_void_p, backend: ctypes.c_void_p, context: ctypes.c_void_p
    ) -> GraphInfo:
        # What `graphs` points at is ours to free, but no header says how deep: it stays until the
        # process ends, and with it the names and shapes that the tensors point at.
        graphs, count = ctypes.POINTER(GraphInfo)(), ctypes.c_uint32()
        self._api.call(
            "dlcComposeGraphs",
            dlc,
            None,
            0,
            backend,
            context,
            self._api.interface,
            GRAPH_INFO_VERSION,
            ctypes.byref(graphs),
            ctypes.byref(count),
        )
        if count.value != 1 or graphs[0].version != GRAPH_INFO_VERSION:
            raise ArtifactError(f"{path.name} holds {count.value} graphs instead of one")
        info: GraphInfo = graphs[0]
        return info


def _tensors(
    described: Any, count: int, path: Path
) -> tuple[dict[str, tuple[int, ...]], Any, list[npt.NDArray[np.uint8]]]:
    """Return shapes by name, QNN's tensors for an execution, and the arrays behind them."""
    shapes: dict[str, tuple[int, ...]] = {}
    tensors = (Tensor * count)()
    arrays: list[npt.NDArray[np.uint8]] = []
    for index, tensor in enumerate(tensors):
        ctypes.memmove(ctypes.byref(tensor), ctypes.byref(described[index]), ctypes.sizeof(Tensor))
        if tensor.version != TENSOR_VERSION:
            raise NotRunError(f"not run: unknown version {tensor.version} of a QNN tensor")
        name = tensor.name.decode()
        if tensor.dtype != UFIXED_POINT_8:
            raise ArtifactError(
                f"{path.name}: {name} is not of 8-bit codes (QNN type {tensor.dtype:#06x})"
            )
        shapes[name] = tuple(tensor.dimensions[: tensor.rank])
        array = np.zeros(shapes[name], np.uint8)
        tensor.memory = MEMORY_RAW
        tensor.data = array.ctypes.data
        tensor.size = array.nbytes
        arrays.append(array)
    return shapes, tensors, arrays
