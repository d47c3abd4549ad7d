"""DLCs by the wheel's libraries, with what later tools need of them, and who made them, inside."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from hexdet.export.dlc import write_dlc
from hexdet.export.dlc_file.container import open_archive
from hexdet.runtime.files import write_bytes
from sdk_standin.graphs import name_for_wheel
from sdk_standin.versions import STAND_IN, Version

SOURCE, GRAPH, RECORD = f"{STAND_IN}.onnx", f"{STAND_IN}.graph.onnx", f"{STAND_IN}.json"
HISTORY = "dlc.metadata.history"
ALIGNMENT = 64
TIME_LIMIT_S = 300.0


@dataclass(kw_only=True)
class Record:
    """What a stand-in's DLC says of itself beside the graph.

    version: of the SDK that wrote it. turned_inputs, turned_outputs: NHWC in the DLC, NCHW in the
    graph. overrides: encodings
    given to the converter, by section and tensor. caches: what graph-prepare put in.
    """

    version: str
    turned_inputs: list[str]
    turned_outputs: list[str]
    quantized: bool = False
    float_bits: int = 32
    overrides: dict[str, Any] = field(default_factory=dict)
    caches: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def save_dlc(
    graph: onnx.ModelProto,
    source: onnx.ModelProto,
    record: Record,
    target: Path,
    version: Version,
    command: tuple[str, Mapping[str, str]],
) -> None:
    """Write a graph as a DLC. source: the float graph as it was given. command: tool, arguments."""
    onnx.save(name_for_wheel(graph), target.with_suffix(".scratch"))
    try:
        write_dlc(target.with_suffix(".scratch"), target, TIME_LIMIT_S)
    finally:
        target.with_suffix(".scratch").unlink()
    entries = _entries(target)
    entries[SOURCE] = source.SerializeToString()
    entries[GRAPH] = graph.SerializeToString()
    _store(target, entries, record, version, command)


def load_graph_of(path: Path) -> onnx.ModelProto:
    """Return the graph that a stand-in's DLC holds, integer where it is quantized."""
    entries = _entries(path)
    if GRAPH not in entries:
        raise ValueError(f"{path} was not written by this {STAND_IN}")
    return onnx.load_from_string(entries[GRAPH])


def load_source(path: Path) -> tuple[onnx.ModelProto, Record]:
    """Return the float graph and the record inside a stand-in's DLC; ValueError for another."""
    entries = _entries(path)
    if SOURCE not in entries:
        raise ValueError(f"{path} was not written by this {STAND_IN}")
    return onnx.load_from_string(entries[SOURCE]), Record(**json.loads(entries[RECORD]))


def add_caches(
    path: Path,
    target: Path,
    caches: Mapping[str, bytes],
    record: Record,
    version: Version,
    command: tuple[str, Mapping[str, str]],
) -> None:
    """Copy a DLC with cache records, which here are entries named after them."""
    entries = {**_entries(path), **caches}
    _store(target, entries, record, version, command)


def _entries(path: Path) -> dict[str, bytes]:
    archive = open_archive(path)
    return {name: bytes(archive.read(name) or b"") for name in archive.entries}


def _store(
    target: Path,
    entries: dict[str, bytes],
    record: Record,
    version: Version,
    command: tuple[str, Mapping[str, str]],
) -> None:
    tool, arguments = command
    for name in [name for name in entries if name.startswith(HISTORY)]:
        history = json.loads(entries[name])
        steps = history.setdefault("dlcGenerationInfo", [])
        if any(step["converterCommand"]["tool"] == "qnn-net-run" for step in steps):
            steps.clear()  # the wheel's own; what is left is as if an SDK had written it
        made = {
            "tool": f"{tool} ({STAND_IN})",
            "converterVersion": version.full,
            "args": dict(arguments),
        }
        steps.append({"converterCommand": made})
        entries[name] = json.dumps(history).encode()
    words = (f"{key}={value}" if value else key for key, value in arguments.items())
    record.commands.append(f"{tool} ({STAND_IN}) {'; '.join(words)}")
    entries[RECORD] = json.dumps(record.__dict__).encode()
    write_bytes(target, _pack(entries))


def _pack(entries: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive of stored entries, aligned, without checksums, as libQnnIr writes it."""
    body, directory = bytearray(), b""
    for name, content in entries.items():
        raw, size, at = name.encode(), len(content), len(body)
        # Padding goes into an extra field of a private kind, four bytes of which are its header.
        pad = -(at + 30 + len(raw) + 4) % ALIGNMENT
        extra = struct.pack("<2H", 0x5350, pad) + bytes(pad)
        head = (b"PK\3\4", 45, 0, 0, 0, 0, 0, size, size, len(raw), len(extra))
        body += struct.pack("<4s5H3I2H", *head) + raw + extra + content
        entry = (b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, size, size, len(raw), 0, 0, 0, 0, 0, at)
        directory += struct.pack("<4s6H3I5H2I", *entry) + raw
    end = (b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return bytes(body) + directory + struct.pack("<4s4H2IH", *end)
