"""Container v4: which bytes of the file are the values of which tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .flat import root
from .limits import Ledger
from .schema_v4 import PARAMETERS64_ID, PARAMETERS_ID
from .schema_v4_parameters import Parameters64Table, ParametersTable, TensorContentTable


@dataclass(frozen=True, kw_only=True)
class GraphContents:
    """The stored bytes of a graph's tensors by name, and of each node's own, in their order."""

    tensors: Mapping[str, memoryview] = field(default_factory=dict)
    nodes: tuple[Mapping[str, memoryview], ...] = ()


def read_contents(
    parameters: memoryview | None, binary: memoryview | None, ledger: Ledger
) -> dict[str, GraphContents]:
    """Return the stored bytes by the graph's name. Nothing is copied. Raises ArtifactError."""
    if parameters is None or len(parameters) == 0:
        return {}
    if bytes(parameters[4:8]) == PARAMETERS64_ID:
        outer = root(parameters, PARAMETERS64_ID, Parameters64Table, ledger)
        buffers = tuple(buffer.content for buffer in outer.buffers)
        inner = outer.parameters
        if inner is None:
            return {}
        table = root(inner, PARAMETERS_ID, ParametersTable, ledger)
    else:
        buffers = ()
        table = root(parameters, PARAMETERS_ID, ParametersTable, ledger)
    finder = _Finder(buffers, binary, ledger)
    return {
        graph.name: GraphContents(
            tensors=finder.by_name(graph.contents),
            nodes=tuple(finder.by_name(node.contents) for node in graph.nodes),
        )
        for graph in table.graphs
    }


class _Finder:
    def __init__(
        self, buffers: tuple[memoryview | None, ...], binary: memoryview | None, ledger: Ledger
    ) -> None:
        self._buffers = buffers
        self._binary = binary
        self._ledger = ledger

    def by_name(self, tables: Iterable[TensorContentTable]) -> dict[str, memoryview]:
        found: dict[str, memoryview] = {}
        for table in tables:
            content = self._find(table)
            if content is not None:
                self._ledger.content(len(content))
                found[table.name] = content
        return found

    def _find(self, table: TensorContentTable) -> memoryview | None:
        place = table.slice
        if place is not None and self._binary is not None:
            offset, size = place.offset, place.size
            if offset + size > len(self._binary):
                raise self._ledger.damaged(f"the values of {table.name!r} lie outside the file")
            return self._binary[offset : offset + size]
        inline = table.inline
        if inline is not None:
            return inline
        if self._buffers:
            index = table.buffer_index
            if index >= len(self._buffers):
                raise self._ledger.damaged(f"the buffer of {table.name!r} does not exist")
            return self._buffers[index]
        return None
