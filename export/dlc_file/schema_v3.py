"""The tables of a container v3: field numbers and types, worked out from SNPE 1.41 to 1.56 files.

Model           1 [Node]   4 [Attribute]
Node            0 id   1 name   2 type   3 [input]   4 [output]   5 [Attribute]
Attribute       0 name   1 kind   and the value, in the field after the one that the kind counts:
                kind 1 flag   2 integer   3 unsigned   4 float   5 text
                7 [integer]   8 [unsigned]   9 [float]   11 [Attribute]
Parameters      0 [NodeParameters]
NodeParameters  0 name of the node   1 [Tensor]
Tensor          0 name   1 shape   2 Content   3 [Attribute]
Content         0 dtype (6 byte, 9 float)   1 bytes   2 floats
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .flat import FlatTable

MODEL_ID = b"NETD"
PARAMETERS_ID = b"NETP"

KIND_FLAG, KIND_INTEGER, KIND_UNSIGNED, KIND_FLOAT, KIND_TEXT = 1, 2, 3, 4, 5
KIND_INTEGERS, KIND_UNSIGNEDS, KIND_FLOATS, KIND_ATTRIBUTES = 7, 8, 9, 11
DTYPE_BYTE, DTYPE_FLOAT = 6, 9


class AttributeTable(FlatTable):
    """A named value, or a named list of further attributes."""

    @property
    def name(self) -> str:
        return self.text(0)

    @property
    def kind(self) -> int:
        return self.uint8(1)

    @property
    def attributes(self) -> tuple[AttributeTable, ...]:
        return self.tables(KIND_ATTRIBUTES + 1, AttributeTable)

    @property
    def value(self) -> bool | int | float | str | tuple[int, ...] | tuple[float, ...] | None:
        """Return a value that is not a list of attributes; None for a kind no sample shows."""
        kind = self.kind
        field = kind + 1
        match kind:
            case _ if kind == KIND_FLAG:
                return bool(self.uint8(field))
            case _ if kind == KIND_INTEGER:
                return self.int32(field)
            case _ if kind == KIND_UNSIGNED:
                return self.uint32(field)
            case _ if kind == KIND_FLOAT:
                return self.float32(field)
            case _ if kind == KIND_TEXT:
                return self.text(field)
        dtype = {KIND_INTEGERS: "<i4", KIND_UNSIGNEDS: "<u4", KIND_FLOATS: "<f4"}.get(kind)
        if dtype is None:
            return None
        values = self.array(field, dtype)
        self.ledger.step(len(values))
        return tuple(values.tolist())


class NodeTable(FlatTable):
    """An operation."""

    @property
    def name(self) -> str:
        return self.text(1)

    @property
    def type(self) -> str:
        return self.text(2)

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.texts(3)

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.texts(4)

    @property
    def attributes(self) -> tuple[AttributeTable, ...]:
        return self.tables(5, AttributeTable)


class ModelTable(FlatTable):
    """The root of the entry `model`."""

    @property
    def nodes(self) -> tuple[NodeTable, ...]:
        return self.tables(1, NodeTable)

    @property
    def attributes(self) -> tuple[AttributeTable, ...]:
        return self.tables(4, AttributeTable)


class ContentTable(FlatTable):
    """The values of a stored tensor."""

    @property
    def dtype(self) -> int:
        return self.uint8(0)

    @property
    def octets(self) -> memoryview | None:
        return self.raw(1)

    @property
    def floats(self) -> memoryview | None:
        return self.raw(2, 4)


class TensorTable(FlatTable):
    """A stored tensor of a node."""

    @property
    def name(self) -> str:
        return self.text(0)

    @property
    def shape(self) -> npt.NDArray[np.uint32]:
        return self.array(1, "<u4")

    @property
    def content(self) -> ContentTable | None:
        return self.table(2, ContentTable)

    @property
    def attributes(self) -> tuple[AttributeTable, ...]:
        return self.tables(3, AttributeTable)


class NodeParametersTable(FlatTable):
    """The stored tensors of one node."""

    @property
    def name(self) -> str:
        return self.text(0)

    @property
    def tensors(self) -> tuple[TensorTable, ...]:
        return self.tables(1, TensorTable)


class ParametersTable(FlatTable):
    """The root of the entry `model.params`."""

    @property
    def nodes(self) -> tuple[NodeParametersTable, ...]:
        return self.tables(0, NodeParametersTable)
