"""Container v3 (SNPE 1.35 to 1.56): nodes with nested attributes, their weights by node's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np

from .dtypes import code_bitwidth
from .flat import root
from .limits import MAX_DEPTH, MAX_RANK, Ledger
from .model import (
    AttributeValue,
    DlcGraph,
    DlcNode,
    DlcTensor,
    Encoding,
    PerAxisEncoding,
    PerTensorEncoding,
)
from .schema_v3 import (
    DTYPE_BYTE,
    DTYPE_FLOAT,
    KIND_ATTRIBUTES,
    MODEL_ID,
    PARAMETERS_ID,
    AttributeTable,
    ModelTable,
    ParametersTable,
    TensorTable,
)
from .wiring import encoded_bitwidth, wire

Plain: TypeAlias = "bool | int | float | str | tuple[int, ...] | tuple[float, ...]"
Tree: TypeAlias = "dict[str, Tree | Plain]"

# SNPE 1.41 writes one list an output; 1.56 writes the list and the axis that it runs along.
_ENCODINGS_BEFORE_1_5 = "FxpData"
_ENCODINGS = "DataEncoding"
_ENCODING_LIST = "DataEncodingElement"
_SHAPES = "OutputDims"


def read_graphs(
    model: memoryview, parameters: memoryview | None, ledger: Ledger
) -> tuple[DlcGraph, ...]:
    """Read the one graph of the file. Raises ArtifactError."""
    stored = _read_parameters(parameters, ledger)
    nodes: list[DlcNode] = []
    shapes: dict[str, tuple[int, ...]] = {}
    encodings: dict[str, Encoding] = {}
    for table in root(model, MODEL_ID, ModelTable, ledger).nodes:
        tree = _tree(table.attributes, MAX_DEPTH, ledger)
        name, outputs = table.name, table.outputs
        shapes |= zip(outputs, _shapes(tree.get(_SHAPES)), strict=False)
        encodings |= zip(outputs, _encodings(tree), strict=False)
        tree = {k: v for k, v in tree.items() if k not in (_ENCODINGS, _ENCODINGS_BEFORE_1_5)}
        attributes: dict[str, AttributeValue] = {
            **_flatten("", tree, ledger),
            **stored.get(name, {}),
        }
        nodes.append(
            DlcNode(
                name=name,
                type=table.type,
                inputs=table.inputs,
                outputs=outputs,
                attributes=attributes,
            )
        )
    graph = DlcGraph(name="", nodes=tuple(nodes), tensors=wire(nodes, shapes, encodings))
    return (graph,)


def _read_parameters(
    parameters: memoryview | None, ledger: Ledger
) -> dict[str, dict[str, DlcTensor]]:
    """Return the stored tensors by the name of their node and their own."""
    if not parameters:
        return {}
    found: dict[str, dict[str, DlcTensor]] = {}
    for node in root(parameters, PARAMETERS_ID, ParametersTable, ledger).nodes:
        tensors = [_tensor(table, ledger) for table in node.tensors]
        found[node.name] = {tensor.name: tensor for tensor in tensors}
    return found


def _tensor(table: TensorTable, ledger: Ledger) -> DlcTensor:
    name, shape, content = table.name, table.shape, table.content
    if len(shape) > MAX_RANK:
        raise ledger.damaged(f"the tensor {name!r} has {len(shape)} dimensions")
    encodings = _encodings(_tree(table.attributes, MAX_DEPTH, ledger))
    encoding = encodings[0] if encodings else None
    dtype, octets = "Undefined", None
    if content is not None and content.dtype == DTYPE_FLOAT:
        dtype, octets = "Float_32", content.floats
    elif content is not None and content.dtype == DTYPE_BYTE:
        dtype, octets = ("uFxp_8" if encoding else "Uint_8"), content.octets
    ledger.content(0 if octets is None else len(octets))
    return DlcTensor(
        name=name,
        dtype=dtype,
        shape=tuple(shape.tolist()),
        kind="static",
        encoding=encoding,
        bitwidth=encoded_bitwidth(encoding) or (32 if dtype == "Float_32" else 8),
        content=octets,
    )


def _tree(tables: Iterable[AttributeTable], depth: int, ledger: Ledger) -> Tree:
    if depth == 0:
        raise ledger.damaged("its attributes are nested too deeply")
    found: Tree = {}
    for table in tables:
        if table.kind == KIND_ATTRIBUTES:
            found[table.name] = _tree(table.attributes, depth - 1, ledger)
            continue
        value = table.value
        if value is not None:
            found[table.name] = value
    return found


def _flatten(path: str, tree: Tree, ledger: Ledger) -> dict[str, AttributeValue]:
    """Return the values by dotted path, for instance OutputDims.0."""
    found: dict[str, AttributeValue] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            ledger.text(len(path))
            found |= _flatten(f"{path}{name}.", value, ledger)
        else:
            ledger.text(len(path))
            found[path + name] = value
    return found


def _shapes(tree: Tree | Plain | None) -> list[tuple[int, ...]]:
    values = tree.values() if isinstance(tree, dict) else ()
    return [
        tuple(int(size) for size in value) if isinstance(value, tuple) else () for value in values
    ]


def _encodings(tree: Tree) -> list[Encoding]:
    """Return the encodings of a node's outputs, or of a stored tensor, in their order."""
    if _ENCODINGS in tree:
        several = tree[_ENCODINGS]
        outputs = several.values() if isinstance(several, dict) else ()
        return [_listed(output) for output in outputs]
    older = tree.get(_ENCODINGS_BEFORE_1_5)
    return [_single(element) for element in older.values()] if isinstance(older, dict) else []


def _listed(output: Tree | Plain) -> Encoding:
    """Return the encoding that a list holds: one for all, or one for each index of its axis."""
    if not isinstance(output, dict):
        return None
    elements = output.get(_ENCODING_LIST)
    several = [_single(item) for item in elements.values()] if isinstance(elements, dict) else []
    read = [item for item in several if item is not None]
    axis = output.get("axis")
    if not read:
        return None
    if len(read) == 1 and (not isinstance(axis, int) or axis < 0):
        return read[0]
    return PerAxisEncoding(
        bitwidth=read[0].bitwidth,
        axis=axis if isinstance(axis, int) else -1,
        scales=np.array([item.scale for item in read], np.float32),
        offsets=np.array([item.offset for item in read], np.int32),
    )


def _single(element: Tree | Plain) -> PerTensorEncoding | None:
    if not isinstance(element, dict):
        return None
    return PerTensorEncoding(
        bitwidth=code_bitwidth(int(_number(element, "precision"))),
        scale=_number(element, "delta"),
        offset=_whole(_number(element, "offset")),
        minimum=_number(element, "min"),
        maximum=_number(element, "max"),
    )


def _number(element: Mapping[str, Tree | Plain], name: str) -> float:
    value = element.get(name)
    return value if isinstance(value, int | float) else 0.0


def _whole(value: float) -> int:
    """Return an offset, which the file writes as a float, as the integer it is."""
    return int(value) if abs(value) <= 1 << 31 else 0
