"""The tables of a container v4: field numbers and types, worked out from files of known content.

Model        0 [Graph]
Graph        0 name   1 [Node]   2 [Tensor]
Node         0 name   1 type   2 [input]   3 [output]   4 [Attribute]
Attribute    0 name   1 kind (0 scalar, 1 tensor)   3 Scalar   4 Tensor
Scalar       0 dtype   1 integer   2 float   3 text
Tensor       0 id   1 name   2 location   3 shape   5 Quantization   6 dtype
Quantization 0 form   2 Encoding   3 AxisEncoding
Encoding     0 bitwidth   1 minimum   2 maximum   3 scale   4 offset   5 symmetric
AxisEncoding 0 axis   1 [Encoding]

Parameters       0 [GraphParameters]
GraphParameters  0 name   1 [TensorContent]   2 [NodeParameters], one a node, in order
NodeParameters   0 [TensorContent]
TensorContent    0 name   1 bytes   2 index of a buffer   3 Slice of model.params.bin
Slice            0 offset   1 size
Parameters64     0 [Buffer]   1 a Parameters of its own, as bytes
Buffer           0 bytes, with 64-bit offset and length
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .flat import FlatTable

MODEL_ID = b"NETD"
PARAMETERS_ID = b"NETP"
PARAMETERS64_ID = b"NR64"

UNDEFINED = 0x7FFFFFFF
"""What the file writes where a form of encoding or a dtype is left open."""

KIND_TENSOR = 1
LOCATION_INPUT, LOCATION_OUTPUT, LOCATION_NATIVE, LOCATION_STATIC = 0, 1, 3, 4
_WIDE_BYTES = 8
# The second of each is of fewer bits than the dtype: 4-bit weights, each in a byte of its own.
FORMS_PER_TENSOR = (0, 2)
FORMS_PER_AXIS = (1, 3)


class EncodingTable(FlatTable):
    """A scale, an offset and the range that they cover."""

    @property
    def bitwidth(self) -> int:
        return self.uint32(0)

    @property
    def minimum(self) -> float | None:
        return self.float32(1) if self.has(1) else None

    @property
    def maximum(self) -> float | None:
        return self.float32(2) if self.has(2) else None

    @property
    def scale(self) -> float:
        return self.float32(3)

    @property
    def offset(self) -> int:
        return self.int32(4)


class AxisEncodingTable(FlatTable):
    """One encoding for every index along an axis."""

    @property
    def axis(self) -> int:
        return self.int32(0)

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        return self.table_positions(1)


class QuantizationTable(FlatTable):
    """How the integers of a tensor stand for real numbers."""

    @property
    def form(self) -> int:
        return self.uint32(0)

    @property
    def per_tensor(self) -> EncodingTable | None:
        return self.table(2, EncodingTable)

    @property
    def per_axis(self) -> AxisEncodingTable | None:
        return self.table(3, AxisEncodingTable)


class TensorTable(FlatTable):
    """A tensor without its values."""

    @property
    def name(self) -> str:
        return self.text(1)

    @property
    def location(self) -> int:
        return self.int32(2)

    @property
    def location_position(self) -> int:
        return self.position(2)

    @property
    def shape(self) -> npt.NDArray[np.uint32]:
        return self.array(3, "<u4")

    @property
    def quantization(self) -> QuantizationTable | None:
        return self.table(5, QuantizationTable)

    @property
    def dtype(self) -> int:
        return self.uint32(6, UNDEFINED)


class ScalarTable(FlatTable):
    """A number or a text. Numbers have 64 bits (libQnnIr) or 32, as far as there is room."""

    @property
    def dtype(self) -> int:
        return self.uint32(0)

    @property
    def integer(self) -> int:
        return self.int64(1) if self.room(1) >= _WIDE_BYTES else self.int32(1)

    @property
    def real(self) -> float:
        return self.float64(2) if self.room(2) >= _WIDE_BYTES else self.float32(2)

    @property
    def string(self) -> str | None:
        return self.text(3) if self.has(3) else None


class AttributeTable(FlatTable):
    """A named scalar or tensor of a node."""

    @property
    def name(self) -> str:
        return self.text(0)

    @property
    def kind(self) -> int:
        return self.int32(1)

    @property
    def scalar(self) -> ScalarTable | None:
        return self.table(3, ScalarTable)

    @property
    def tensor(self) -> TensorTable | None:
        return self.table(4, TensorTable)


class NodeTable(FlatTable):
    """An operation."""

    @property
    def name(self) -> str:
        return self.text(0)

    @property
    def type(self) -> str:
        return self.text(1)

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.texts(2)

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.texts(3)

    @property
    def attributes(self) -> tuple[AttributeTable, ...]:
        return self.tables(4, AttributeTable)


class GraphTable(FlatTable):
    """A graph."""

    @property
    def name(self) -> str:
        return self.text(0)

    @property
    def nodes(self) -> tuple[NodeTable, ...]:
        return self.tables(1, NodeTable)

    @property
    def tensors(self) -> tuple[TensorTable, ...]:
        return self.tables(2, TensorTable)


class ModelTable(FlatTable):
    """The root of the entry `model`."""

    @property
    def graphs(self) -> tuple[GraphTable, ...]:
        return self.tables(0, GraphTable)
