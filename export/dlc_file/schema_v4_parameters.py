"""The tables of a container v4 that say where the values of its tensors are (see schema_v4)."""

from __future__ import annotations

from .flat import FlatTable


class SliceTable(FlatTable):
    """A stretch of the entry model.params.bin."""

    @property
    def offset(self) -> int:
        return self.uint64(0)

    @property
    def size(self) -> int:
        return self.uint64(1)


class TensorContentTable(FlatTable):
    """Where the values of one tensor are: here, in a buffer of Parameters64, or in the .bin."""

    @property
    def name(self) -> str:
        return self.text(0)

    @property
    def inline(self) -> memoryview | None:
        return self.raw(1)

    @property
    def buffer_index(self) -> int:
        return self.uint64(2)

    @property
    def slice(self) -> SliceTable | None:
        return self.table(3, SliceTable)


class NodeParametersTable(FlatTable):
    """The values of the tensors that are attributes of one node."""

    @property
    def contents(self) -> tuple[TensorContentTable, ...]:
        return self.tables(0, TensorContentTable)


class GraphParametersTable(FlatTable):
    """The values of one graph's tensors, and of its nodes'."""

    @property
    def name(self) -> str:
        return self.text(0)

    @property
    def contents(self) -> tuple[TensorContentTable, ...]:
        return self.tables(1, TensorContentTable)

    @property
    def nodes(self) -> tuple[NodeParametersTable, ...]:
        return self.tables(2, NodeParametersTable)


class ParametersTable(FlatTable):
    """The root of the entry `model.params`."""

    @property
    def graphs(self) -> tuple[GraphParametersTable, ...]:
        return self.tables(0, GraphParametersTable)


class BufferTable(FlatTable):
    """The bytes of one tensor, addressed with 64 bits."""

    @property
    def content(self) -> memoryview | None:
        return self.raw64(0)


class Parameters64Table(FlatTable):
    """The root of a `model.params` with 64-bit buffers."""

    @property
    def buffers(self) -> tuple[BufferTable, ...]:
        return self.tables(0, BufferTable)

    @property
    def parameters(self) -> memoryview | None:
        return self.raw(1)
