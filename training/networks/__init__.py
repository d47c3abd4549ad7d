"""The networks that can be trained, exported and quantized, by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ...errors import RecipeError
from ...recipe import NetworkSection
from .face_landmarks import FaceLandmarks
from .mobilenet_v1_ssd import Mb1Ssd, Mb1Ssd3x3
from .rfb320 import Rfb320
from .ssd import SSD, HeadSpec, Variant
from .ssd_lite import Mb2SsdLite, Mb2SsdLiteF38, Mb2SsdLiteF38Relu, Mb2SsdLiteF38Tiny
from .vgg16_ssd import Ssd300Vgg16, Ssd512Vgg16

NETWORKS: dict[str, type[SSD]] = {
    "mb2_ssd_lite_f38": Mb2SsdLiteF38,
    "mb2_ssd_lite_f38_relu": Mb2SsdLiteF38Relu,
    "mb2_ssd_lite_f38_tiny": Mb2SsdLiteF38Tiny,
    "mb2_ssd_lite": Mb2SsdLite,
    "mb1_ssd": Mb1Ssd,
    "mb1_ssd_3x3": Mb1Ssd3x3,
    "rfb320": Rfb320,
    "face_landmarks": FaceLandmarks,
    "ssd300_vgg16": Ssd300Vgg16,
    "ssd512_vgg16": Ssd512Vgg16,
}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The cells of one level; the stride is what one cell takes of the input, in pixels."""

    stride: int
    rows: int
    columns: int


def build_network(name: str, spec: HeadSpec, variant: Variant | None = None) -> SSD:
    """Return the named network, randomly initialised, in its own variant where none is given.

    Raises RecipeError for an unknown name or where the network has not that many levels.
    """
    network = network_class(name)
    fewest, most = _fewest(network), len(network.cells(300))
    if not fewest <= len(spec.anchors) <= most:
        known = f"{fewest} to {most}" if fewest < most else f"{most}"
        raise RecipeError(f"network.name: {name} has {known} levels, not {len(spec.anchors)}")
    return network(spec, variant)


def network_class(name: str) -> type[SSD]:
    """Return the class of the named network; raises RecipeError where there is none."""
    if name not in NETWORKS:
        raise RecipeError(f"network.name: unknown network {name!r}; known: {', '.join(NETWORKS)}")
    return NETWORKS[name]


def variant_of(section: NetworkSection) -> Variant:
    """Return the variant that a recipe asks for: the network's own where it says nothing.

    Raises RecipeError for an unknown network, or one that is not built in the variant asked for.
    """
    network = network_class(section.name)
    own = network.own
    variant = Variant(
        width=own.width if section.width_multiplier is None else section.width_multiplier,
        depth=own.depth if section.depth_multiplier is None else section.depth_multiplier,
        relu=section.relu or own.relu,
    )
    for field, value in asdict(variant).items():
        fixed = getattr(own, field)
        if value != fixed and field not in network.adjustable:
            key = field if field == "relu" else f"{field}_multiplier"
            raise RecipeError(f"network.{key}: {section.name} is built with {fixed} only")
    return variant


def grids_of(section: NetworkSection) -> tuple[Grid, ...]:
    """Return the cells of every level that a recipe has of a network of ours, for its input.

    Raises RecipeError for an unknown network, one that has not that many levels, or anchors for
    another number of them, or where the input is too small for a level.
    """
    network = network_class(section.name)
    rows, columns = network.cells(section.height), network.cells(section.width)
    count = len(rows) if section.levels is None else section.levels
    if not _fewest(network) <= count <= len(rows):
        raise RecipeError(
            f"network.levels: {section.name} has {_fewest(network)} to {len(rows)} levels, "
            f"not {count}"
        )
    if len(section.anchors) != count:
        raise RecipeError(
            f"network.anchors: {section.name} has {count} levels (strides {network.strides}), "
            f"the recipe gives anchors for {len(section.anchors)}"
        )
    for index in range(count):
        if min(rows[index], columns[index]) < 1:
            raise RecipeError(
                f"network.width, network.height: {section.width}x{section.height} leaves level "
                f"{index + 1} of {section.name} without a cell: enlarge the input, or set "
                f"network.levels to {index}"
            )
    # A coarse level has rounded up so often that by its stride centres would lie outside.
    strides = [
        *network.strides,
        *(
            -(-max(section.width, section.height) // max(rows[index], columns[index]))
            for index in range(len(network.strides), count)
        ),
    ]
    for index in range(1, count):
        if strides[index] <= strides[index - 1]:
            raise RecipeError(
                f"network.width, network.height: at {section.width}x{section.height} level "
                f"{index + 1} of {section.name} is no coarser than the one before: enlarge the "
                f"input, or set network.levels to {index}"
            )
    return tuple(
        Grid(stride=strides[index], rows=rows[index], columns=columns[index])
        for index in range(count)
    )


def _fewest(network: type[SSD]) -> int:
    most = len(network.cells(300))  # as many for every input
    return most if network.fewest_levels is None else network.fewest_levels


__all__ = [
    "NETWORKS",
    "SSD",
    "Grid",
    "HeadSpec",
    "Variant",
    "build_network",
    "grids_of",
    "network_class",
    "variant_of",
]
