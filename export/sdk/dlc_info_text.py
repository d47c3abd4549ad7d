"""The printout of snpe-dlc-info and qairt-dlc-info, of 1.x and 2.x, as typed values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ToolError

OPS = ("Id", "Name", "Type", "Inputs", "Outputs", "Out Dims", "Runtimes", "Parameters")
_GRAPH = re.compile(r"Info of graph:\s*(.+)")
_TENSOR = re.compile(
    r"(?P<name>\S+) \(data type: (?P<dtype>\w+); tensor dimension: \[(?P<dims>[\d,\s]*)\]; "
    r"tensor type: (?P<kind>\w+)\)"
)
_ENCODING = re.compile(
    r"(?:weight |(?P<name>\S+) )?encoding\s*:\s*bitwidth (?P<bits>\d+), min (?P<min>\S+), "
    r"max (?P<max>\S+), (?:scale|delta) (?P<scale>\S+), offset (?P<offset>\S+)"
)
_COUNT = re.compile(r"(\d+)([kMG]?)\b")
_TIMES = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}


@dataclass(frozen=True, kw_only=True)
class PrintedEncoding:
    """An encoding as printed; the offset is the negated zero point. tensor: empty in old ones."""

    tensor: str
    bitwidth: int
    minimum: float
    maximum: float
    scale: float
    offset: int


@dataclass(frozen=True, kw_only=True)
class PrintedTensor:
    """A tensor in a cell of 2.x: dtype such as uFxp_8; kind APP_WRITE is an input, APP_READ an
    output, NATIVE between, STATIC stored."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True, kw_only=True)
class PrintedOp:
    """A row of the table with its continuation rows. tensors: of 2.x; in 1.x only names are.

    parameters: the last column, by key, such as `param count`.
    """

    id: int
    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shape: tuple[int, ...]
    runtimes: str
    parameters: dict[str, str]
    tensors: tuple[PrintedTensor, ...]
    encodings: tuple[PrintedEncoding, ...]


@dataclass(frozen=True, kw_only=True)
class PrintedPort:
    """A row of the tables of inputs and outputs behind the ops of 2.x."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    encoding: PrintedEncoding | None


@dataclass(frozen=True, kw_only=True)
class PrintedInfo:
    """What the tool says of a DLC; a total that it does not print is None.

    graphs: names, where they are printed. memory_mib: its own estimate, which is no measurement.
    """

    graphs: tuple[str, ...]
    ops: tuple[PrintedOp, ...]
    inputs: tuple[PrintedPort, ...]
    outputs: tuple[PrintedPort, ...]
    total_parameters: int | None
    total_macs: int | None
    memory_mib: float | None
    converter_command: str
    quantizer_command: str
    converter_version: str


def read_dlc_info(text: str) -> PrintedInfo:
    """Read what snpe-dlc-info printed; ToolError where there is no table of operations in it."""
    ops: list[list[list[str]]] = []
    ports: dict[str, list[list[str]]] = {"Input Name": [], "Output Name": []}
    table = ""
    for line in text.splitlines():
        cells = _cells(line)
        if not cells:
            continue
        if cells[0] == "Id" or cells[0].endswith("Name"):
            table = cells[0]
        elif table == "Id" and len(cells) >= len(OPS):
            if cells[0]:
                ops.append([])
            if ops:
                ops[-1].append(cells)
        elif table in ports:
            ports[table].append(cells)
    if not ops:
        shown = " | ".join(line.strip() for line in text.splitlines() if line.strip())[-300:]
        raise ToolError(f"snpe-dlc-info printed no table: {shown or '(it printed nothing)'}")
    return PrintedInfo(
        graphs=tuple(found.strip() for found in _GRAPH.findall(text)),
        ops=tuple(_op(rows) for rows in ops),
        inputs=tuple(_port(row) for row in ports["Input Name"]),
        outputs=tuple(_port(row) for row in ports["Output Name"]),
        total_parameters=_total(text, "Total parameters:"),
        total_macs=_total(text, "Total MACs per inference:"),
        memory_mib=_memory(text),
        converter_command=_after(text, "Converter command:"),
        quantizer_command=_after(text, "Quantizer command:"),
        converter_version=_after(text, "DLC created with converter version:"),
    )


def _cells(line: str) -> list[str]:
    line = line.strip()
    if not (line.startswith("|") and line.endswith("|")):
        return []
    return [cell.strip() for cell in line.strip("|").split("|")]


def _op(rows: Sequence[Sequence[str]]) -> PrintedOp:
    first, last = rows[0], [row[7] for row in rows if len(row) > 7]
    column = [" ".join(filter(None, (row[i] for row in rows))) for i in range(7)]
    pairs = (text.partition(":") for text in last if ":" in text)
    return PrintedOp(
        id=int(first[0]),
        name=first[1],
        type=first[2],
        inputs=_names(column[3]),
        outputs=_names(column[4]),
        shape=_shape(first[5]),
        runtimes=first[6],
        parameters={key.strip(): value.strip() for key, _, value in pairs},
        tensors=tuple(_tensors(f"{column[3]} {column[4]}")),
        encodings=tuple(_encodings(" ".join(last))),
    )


def _names(cell: str) -> tuple[str, ...]:
    found = [match["name"] for match in _TENSOR.finditer(cell)]
    return tuple(found or (name.strip() for name in cell.split(",") if name.strip()))


def _tensors(text: str) -> list[PrintedTensor]:
    return [
        PrintedTensor(
            name=found["name"],
            dtype=found["dtype"],
            shape=_shape(found["dims"]),
            kind=found["kind"],
        )
        for found in _TENSOR.finditer(text)
    ]


def _encodings(text: str) -> list[PrintedEncoding]:
    return [
        PrintedEncoding(
            tensor=found["name"] or "",
            bitwidth=int(found["bits"]),
            minimum=float(found["min"]),
            maximum=float(found["max"]),
            scale=float(found["scale"]),
            offset=int(float(found["offset"])),
        )
        for found in _ENCODING.finditer(text)
    ]


def _port(row: Sequence[str]) -> PrintedPort:
    row = [*row, "", "", "", ""]
    encodings = _encodings(row[3])
    return PrintedPort(
        name=row[0],
        shape=_shape(row[1]),
        dtype=row[2],
        encoding=encodings[0] if encodings else None,
    )


def _shape(text: str) -> tuple[int, ...]:
    """Return dimensions that are written 1x2x3 (1.x) or 1,2,3 (2.x)."""
    return tuple(int(size) for size in re.findall(r"\d+", text))


def _total(text: str, label: str) -> int | None:
    found = _COUNT.match(_after(text, label))
    return int(found[1]) * _TIMES[found[2]] if found else None


def _memory(text: str) -> float | None:
    # Some releases leave out the words `Est. Steady-State` before it.
    found = re.search(r"Memory Needed to Run:\s*([\d.]+)", text)
    return float(found[1]) if found else None


def _after(text: str, label: str) -> str:
    """Return the rest of the line behind a label; nothing where it is absent or N/A."""
    found = re.search(rf"{re.escape(label)}[ \t]*(.*)", text)
    value = found[1].strip() if found else ""
    return "" if value == "N/A" else value
