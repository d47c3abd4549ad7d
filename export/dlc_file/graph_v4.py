"""Container v4: graphs as QNN has them, their values in a second file or a third."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .axis_encodings import read_axis_encoding
from .contents_v4 import GraphContents, read_contents
from .dtypes import dtype_bitwidth, dtype_name
from .flat import root
from .limits import MAX_RANK, Ledger
from .model import (
    AttributeValue,
    DlcGraph,
    DlcNode,
    DlcTensor,
    Encoding,
    PerTensorEncoding,
    TensorKind,
    UnreadEncoding,
)
from .schema_v4 import (
    FORMS_PER_AXIS,
    FORMS_PER_TENSOR,
    KIND_TENSOR,
    LOCATION_INPUT,
    LOCATION_NATIVE,
    LOCATION_OUTPUT,
    LOCATION_STATIC,
    MODEL_ID,
    UNDEFINED,
    AttributeTable,
    GraphTable,
    ModelTable,
    NodeTable,
    QuantizationTable,
    ScalarTable,
    TensorTable,
)

_KINDS: dict[int, TensorKind] = {
    LOCATION_INPUT: "input",
    LOCATION_OUTPUT: "output",
    LOCATION_NATIVE: "native",
    LOCATION_STATIC: "static",
}


def read_graphs(
    model: memoryview, parameters: memoryview | None, binary: memoryview | None, ledger: Ledger
) -> tuple[DlcGraph, ...]:
    """Read every graph of the file; model and parameters are without their 8-byte headers.

    Raises ArtifactError.
    """
    contents = read_contents(parameters, binary, ledger)
    tables = root(model, MODEL_ID, ModelTable, ledger).graphs
    reader = _Reader(ledger)
    return tuple(reader.graph(table, contents) for table in tables)


class _Reader:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def graph(self, table: GraphTable, contents: Mapping[str, GraphContents]) -> DlcGraph:
        name = table.name
        stored = contents.get(name, GraphContents())
        nodes = []
        for index, node in enumerate(table.nodes):
            own = stored.nodes[index] if index < len(stored.nodes) else {}
            nodes.append(self.node(node, own))
        tensors: dict[str, DlcTensor] = {}
        for entry in table.tensors:
            tensor = self.tensor(entry, stored.tensors)
            if tensor.name in tensors:
                raise self._ledger.damaged(f"two tensors are named {tensor.name!r}")
            tensors[tensor.name] = tensor
        return DlcGraph(name=name, nodes=tuple(nodes), tensors=tensors)

    def node(self, table: NodeTable, contents: Mapping[str, memoryview]) -> DlcNode:
        return DlcNode(
            name=table.name,
            type=table.type,
            inputs=table.inputs,
            outputs=table.outputs,
            attributes=self.attributes(table.attributes, contents),
        )

    def attributes(
        self, tables: Iterable[AttributeTable], contents: Mapping[str, memoryview]
    ) -> dict[str, AttributeValue]:
        found: dict[str, AttributeValue] = {}
        for table in tables:
            if table.kind == KIND_TENSOR:
                tensor = table.tensor
                if tensor is not None:
                    found[table.name] = self.tensor(tensor, contents)
            else:
                scalar = table.scalar
                if scalar is not None:
                    found[table.name] = self.scalar(scalar)
        return found

    def scalar(self, table: ScalarTable) -> AttributeValue:
        dtype = dtype_name(table.dtype)
        text = table.string
        if text is not None:
            return text
        if dtype.startswith("Float"):
            return table.real
        value = table.integer
        return bool(value) if dtype.startswith("Bool") else value

    def tensor(self, table: TensorTable, contents: Mapping[str, memoryview]) -> DlcTensor:
        name = table.name
        shape = table.shape
        if len(shape) > MAX_RANK:
            raise self._ledger.damaged(f"the tensor {name!r} has {len(shape)} dimensions")
        dtype = dtype_name(table.dtype)
        quantization = table.quantization
        encoding = None if quantization is None else _encoding(quantization)
        return DlcTensor(
            name=name,
            dtype=dtype,
            shape=tuple(int(size) for size in shape),
            kind=_KINDS.get(table.location, "unknown"),
            encoding=encoding,
            bitwidth=getattr(encoding, "bitwidth", 0) or dtype_bitwidth(dtype),
            content=contents.get(name),
        )


def _encoding(table: QuantizationTable) -> Encoding:
    form = table.form
    if form == UNDEFINED:
        return None
    if form in FORMS_PER_TENSOR:
        single = table.per_tensor
        if single is None:
            return None
        return PerTensorEncoding(
            bitwidth=single.bitwidth,
            scale=single.scale,
            offset=single.offset,
            minimum=single.minimum,
            maximum=single.maximum,
        )
    if form in FORMS_PER_AXIS:
        several = table.per_axis
        return None if several is None else read_axis_encoding(several)
    return UnreadEncoding(form=form)
