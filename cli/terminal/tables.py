"""The tables that the door prints about quantization: the layers, and the climb to a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from . import console

if TYPE_CHECKING:
    from ...export.budget import Attempt
    from ...quantization.advice import AdvisedLayerError

NAME_WIDTH = 40


def layer_table(layers: Sequence[AdvisedLayerError], worst: int, backend: str) -> None:
    """Print the layers that lose most by themselves, with what to do about each."""
    from ...quantization.advice import worst_layers

    table = Table(title=escape(f"{backend}: the {worst} worst of {len(layers)} layers"))
    table.title_justify = "left"
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("layer", no_wrap=True)
    for heading in ("SQNR dB\nthrough", "SQNR dB\nalone", "weights\n%", "output\n%", "beyond\n%"):
        table.add_column(heading, justify="right", no_wrap=True)
    advised: dict[str, list[str]] = {}
    for number, layer in enumerate(worst_layers(layers, worst), 1):
        advised.setdefault(layer.advice, []).append(str(number))
        name = layer.node if len(layer.node) <= NAME_WIDTH else "\u2026" + layer.node[-NAME_WIDTH:]
        table.add_row(
            str(number),
            escape(name),
            f"{layer.sqnr_db:.1f}",
            f"{layer.sqnr_alone_db:.1f}",
            f"{100 * layer.weight_share:.0f}",
            f"{100 * layer.activation_share:.0f}",
            f"{100 * layer.saturated:.2f}",
        )
    console.out.print(table)
    # Under the table: beside it a usual terminal has no room for words.
    for advice, numbers in advised.items():
        if advice:
            console.out.print(f"{', '.join(numbers)}: {advice}", markup=False)


def budget_table(
    attempts: Sequence[Attempt], max_drop: float, reference: float, images: int
) -> None:
    """Print every way of quantizing that was tried, and those that were not needed."""
    title = (
        f"budget: {max_drop:g} points of AP@0.5 below float's {reference:.4f}, {images} images, "
        f"emulated HTP"
    )
    table = Table(title=escape(title), title_justify="left")
    table.add_column("way", no_wrap=True)
    for heading in ("AP@0.5", "drop", "MACs at\n16 bit %", "minutes"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    for attempt in attempts:
        table.add_row(
            escape(attempt.name),
            "" if attempt.ap50 is None else console.share(attempt.ap50),
            console.points(attempt.drop),
            "" if attempt.wide_share is None else f"{100 * attempt.wide_share:.1f}",
            "" if attempt.minutes is None else f"{attempt.minutes:.1f}",
            escape(attempt.status + (f": {attempt.reason}" if attempt.reason else "")),
        )
    console.out.print(table)
