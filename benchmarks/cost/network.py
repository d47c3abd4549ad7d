"""A network as its layers and what flows between them, the same for ONNX and DLC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

VIEW = "view"
"""Kind of an operation that only renames, reshapes, transposes or retypes a tensor."""
ACTIVATION = "activation"
"""Kind of an operation that changes each element for itself."""
LAYER = "layer"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One node of a file: inputs and outputs are tensors that flow, no stored ones.

    kind: VIEW, ACTIVATION or LAYER. weight_bytes: of the stored tensors it takes, as stored.
    """

    name: str
    type: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: int = 0
    macs: int = 0
    weight_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Network:
    """Layers in the order of execution; elements: of every tensor that flows, by name."""

    layers: tuple[Operation, ...]
    elements: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def fused(
    operations: Iterable[Operation],
    elements: Mapping[str, int],
    inputs: Iterable[str],
    outputs: Iterable[str],
) -> Network:
    """Return the layers that a runtime executes: views gone, activations in their layer.

    A view is another name of its first input. An activation is, too, where nobody else reads that
    input: it is computed in place. Weights of either (a slope) stay with the layer before it.
    """
    nodes = list(operations)
    ends = set(outputs)
    readers = Counter(name for node in nodes for name in set(node.inputs))
    root: dict[str, str] = {}
    layers: list[Operation] = []
    maker: dict[str, int] = {}
    shared: set[str] = set()  # more than one reader, themselves or under another name
    for node in nodes:
        taken = tuple(root.get(name, name) for name in node.inputs)
        alone = bool(taken) and readers[node.inputs[0]] < 2 and node.inputs[0] not in ends
        alone = alone and taken[0] not in shared
        in_place = node.kind == VIEW or (node.kind == ACTIVATION and alone and taken[0] in maker)
        if in_place and taken and len(node.outputs) == 1:
            root[node.outputs[0]] = taken[0]
            if readers[node.inputs[0]] > 1 or node.inputs[0] in ends:
                shared.add(taken[0])
            if node.parameters:
                before = layers[maker[taken[0]]]
                layers[maker[taken[0]]] = replace(
                    before,
                    parameters=before.parameters + node.parameters,
                    weight_bytes=before.weight_bytes + node.weight_bytes,
                )
            continue
        maker.update(dict.fromkeys(node.outputs, len(layers)))
        layers.append(replace(node, kind=LAYER, inputs=taken))
    return Network(
        layers=tuple(layers),
        elements=elements,
        inputs=tuple(inputs),
        outputs=tuple(dict.fromkeys(root.get(name, name) for name in outputs)),
    )
