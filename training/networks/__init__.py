"""The networks that can be trained, exported and quantized, by name."""

from __future__ import annotations

from ...errors import RecipeError
from .ssd import SSD, HeadSpec
from .ssd_lite import Mb2SsdLiteF38, Mb2SsdLiteF38Relu

NETWORKS: dict[str, type[SSD]] = {
    "mb2_ssd_lite_f38": Mb2SsdLiteF38,
    "mb2_ssd_lite_f38_relu": Mb2SsdLiteF38Relu,
}


def build_network(name: str, spec: HeadSpec) -> SSD:
    """Return the named network, randomly initialised; raises as `strides_of` does."""
    strides_of(name, levels=len(spec.anchors))
    return NETWORKS[name](spec)


def strides_of(name: str, *, levels: int) -> tuple[int, ...]:
    """Return the strides of a network's levels, finest first.

    Raises RecipeError for an unknown name or where the network has not that many levels.
    """
    if name not in NETWORKS:
        raise RecipeError(f"network.name: unknown network {name!r}; known: {', '.join(NETWORKS)}")
    strides = NETWORKS[name].strides
    if len(strides) != levels:
        raise RecipeError(
            f"network.anchors: {name} has {len(strides)} levels (strides {strides}), "
            f"the recipe gives anchors for {levels}"
        )
    return strides


__all__ = ["NETWORKS", "SSD", "HeadSpec", "build_network", "strides_of"]
