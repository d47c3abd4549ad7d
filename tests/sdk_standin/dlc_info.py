"""snpe-dlc-info in both shapes, qairt-dlc-info, snpe-dlc-diff and snpe-dlc-viewer."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hexdet.errors import HexdetError
from hexdet.export.dlc_file import (
    DlcFile,
    DlcNode,
    DlcTensor,
    PerAxisEncoding,
    PerTensorEncoding,
    compare,
    read_dlc,
    tabulate,
)
from hexdet.export.dlc_file.encodings import covered_range
from hexdet.export.dlc_file.info import DlcInfo, InfoRow
from hexdet.runtime.files import write_text
from sdk_standin.dlc_writing import load_source
from sdk_standin.running import Job, ToolError

HEADERS = ("Id", "Name", "Type", "Inputs", "Outputs", "Out Dims", "Runtimes", "Parameters")
END_HEADERS = ("Dimensions", "Type", "Encoding Info")
TYPES_1X = {
    "Conv2d": "convolutional", "DepthWiseConv2d": "convolutional", "Neuron": "neuron",
    "ElementWiseNeuron": "neuron", "Relu": "neuron", "ReluMinMax": "neuron",
    "Transpose": "permute", "PoolMax2d": "pooling", "PoolAvg2d": "pooling", "Softmax": "softmax",
    "FullyConnected": "fully_connected", "Concat": "concatenation", "Reshape": "reshape",
}  # fmt: skip
BYTES_PER_ELEMENT = 14
"""Of the memory estimate: Qualcomm's formula is not public (facts 5.3), this is its size."""


def run(job: Job) -> None:
    """Print."""
    try:
        if job.tool == "snpe-dlc-diff":
            one, two = (Path(job.arguments.one(flag)) for flag in ("-i1", "-i2"))
            print("\n".join(str(d) for d in compare(read_dlc(one), read_dlc(two)).differences))
            return
        path = Path(job.arguments.any_of("--input_dlc", "-i"))
        dlc = read_dlc(path)
        info = tabulate(dlc)
    except HexdetError as error:
        raise ToolError(f"[ERROR] {error}") from None
    if job.tool == "snpe-dlc-viewer":
        saved = job.arguments.one("-s") or f"{path}.html"
        write_text(Path(saved), "<!doctype html><title>stand-in</title><p>no viewer\n")
        return
    if job.version.is_1x:
        head, rows, ends = f"DLC info for: {path.absolute()}", _rows_1x(dlc, info), []
    else:
        head = f"DLC info for: {path.absolute()}"
        shown = _Encodings(
            word="scale" if job.version.key >= (2, 25) else "delta", whole=job.arguments.has("-d")
        )
        rows, ends = _rows_2x(dlc, info, shown), _ends(dlc, shown)
    print("\n".join(_text(job, head, rows, ends, dlc, info)))
    if job.arguments.has("--save"):
        write_text(Path(job.arguments.one("--save")), _csv(rows, ends, _footer(job, dlc, info)))


@dataclass(frozen=True, kw_only=True)
class _Encodings:
    """How encodings are printed: `delta` in older builds; whole with all channels (-d)."""

    word: str
    whole: bool

    def text(self, tensor: DlcTensor) -> str:
        match tensor.encoding:
            case PerTensorEncoding() as one:
                low, high = covered_range(tensor) or (0.0, 0.0)
                return (
                    f"bitwidth {one.bitwidth}, min {low:.12f}, max {high:.12f}, "
                    f"{self.word} {one.scale:.12f}, offset {one.offset:.12f}"
                )
            case PerAxisEncoding() as many:
                channels = ""
                if self.whole:
                    pairs = zip(many.scales, many.offsets, strict=True)
                    channels = "; ".join(
                        f"bitwidth {many.bitwidth}, {self.word} {scale:.12f}, offset {offset:.12f}"
                        for scale, offset in pairs
                    )
                return f"axis: {many.axis}, num_elements: {len(many.scales)} {channels}".rstrip()
            case _:
                return "No encoding info for this tensor"


Row = list[list[str]]
"""A row of the table: lines by column."""
Table = tuple[Sequence[str], list[Row]]


def _text(
    job: Job, head: str, rows: list[Row], ends: list[Table], dlc: DlcFile, info: DlcInfo
) -> list[str]:
    lines = [head, "Model Version: N/A", "Model Copyright:N/A"]
    if job.version.key >= (2, 48):
        lines.insert(1, f"Info of graph: {dlc.model.name}")
    table = _table(HEADERS, rows)
    lines += table
    for headers, found in ends:
        lines += _table(headers, found)
    if job.version.is_1x:
        lines.append(
            "Note: The supported runtimes column assumes a processor target of Snapdragon 835"
        )
        lines += ["Key : A:AIP", "      D:DSP", "      G:GPU", "      C:CPU"]
    lines += _footer(job, dlc, info)
    _, record = load_source(dlc.path)
    lines += [f"Cache record: {name}" for name in record.caches]
    return [*lines, "-" * len(table[0])]


def _table(headers: Sequence[str], rows: list[Row]) -> list[str]:
    cells = [[[header] for header in headers], *rows]
    widths = [max(len(line) for row in cells for line in row[i]) for i in range(len(headers))]
    rule = "-" * (sum(widths) + 3 * len(widths) + 1)
    lines = [rule]
    for row in cells:
        for n in range(max(len(column) for column in row)):
            texts = [
                (column[n] if n < len(column) else "").ljust(width)
                for column, width in zip(row, widths, strict=True)
            ]
            lines.append("| " + " | ".join(texts) + " |")
        if row is cells[0]:
            lines.append(rule)
    return [*lines, rule]


def _amount(count: int) -> str:
    """Return a count as the tools do: truncated, with k or M behind (facts 5.3)."""
    if count >= 10**6:
        return f"{count // 10**6}M"
    return f"{count // 1000}k" if count >= 1000 else str(count)


def _costs(row: InfoRow) -> list[str]:
    lines = []
    if row.parameters:
        lines.append(f"param count: {_amount(row.parameters)} ({100 * row.parameters_share:.3g}%)")
    if row.macs:
        lines.append(f"MACs per inference: {_amount(row.macs)} ({100 * row.macs_share:.3g}%)")
    return lines


def _rows_1x(dlc: DlcFile, info: DlcInfo) -> list[Row]:
    graph = dlc.model
    rows = [
        [
            [str(n)], [t.name], ["data"], [t.name], [t.name], ["x".join(map(str, t.shape))],
            ["A D G C"], ["input_preprocessing: passthrough", "input_type: default"],
        ]
        for n, t in enumerate(graph.inputs)
    ]  # fmt: skip
    for row in info.rows:
        inputs = [name for name in row.inputs if graph.tensors[name].kind != "static"]
        shapes = ["x".join(map(str, shape)) for shape in row.output_shapes]
        shown = _Encodings(word="delta", whole=False)
        encodings = [
            f"{'weight' if graph.tensors[name].kind == 'static' else 'output'} encoding: "
            f"{shown.text(graph.tensors[name])}"
            for name in row.encodings
        ]
        kind = TYPES_1X.get(row.type, "elementwise_op")
        details = [*encodings, *_costs(row)] or [""]
        name = row.outputs[0]
        rows.append(
            [[str(len(rows))], [name], [kind], inputs, list(row.outputs), shapes, ["A D G C"],
             details]
        )  # fmt: skip
    return rows


def _rows_2x(dlc: DlcFile, info: DlcInfo, shown: _Encodings) -> list[Row]:
    tensors = dlc.model.tensors
    rows = []
    for row, node in zip(info.rows, dlc.model.nodes, strict=True):
        shapes = ["x".join(map(str, shape)) for shape in row.output_shapes]
        cells = [[_cell(tensors[name]) for name in names] for names in (row.inputs, row.outputs)]
        details = _parameters(node) + [
            f"{name} encoding : {shown.text(tensors[name])}" for name in row.encodings
        ]
        details += _costs(row)
        rows.append(
            [[str(row.id)], [row.name], [row.type], *cells, shapes, ["A D G C"], details or [""]]
        )
    return rows


def _cell(tensor: DlcTensor) -> str:
    kinds = {"input": "APP_WRITE", "output": "APP_READ", "static": "STATIC"}
    shape = ",".join(map(str, tensor.shape))
    return (
        f"{tensor.name} (data type: {tensor.dtype}; tensor dimension: [{shape}]; "
        f"tensor type: {kinds.get(tensor.kind, 'NATIVE')})"
    )


def _parameters(node: DlcNode) -> list[str]:
    return [f"{name}: {node.value(name)}" for name in node.attributes]


def _ends(dlc: DlcFile, shown: _Encodings) -> list[Table]:
    tables: list[Table] = []
    for kind, found in (("Input", dlc.model.inputs), ("Output", dlc.model.outputs)):
        rows = [
            [[t.name], [",".join(map(str, t.shape))], [t.dtype], [shown.text(t)]] for t in found
        ]
        tables.append(((f"{kind} Name", *END_HEADERS), rows))
    return tables


def _footer(job: Job, dlc: DlcFile, info: DlcInfo) -> list[str]:
    count = info.total_parameters
    floats = sum(
        t.element_count for t in dlc.model.tensors.values() if t.kind in ("native", "output")
    )
    memory = (4 * count + BYTES_PER_ELEMENT * floats) / 2**20
    _, record = load_source(dlc.path)
    ops = ", ".join(sorted(info.operators))
    if job.version.is_1x:
        kinds = {TYPES_1X.get(name, "elementwise_op").upper() for name in info.operators}
        used = f"Layers used by DLC: {', '.join(sorted({*kinds, 'DATA'}))}"
    else:
        used = f"Ops used by {'Graph' if job.version.key >= (2, 48) else 'DLC'}: {ops}"
    megabytes = f"({count * 4 // 2**20} MB assuming single precision float"
    if job.version.key >= (2, 25):
        megabytes += ". This does not represent the actual memory requirement for the model"
    return [
        f"Total parameters: {count} {megabytes})",
        f"Total MACs per inference: {_amount(info.total_macs)} (100%)",
        f"Converter command: {record.commands[0]}",
        f"Quantizer command: {record.commands[1] if record.quantized else 'N/A'}",
        f"DLC created with converter version: {dlc.converter_version}",
        used,
        # Some printouts drop the first words (facts 5.2): the stand-in's 2.10 is one of them.
        f"{'' if job.version.name == '2.10' else 'Est. Steady-State '}Memory Needed to Run: "
        f"{memory:.1f} MiB",
    ]


def _csv(rows: list[Row], ends: list[Table], footer: list[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADERS)
    writer.writerows(["\n".join(column) for column in row] for row in rows)
    for headers, found in ends:
        writer.writerow(headers)
        writer.writerows(["\n".join(column) for column in row] for row in found)
    writer.writerows([line] for line in footer)
    return text.getvalue()
