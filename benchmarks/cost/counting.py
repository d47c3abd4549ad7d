"""What each layer costs and the whole network: MACs, weights, live memory, bytes moved."""

from __future__ import annotations

from dataclasses import dataclass

from .network import Network

FLOAT32_BYTES, UINT8_BYTES = 4, 1

RULE = (
    "MACs: multiply-accumulates of convolutions, fully connected layers and matrix products, "
    "padding included, biases and activations not. Live memory at a layer: its inputs and outputs "
    "and every tensor that a later layer still reads, in the file's order of execution; the "
    "network's outputs live to the end. Bytes moved: each layer reads its inputs and parameters "
    "and writes its outputs once, nothing is kept in a cache. Activations run in place in their "
    "layer; transposes, reshapes, casts and (de)quantization are free. float32: 4 bytes an "
    "element, uint8: 1, parameters likewise; stored weights: what this file holds of them."
)


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One layer; read, written, live: elements, not bytes."""

    name: str
    type: str
    parameters: int
    macs: int
    weight_bytes: int
    read: int
    written: int
    live: int

    @property
    def moved(self) -> int:
        """Return the elements that the layer reads and writes, parameters among them."""
        return self.read + self.written + self.parameters

    @property
    def intensity_uint8(self) -> float:
        """Return MACs for each byte moved where every element is one byte."""
        return self.macs / self.moved if self.moved else 0.0


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """A network's layers and totals, in elements where not in bytes.

    peak: the most alive at once, at `peak_layer`. moved: by all layers. least_moved: parameters,
    the network's inputs and its outputs once: all that must pass where the chip keeps the rest.
    """

    file: str
    size_bytes: int
    layers: tuple[LayerCost, ...]
    parameters: int
    macs: int
    weight_bytes: int
    peak: int
    peak_layer: str
    moved: int
    least_moved: int

    @property
    def peak_float32_bytes(self) -> int:
        """Return the most bytes of float32 activations alive at once."""
        return FLOAT32_BYTES * self.peak

    @property
    def peak_uint8_bytes(self) -> int:
        """Return the most bytes of 8-bit activations alive at once."""
        return UINT8_BYTES * self.peak

    @property
    def intensity_float32(self) -> float:
        """Return MACs for each byte moved in float32."""
        return self.macs / (FLOAT32_BYTES * self.moved) if self.moved else 0.0

    @property
    def intensity_uint8(self) -> float:
        """Return MACs for each byte moved in 8 bits."""
        return self.macs / (UINT8_BYTES * self.moved) if self.moved else 0.0


def count(network: Network, file: str, size_bytes: int) -> NetworkCost:
    """Count a network by the RULE."""
    live = live_elements(network)
    rows = tuple(
        LayerCost(
            name=layer.name,
            type=layer.type,
            parameters=layer.parameters,
            macs=layer.macs,
            weight_bytes=layer.weight_bytes,
            read=sum(network.elements[name] for name in set(layer.inputs)),
            written=sum(network.elements[name] for name in layer.outputs),
            live=alive,
        )
        for layer, alive in zip(network.layers, live, strict=True)
    )
    peak = max(live, default=0)
    return NetworkCost(
        file=file,
        size_bytes=size_bytes,
        layers=rows,
        parameters=sum(row.parameters for row in rows),
        macs=sum(row.macs for row in rows),
        weight_bytes=sum(row.weight_bytes for row in rows),
        peak=peak,
        peak_layer=rows[live.index(peak)].name if rows else "",
        moved=sum(row.moved for row in rows),
        least_moved=sum(row.parameters for row in rows)
        + sum(network.elements[name] for name in {*network.inputs, *network.outputs}),
    )


def live_elements(network: Network) -> list[int]:
    """Return how many elements are alive while each layer runs.

    A tensor lives from the layer that makes it (an input from the start) to its last reader, an
    output of the network to the end; what nobody reads lives while it is made.
    """
    last: dict[str, int] = {}
    for place, layer in enumerate(network.layers):
        last.update(dict.fromkeys((*layer.outputs, *layer.inputs), place))
    last.update(dict.fromkeys(network.outputs, len(network.layers)))
    alive = {name for name in network.inputs if name in last}
    found = []
    for place, layer in enumerate(network.layers):
        alive.update(layer.outputs)
        found.append(sum(network.elements[name] for name in alive))
        alive = {name for name in alive if last[name] > place}
    return found
