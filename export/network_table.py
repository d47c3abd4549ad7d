"""What the network of each recipe costs, beside what was published of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..evaluation.graph_cost import graph_cost
from ..recipe import load_recipe
from ..training.checkpoint import network_of
from ..training.contract import contract_of
from .onnx_graph import export_float

HEADINGS = (
    "network", "recipe", "input", "classes", "feature maps", "anchors", "parameters", "MACs",
    "published", "source",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Published:
    """What others state of a network, as exactly as they do; None where they do not.

    macs: multiply-accumulates; where a source counts two operations for each, half its figure.
    """

    parameters: float | None = None
    macs: float | None = None
    anchors: int | None = None
    source: str

    def words(self) -> str:
        """Return the figures in words, such as `26.285 M, 31.4 G MACs, 8,732 anchors`."""
        parts = []
        if self.parameters is not None:
            exact = self.parameters == 2_750_864
            parts.append(f"{self.parameters:,.0f}" if exact else f"{self.parameters / 1e6:g} M")
        if self.macs is not None:
            large = self.macs >= 1e9
            parts.append(
                f"{self.macs / 1e9:.4g} G MACs" if large else f"{self.macs / 1e6:.4g} M MACs"
            )
        if self.anchors is not None:
            parts.append(f"{self.anchors:,} anchors")
        return ", ".join(parts)


ZOO = "Open Model Zoo (docs.openvino.ai, omz_models_model_"
DETECTOR = Published(
    parameters=2_750_864, macs=618e6, source="the converter's report on the reference's DLC"
)
PUBLISHED = {
    "heads": DETECTOR,
    "heads_relu": DETECTOR,
    "crowdhuman_heads": DETECTOR,
    "brainwash": DETECTOR,
    "wider_face": DETECTOR,
    "voc_mb1_ssd": Published(
        parameters=5.783e6,
        macs=2.316e9 / 2,
        anchors=1917,
        source=f"{ZOO}mobilenet_ssd); github.com/chuanqi305/MobileNet-SSD",
    ),
    "voc_mb2_ssd_lite": Published(anchors=3000, source="github.com/qfgaohao/pytorch-ssd"),
    "coco_mb2_ssd_lite": Published(
        parameters=4.3e6, macs=0.8e9, source="MobileNetV2, arXiv 1801.04381, table 6"
    ),
    "voc_ssd300_vgg16": Published(
        parameters=26.285e6,
        macs=62.815e9 / 2,
        anchors=8732,
        source=f"{ZOO}ssd300); SSD, arXiv 1512.02325",
    ),
    "voc_ssd512_vgg16": Published(
        parameters=27.189e6,
        macs=180.611e9 / 2,
        anchors=24564,
        source=f"{ZOO}ssd512); SSD, arXiv 1512.02325",
    ),
}
"""By shipped recipe."""


@dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """One recipe's network; classes without the background, cells (rows, columns) of every level.

    parameters and macs are counted in the float graph that an export would ship.
    """

    network: str
    recipe: str
    width: int
    height: int
    classes: int
    cells: tuple[tuple[int, int], ...]
    anchors: int
    parameters: int
    macs: int
    published: Published | None

    def texts(self) -> tuple[str, ...]:
        """Return the row as texts, in the order of HEADINGS."""
        square = all(rows == columns for rows, columns in self.cells)
        maps = [f"{rows}" if square else f"{columns}x{rows}" for rows, columns in self.cells]
        return (
            self.network,
            self.recipe,
            f"{self.width}x{self.height}",
            f"{self.classes}",
            " ".join(maps),
            f"{self.anchors:,}",
            f"{self.parameters:,}",
            f"{self.macs:,}",
            self.published.words() if self.published else "",
            self.published.source if self.published else "",
        )


def network_row(recipe_name: str) -> NetworkRow:
    """Return what the network of a recipe costs, counted in its exported, untrained graph.

    Raises RecipeError for an unknown recipe or a network that is none of ours.
    """
    recipe = load_recipe(recipe_name)
    contract = contract_of(recipe)
    cost = graph_cost(export_float(network_of(recipe), contract, recipe.export.opset).simplified)
    return NetworkRow(
        network=recipe.network.name,
        recipe=recipe.name,
        width=contract.input.width,
        height=contract.input.height,
        classes=len(contract.classes),
        cells=tuple((level.rows, level.columns) for level in contract.levels),
        anchors=contract.anchor_count,
        parameters=cost.parameters,
        macs=cost.macs,
        published=PUBLISHED.get(recipe.name),
    )


def network_rows(
    recipes: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
) -> list[NetworkRow]:
    """Return a row for each recipe, by network and recipe; `progress` is told after each."""
    rows = []
    for done, name in enumerate(recipes, 1):
        rows.append(network_row(name))
        progress(done, len(recipes))
    return sorted(rows, key=lambda row: (row.network, row.recipe))


def markdown(rows: Sequence[NetworkRow]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.texts() for row in rows)]
    return "".join(f"| {' | '.join(texts)} |\n" for texts in lines)
