"""What a DLC says, as plain values that are the same for every version of the container."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ...errors import ArtifactError
from .container import DlcEntry
from .dtypes import numpy_dtype

TensorKind: TypeAlias = Literal["input", "output", "native", "static", "unknown"]
AttributeValue: TypeAlias = (
    "bool | int | float | str | tuple[int, ...] | tuple[float, ...] | DlcTensor"
)


@dataclass(frozen=True, kw_only=True)
class PerTensorEncoding:
    """One scale and offset for a whole tensor: real = scale * (stored + offset).

    The offset is the negated zero point. minimum and maximum are None where the file has none.
    """

    bitwidth: int
    scale: float
    offset: int
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PerAxisEncoding:
    """A scale and an offset for every index along an axis of a tensor.

    scales: float32 (channels,); offsets: int32 (channels,), the negated zero points.
    """

    bitwidth: int
    axis: int
    scales: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class UnreadEncoding:
    """An encoding of a form that no sample file shows, by the number the file gives it."""

    form: int


Encoding: TypeAlias = PerTensorEncoding | PerAxisEncoding | UnreadEncoding | None


@dataclass(frozen=True, kw_only=True, eq=False)
class DlcTensor:
    """A tensor: dtype by its name in snpe-dlc-info (Float_32, uFxp_8, ...), shape as stored.

    kind says whether it is an input or an output of the graph, passed between nodes (native), or
    stored in the file (static). bitwidth is that of the encoding or, without one, of the dtype.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    kind: TensorKind
    encoding: Encoding = None
    bitwidth: int = 0
    content: memoryview | None = field(default=None, repr=False)

    @property
    def element_count(self) -> int:
        """Return the product of the shape; 1 for a scalar."""
        return prod(self.shape)

    @property
    def has_data(self) -> bool:
        """Return whether the file stores the values of the tensor."""
        return self.content is not None

    @cached_property
    def data(self) -> npt.NDArray[Any]:
        """Return the stored values, in the tensor's shape, as a read-only view of the file.

        Fixed-point values are the stored integers; signed ones of fewer bits than their dtype
        (4-bit weights, each in the lower half of a byte) are a copy with the sign extended.
        Raises ArtifactError where there are none, or where their bytes do not fit the shape.
        """
        dtype = numpy_dtype(self.dtype)
        if self.content is None or dtype is None:
            raise ArtifactError(f"the DLC stores no values of the tensor {self.name!r}")
        if len(self.content) != self.element_count * dtype.itemsize:
            raise ArtifactError(
                f"the DLC stores {len(self.content)} bytes of the tensor {self.name!r}, which do "
                f"not fit its shape {self.shape} of {self.dtype}"
            )
        try:
            values = np.frombuffer(self.content, dtype).reshape(self.shape)
        except ValueError as error:
            raise ArtifactError(f"the tensor {self.name!r} cannot exist: {error}") from None
        spare = 8 * dtype.itemsize - self.bitwidth
        if dtype.kind == "i" and self.encoding is not None and 0 < spare < 8 * dtype.itemsize:
            values = values << spare >> spare
        return values

    def dequantized(self) -> npt.NDArray[np.float32]:
        """Return the stored values as real numbers, float32 in the tensor's shape.

        A scale that overflows float32 gives infinities. Raises ArtifactError as `data` does.
        """
        with np.errstate(all="ignore"):
            return self._dequantize(self.data)

    def _dequantize(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        match self.encoding:
            case None:
                return values.astype(np.float32)
            case PerTensorEncoding(scale=scale, offset=offset):
                return ((values.astype(np.float64) + offset) * scale).astype(np.float32)
            case PerAxisEncoding(axis=axis, scales=scales, offsets=offsets):
                if not 0 <= axis < values.ndim or values.shape[axis] != len(scales):
                    raise ArtifactError(f"the encodings of {self.name!r} do not fit its shape")
                along = tuple(-1 if index == axis else 1 for index in range(values.ndim))
                steps = values.astype(np.float64) + offsets.reshape(along)
                return (steps * scales.astype(np.float64).reshape(along)).astype(np.float32)
            case UnreadEncoding(form=form):
                raise ArtifactError(f"{self.name!r} has an encoding of the unknown form {form}")


@dataclass(frozen=True, kw_only=True, eq=False)
class DlcNode:
    """An operation: inputs and outputs are names of tensors, attributes are by name.

    An attribute is a number, a text, a tuple of them, or a tensor that belongs to the node alone.
    In containers v2 and v3 that is also where the weights are, as static tensors.
    """

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]

    @property
    def parameters(self) -> Mapping[str, DlcTensor]:
        """Return the attributes that are tensors."""
        return {k: v for k, v in self.attributes.items() if isinstance(v, DlcTensor)}

    def value(self, name: str) -> Any:
        """Return an attribute as plain Python data, a tensor as its list; None where absent."""
        found = self.attributes.get(name)
        return found.data.tolist() if isinstance(found, DlcTensor) else found


@dataclass(frozen=True, kw_only=True, eq=False)
class DlcGraph:
    """Nodes in the order of execution and every tensor that they share, by name."""

    name: str
    nodes: tuple[DlcNode, ...]
    tensors: Mapping[str, DlcTensor]

    @property
    def inputs(self) -> tuple[DlcTensor, ...]:
        """Return the tensors that the caller gives."""
        return tuple(tensor for tensor in self.tensors.values() if tensor.kind == "input")

    @property
    def outputs(self) -> tuple[DlcTensor, ...]:
        """Return the tensors that the caller gets."""
        return tuple(tensor for tensor in self.tensors.values() if tensor.kind == "output")

    @property
    def operators(self) -> dict[str, int]:
        """Return how many nodes of each type there are, the most frequent first."""
        return _count_types(self.nodes)


@dataclass(frozen=True, kw_only=True, eq=False)
class DlcFile:
    """A DLC: container_version is 2, 3 or 4; metadata are its texts by (dotted) key."""

    path: Path
    container_version: int
    size_bytes: int
    entries: tuple[DlcEntry, ...]
    metadata: Mapping[str, str]
    converter_version: str
    converter_command: str
    graphs: tuple[DlcGraph, ...]

    @property
    def model(self) -> DlcGraph:
        """Return the only graph, or the first of several."""
        if not self.graphs:
            raise ArtifactError(f"{self.path} holds no graph")
        return self.graphs[0]

    @property
    def operators(self) -> dict[str, int]:
        """Return how many nodes of each type all graphs hold, the most frequent first."""
        return _count_types(node for graph in self.graphs for node in graph.nodes)


def _count_types(nodes: Iterable[DlcNode]) -> dict[str, int]:
    counts = Counter(node.type for node in nodes)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
