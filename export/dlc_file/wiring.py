"""What containers v2 and v3 leave unsaid: which tensors go in, which come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .model import DlcNode, DlcTensor, Encoding, PerAxisEncoding, PerTensorEncoding, TensorKind

INPUT_TYPE = "Input"
_CONSTANT_TYPE, _CONSTANT_VALUE = "Const", "value"


def wire(
    nodes: Iterable[DlcNode],
    shapes: Mapping[str, tuple[int, ...]],
    encodings: Mapping[str, Encoding],
) -> dict[str, DlcTensor]:
    """Return every tensor that the nodes pass on.

    An input is what a node of the type Input gives, an output what no node takes; what a node
    of the type Const gives is static. SNPE 1 states no dtype for the others: fixed point where
    there is an encoding, 32-bit float where there is none.
    """
    nodes = tuple(nodes)
    made = {name: node for node in nodes for name in node.outputs}
    taken = {name for node in nodes if node.type != INPUT_TYPE for name in node.inputs}
    tensors: dict[str, DlcTensor] = {}
    for name, node in made.items():
        encoding = encodings.get(name)
        bitwidth = encoded_bitwidth(encoding)
        kind: TensorKind = "native"
        constant = node.attributes.get(_CONSTANT_VALUE)
        if node.type == _CONSTANT_TYPE and isinstance(constant, DlcTensor):
            tensors[name] = replace(constant, name=name)
            continue
        if node.type == INPUT_TYPE:
            kind = "input"
        elif name not in taken:
            kind = "output"
        tensors[name] = DlcTensor(
            name=name,
            dtype=f"uFxp_{bitwidth}" if bitwidth else "Float_32",
            shape=shapes.get(name, ()),
            kind=kind,
            encoding=encoding,
            bitwidth=bitwidth or 32,
        )
    return tensors


def encoded_bitwidth(encoding: Encoding) -> int:
    """Return the bits of an encoding, 0 where there is none."""
    if isinstance(encoding, PerTensorEncoding | PerAxisEncoding):
        return encoding.bitwidth
    return 0
