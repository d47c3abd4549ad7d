"""Putting a published network's tensors into one of ours, and saying what found no place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ...errors import ArtifactError, RecipeError
from ..checkpoint import UNUSED
from ..networks import SSD
from ..networks.layers import ConvBlock
from .pytorch_ssd import Place, Published
from .reopening import folded_norm


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Names of our tensors: those that were given and those that were not; of theirs left over.

    folded: blocks of ours whose batch norm got a bias alone, for theirs have none: `reopen` them.
    """

    given: frozenset[str]
    missing: frozenset[str]
    left: tuple[str, ...]
    folded: tuple[str, ...]


def fill(
    network: SSD, name: str, published: Published, tensors: Mapping[str, Tensor], where: str
) -> Filled:
    """Give a network the tensors of a published one, as far as their layers correspond.

    name: of the network. Heads of another shape, trained for other anchors or classes, are left
    out. Raises RecipeError where the network is another one, ArtifactError, naming the tensor,
    where the file lacks it or has it in another shape.
    """
    if name not in published.networks:
        raise RecipeError(
            f"{where} holds {published.title}: set network.name to "
            f"{' or '.join(published.networks)}, not {name}"
        )
    own = {k: v for k, v in network.state_dict().items() if not k.endswith(UNUSED)}
    modules = dict(network.named_modules())
    given, used, folded = dict[str, Tensor](), set[str](), []
    for place in published.networks[name]():
        if place.ours not in modules:
            continue  # a level that the recipe leaves out
        values, sources = _values(modules[place.ours], place, tensors, where)
        apart = [k for k, v in values.items() if v.shape != own[k].shape]
        if apart and place.optional:
            continue
        if apart:
            raise ArtifactError(
                f"{where}: {place.conv} is {list(values[apart[0]].shape)}, the recipe's network "
                f"has {list(own[apart[0]].shape)} there ({apart[0]})"
            )
        given |= values
        used |= sources
        if place.norm is None and f"{place.ours}.norm.weight" in values:
            folded.append(place.ours)
    network.load_state_dict(given, strict=False)
    return Filled(
        given=frozenset(given),
        missing=frozenset(own.keys() - given.keys()),
        left=tuple(sorted(tensors.keys() - used)),
        folded=tuple(folded),
    )


def _values(
    module: nn.Module, place: Place, tensors: Mapping[str, Tensor], where: str
) -> tuple[dict[str, Tensor], set[str]]:
    """Return what our module's tensors become, by name, and which of theirs that took."""
    used = set[str]()

    def take(name: str) -> Tensor:
        if name not in tensors:
            raise ArtifactError(f"{where} lacks {name}, which belongs into {place.ours}")
        used.add(name)
        return tensors[name]

    conv = f"{place.ours}.conv" if isinstance(module, ConvBlock) else place.ours
    values = {f"{conv}.weight": take(f"{place.conv}.weight")}
    bias, norm = f"{place.conv}.bias", f"{place.ours}.norm"
    own = module.norm if isinstance(module, ConvBlock) else None
    if place.norm is None:
        if isinstance(own, nn.BatchNorm2d):
            given = folded_norm(take(bias), own.eps)
            return values | {f"{norm}.{key}": value for key, value in given.items()}, used
        values[f"{conv}.bias"] = take(bias)
        return values, used
    theirs = place.norm
    for key in ("weight", "bias", "running_mean", "running_var"):
        values[f"{norm}.{key}"] = take(f"{theirs}.{key}")
    if bias in tensors:
        # Ours have no bias before a norm, which subtracts the mean anyway.
        values[f"{norm}.running_mean"] = values[f"{norm}.running_mean"] - take(bias)
    return values, used
