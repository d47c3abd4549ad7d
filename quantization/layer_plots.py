"""What quantization does to a network, drawn: each layer's error, and why one scale is too few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ..evaluation.pages.axes import Scale, polyline
from ..evaluation.plots import HEIGHT, WIDTH, Line, Plot, render
from ..runtime.files import write_text
from .diagnosis import LayerError
from .quantize import base_path

HIGHEST_DB = 60.0
CODES = 127
"""On each side of zero: weights are symmetric."""
CODE_TICKS = (1, 2, 4, 8, 16, 32, 64, 127)
TICK = 10
"""Layers from one tick to the next."""


def save_layer_plots(
    folder: Path, bundle: Path, layers: Sequence[LayerError], *, name: str, backend: str
) -> list[Path]:
    """Write `sqnr.svg` and `weight_codes.svg` into a folder, and return where.

    bundle: whose float graph was quantized. layers: its diagnosis, in the graph's order.
    name: of the bundle; backend: what the layers were diagnosed on. Raises ArtifactError where the
    bundle has no float graph.
    """
    base = onnx.load(base_path(bundle))
    return [
        write_text(folder / "sqnr.svg", render(sqnr_plot(layers, f"{name}: INT8 on {backend}"))),
        write_text(folder / "weight_codes.svg", render(weight_plot(channel_codes(base), name))),
    ]


def sqnr_plot(layers: Sequence[LayerError], title: str) -> Plot:
    """Draw signal to quantization noise of every layer: through the network, and of it alone."""
    y = Scale(low=0.0, high=HIGHEST_DB, start=HEIGHT, end=0.0)
    through = [layer.sqnr_db for layer in layers]
    alone = [layer.sqnr_alone_db for layer in layers]
    return _plot(
        title=title,
        subtitle="signal to quantization noise: through the network to each layer, and of it alone",
        y_label="SQNR, dB",
        y=y,
        y_ticks=[(float(v), f"{v}") for v in range(0, int(HIGHEST_DB) + 1, 10)],
        lines=[("through", through), ("alone", alone)],
        unit=" dB",
    )


def weight_plot(codes: Sequence[npt.NDArray[np.float64]], name: str) -> Plot:
    """Draw how many codes one scale for the whole layer would leave to its channels' weights."""
    y = Scale(low=1.0, high=float(CODES), start=HEIGHT, end=0.0, log=True)
    return _plot(
        title=f"{name}: weights",
        subtitle="codes of 127 for a channel's largest weight, were the layer's scale one for all",
        y_label="codes",
        y=y,
        y_ticks=[(float(v), f"{v}") for v in CODE_TICKS],
        lines=[
            ("median", [float(np.median(layer)) for layer in codes]),
            ("narrowest", [float(layer.min()) for layer in codes]),
        ],
        unit="",
    )


def channel_codes(model: onnx.ModelProto) -> list[npt.NDArray[np.float64]]:
    """Return, per convolution, the codes of each output channel's largest weight, 1 to 127.

    One scale for the layer gives its largest weight 127 and every channel its share of them; a
    channel of which less than one code is left counts as one. A channel without weights is
    left out, and so is a layer of one channel.
    """
    constants = {i.name: i for i in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        weights = numpy_helper.to_array(constants[node.input[1]]).astype(np.float64)
        largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
        largest = largest[largest > 0]
        if len(largest) > 1:
            found.append(np.maximum(CODES * largest / largest.max(), 1.0))
    return found


def _plot(
    *,
    title: str,
    subtitle: str,
    y_label: str,
    y: Scale,
    y_ticks: Sequence[tuple[float, str]],
    lines: Sequence[tuple[str, Sequence[float]]],
    unit: str,
) -> Plot:
    count = max(len(values) for _, values in lines)
    x = Scale(low=1.0, high=float(max(count, 2)), start=0.0, end=WIDTH)
    return Plot(
        title=title,
        subtitle=subtitle,
        x_label="layer, in the graph's order",
        y_label=y_label,
        x_ticks=[(x.at(float(v)), f"{v}") for v in range(TICK, count + 1, TICK)],
        y_ticks=[(y.at(value), label) for value, label in y_ticks],
        lines=[
            Line(
                name=name,
                figure=f"median {np.median(values):.1f}{unit}",
                colour=index,
                dashed=False,
                points=polyline(x, y, enumerate(values, 1)),
                references=[],
                at=None,
            )
            for index, (name, values) in enumerate(lines)
        ],
        hidden=0,
        marked="",
    )
