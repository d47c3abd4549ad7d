"""Container v2 (SNPE 1.19): one protocol buffer message with the layers and their weights.

Field numbers worked out from one file of SNPE 1.19, quantized; of a float file's weights nothing
is known, so that they are reported without values.

    model     1 [buffer]   5 [layer]
    buffer    1 name   3 [size]
    layer     1 name   2 type   3 [size]   7 [input]   8 [output]   10 [output encoding]
              and one message with what is special to the type: 30 convolution, 70 fully connected
    encodings 4 encoding
    encoding  1 bitwidth   2 minimum   3 maximum   4 scale   5 offset
    tensor    1 [size]   3 {3 bytes   4 encoding}
"""

from __future__ import annotations

from ...errors import ArtifactError
from .limits import MAX_DIMENSION, MAX_RANK, Ledger
from .model import AttributeValue, DlcGraph, DlcNode, DlcTensor, Encoding, PerTensorEncoding
from .protobuf import Message
from .wiring import INPUT_TYPE, encoded_bitwidth, wire

# Only the types that the sample shows; another is named after its number.
_TYPES = {
    30: "Concat",
    40: "Convolutional",
    60: INPUT_TYPE,
    90: "ElementwiseOp",
    100: "FullyConnected",
    130: "Pooling",
    150: "Neuron",
    155: "Permute",
    163: "Reshape",
}
_FIRST_SPECIAL_FIELD = 20
_CONVOLUTION, _CONVOLUTION_WEIGHTS = 30, 20
_FULLY_CONNECTED = 70
_WEIGHTS = {1: "weights_0", 2: "bias"}


def read_graphs(model: memoryview, ledger: Ledger) -> tuple[DlcGraph, ...]:
    """Read the one graph of the file. Raises ArtifactError."""
    message = Message(model, ledger)
    shapes = {buffer.text(1): _shape(buffer, 3, ledger) for buffer in message.messages(1)}
    encodings: dict[str, Encoding] = {}
    nodes: list[DlcNode] = []
    for layer in message.messages(5):
        outputs = layer.texts(8)
        each = [_encoding(holder.message(4)) for holder in layer.messages(10)]
        encodings |= zip(outputs, each, strict=False)
        for name in outputs:
            shapes.setdefault(name, _shape(layer, 3, ledger))
        code = layer.integer(2)
        nodes.append(
            DlcNode(
                name=layer.text(1),
                type=_TYPES.get(code, f"Type_{code}"),
                inputs=layer.texts(7),
                outputs=outputs,
                attributes=_attributes(layer, ledger),
            )
        )
    graph = DlcGraph(name="", nodes=tuple(nodes), tensors=wire(nodes, shapes, encodings))
    return (graph,)


def _attributes(layer: Message, ledger: Ledger) -> dict[str, AttributeValue]:
    """Return the numbers special to the layer by their field's, and its weights by name."""
    found: dict[str, AttributeValue] = {}
    for outer in layer.numbers:
        special = _special(layer, outer)
        if special is None:
            continue
        holder = special
        if outer == _CONVOLUTION:
            holder = special.message(_CONVOLUTION_WEIGHTS) or special
        if outer in (_CONVOLUTION, _FULLY_CONNECTED):
            for number, name in _WEIGHTS.items():
                tensor = holder.message(number)
                if tensor is not None:
                    found[name] = _tensor(name, tensor, ledger)
        for number in special.numbers:
            values = special.integers(number) or special.floats(number)
            if values:
                found[f"{outer}.{number}"] = values[0] if len(values) == 1 else values
    return found


def _special(layer: Message, number: int) -> Message | None:
    """Return a field as the message special to a type; None where it is something else."""
    if number < _FIRST_SPECIAL_FIELD:
        return None
    try:
        return layer.message(number)
    except ArtifactError:
        if number in (_CONVOLUTION, _FULLY_CONNECTED):
            raise
        return None


def _tensor(name: str, message: Message, ledger: Ledger) -> DlcTensor:
    content = message.message(3)
    encoding = None if content is None else _encoding(content.message(4))
    octets = None if content is None else content.content(3)
    ledger.content(0 if octets is None else len(octets))
    return DlcTensor(
        name=name,
        dtype="uFxp_8" if encoding else "Undefined",
        shape=_shape(message, 1, ledger),
        kind="static",
        encoding=encoding,
        bitwidth=encoded_bitwidth(encoding),
        content=octets,
    )


def _encoding(message: Message | None) -> PerTensorEncoding | None:
    if message is None or not message.integer(1):
        return None
    offset = message.number(5)
    return PerTensorEncoding(
        bitwidth=message.integer(1),
        scale=message.number(4),
        offset=int(offset) if abs(offset) <= 1 << 31 else 0,
        minimum=message.number(2),
        maximum=message.number(3),
    )


def _shape(message: Message, number: int, ledger: Ledger) -> tuple[int, ...]:
    shape = message.integers(number)
    if len(shape) > MAX_RANK or any(not 0 <= size <= MAX_DIMENSION for size in shape):
        raise ledger.damaged(f"a tensor has the impossible shape {shape[:MAX_RANK]}")
    return shape
