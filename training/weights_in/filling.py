"""Putting a published network's tensors into one of ours, and saying what found no place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import ArtifactError, RecipeError
from ...runtime.contract import DetectorContract, InputSpec
from ..checkpoint import UNUSED
from ..networks import SSD
from ..networks.l2_norm import L2Norm
from ..networks.layers import ConvBlock
from .correspondence import Place, Published
from .normalisation import Normalisation, for_input
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
    network: SSD,
    contract: DetectorContract,
    published: Published,
    tensors: Mapping[str, Tensor],
    where: str,
) -> Filled:
    """Give a network the tensors of a published one, as far as their layers correspond.

    contract: of the network; what its pixels are normalised by goes into the first convolution.
    Heads of another shape, trained for other anchors or classes, are left out. Raises RecipeError
    where the network is another one, ArtifactError, naming the tensor, where the file lacks it or
    has it in another shape.
    """
    name = contract.network
    if name not in published.networks:
        raise RecipeError(
            f"{where} holds {published.title}: set network.name to "
            f"{' or '.join(published.networks)}, not {name}"
        )
    own = {k: v for k, v in network.state_dict().items() if not k.endswith(UNUSED)}
    modules = dict(network.named_modules())
    given, used, folded = dict[str, Tensor](), set[str](), []
    places = list(published.networks[name]())
    tensors = _prepared(tensors, places[0].conv, published.normalisation, contract.input)
    for place in places:
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
        if f"{place.norm}.weight" not in sources and f"{place.ours}.norm.weight" in values:
            folded.append(place.ours)
    network.load_state_dict(given, strict=False)
    return Filled(
        given=frozenset(given),
        missing=frozenset(own.keys() - given.keys()),
        left=tuple(sorted(tensors.keys() - used)),
        folded=tuple(folded),
    )


def _prepared(
    tensors: Mapping[str, Tensor], first: str, given: Normalisation, spec: InputSpec
) -> Mapping[str, Tensor]:
    """Return the tensors with a first convolution for pixels normalised as `spec` says."""
    same = Normalisation(mean=(spec.mean,) * 3, std=spec.std, colour=spec.colour)
    weight = tensors.get(f"{first}.weight")
    if given == same or weight is None or weight.ndim != 4 or weight.shape[1] != 3:
        return tensors
    bias = tensors.get(f"{first}.bias", torch.zeros(len(weight)))
    changed, shifted = for_input(weight, bias, given, spec)
    return {**tensors, f"{first}.weight": changed, f"{first}.bias": shifted}


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

    if isinstance(module, L2Norm):
        return {f"{place.ours}.scale": take(f"{place.conv}.weight")}, used
    conv = f"{place.ours}.conv" if isinstance(module, ConvBlock) else place.ours
    values = {f"{conv}.weight": take(f"{place.conv}.weight")}
    bias, norm = f"{place.conv}.bias", f"{place.ours}.norm"
    own = module.norm if isinstance(module, ConvBlock) else None
    merged = place.mergeable and f"{place.norm}.weight" not in tensors
    if place.norm is None or merged:
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
