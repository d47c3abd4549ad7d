"""A DLC as a table, like the one of snpe-dlc-info: a row a node, then the totals."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from . import cost
from .encodings import describe
from .model import DlcFile, DlcGraph, DlcNode, DlcTensor


@dataclass(frozen=True, kw_only=True)
class InfoRow:
    """One node. encodings: of its outputs and of the stored tensors that it takes, as text.

    Shares are of the totals of all graphs, 0 to 1.
    """

    graph: str
    id: int
    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    output_shapes: tuple[tuple[int, ...], ...]
    output_dtypes: tuple[str, ...]
    encodings: dict[str, str]
    parameters: int
    parameters_share: float
    macs: int
    macs_share: float


@dataclass(frozen=True, kw_only=True)
class DlcInfo:
    """The rows and what the file says as a whole.

    tensors: how many the file describes. operators: how many nodes a type has.
    """

    file: str
    size_bytes: int
    container_version: int
    converter_version: str
    converter_command: str
    rows: tuple[InfoRow, ...]
    tensors: int
    operators: dict[str, int]
    total_parameters: int
    total_macs: int

    def to_json(self) -> str:
        """Return everything as one JSON object."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def to_csv(self) -> str:
        """Return the rows as CSV with a header; lists are joined by spaces, shapes by x."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(InfoRow.__dataclass_fields__)
        writer.writerows(_cells(row) for row in self.rows)
        return text.getvalue()


def tabulate(dlc: DlcFile) -> DlcInfo:
    """Return the table of a DLC, computed from the file alone."""
    nodes = [(graph, index, node) for graph in dlc.graphs for index, node in enumerate(graph.nodes)]
    counts = [(cost.parameters(node, graph), cost.macs(node, graph)) for graph, _, node in nodes]
    total_parameters = sum(count for count, _ in counts)
    total_macs = sum(count for _, count in counts)
    # A tensor that many nodes share is described once: it may have many channels.
    texts = {id(graph): _encodings(graph.tensors.values()) for graph in dlc.graphs}
    rows = tuple(
        _row(graph, index, node, count, (total_parameters, total_macs), texts[id(graph)])
        for (graph, index, node), count in zip(nodes, counts, strict=True)
    )
    return DlcInfo(
        file=dlc.path.name,
        size_bytes=dlc.size_bytes,
        container_version=dlc.container_version,
        converter_version=dlc.converter_version,
        converter_command=dlc.converter_command,
        rows=rows,
        tensors=sum(len(graph.tensors) for graph in dlc.graphs),
        operators=dlc.operators,
        total_parameters=total_parameters,
        total_macs=total_macs,
    )


def _row(
    graph: DlcGraph,
    index: int,
    node: DlcNode,
    count: tuple[int, int],
    total: tuple[int, int],
    texts: dict[str, str],
) -> InfoRow:
    outputs = [graph.tensors[name] for name in node.outputs if name in graph.tensors]
    inputs = [graph.tensors[name] for name in node.inputs if name in graph.tensors]
    stored = [tensor for tensor in inputs if tensor.kind == "static"]
    shown = [tensor.name for tensor in [*outputs, *stored] if tensor.name in texts]
    return InfoRow(
        graph=graph.name,
        id=index,
        name=node.name,
        type=node.type,
        inputs=node.inputs,
        outputs=node.outputs,
        output_shapes=tuple(tensor.shape for tensor in outputs),
        output_dtypes=tuple(tensor.dtype for tensor in outputs),
        encodings={name: texts[name] for name in shown} | _encodings(node.parameters.values()),
        parameters=count[0],
        parameters_share=count[0] / total[0] if total[0] else 0.0,
        macs=count[1],
        macs_share=count[1] / total[1] if total[1] else 0.0,
    )


def _encodings(tensors: Iterable[DlcTensor]) -> dict[str, str]:
    return {tensor.name: describe(tensor) for tensor in tensors if tensor.encoding is not None}


def _cells(row: InfoRow) -> list[str | int | float]:
    return [
        row.graph,
        row.id,
        row.name,
        row.type,
        " ".join(row.inputs),
        " ".join(row.outputs),
        " ".join("x".join(map(str, shape)) for shape in row.output_shapes),
        " ".join(row.output_dtypes),
        "; ".join(f"{name} encoding: {text}" for name, text in row.encodings.items()),
        row.parameters,
        row.parameters_share,
        row.macs,
        row.macs_share,
    ]
