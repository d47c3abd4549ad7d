"""Which layer of a published network is which of ours, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ...errors import ArtifactError
from .normalisation import PLAIN, Normalisation


@dataclass(frozen=True, kw_only=True)
class Place:
    """A module of ours, the convolution of theirs that goes into it, and the norm behind that.

    optional: whether the two may be of different sizes, and the place is then left as it is.
    mergeable: whether the file may have the norm folded into the convolution already.
    """

    ours: str
    conv: str
    norm: str | None = None
    optional: bool = False
    mergeable: bool = False


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published network and where its layers are in ours.

    mark: a tensor of its file that no other network has. networks: those of ours that have its
    layers, each with the places of these, the convolution that reads the image first.
    normalisation: how its images were prepared.
    """

    title: str
    mark: str
    networks: Mapping[str, Callable[[], Iterator[Place]]]
    normalisation: Normalisation = PLAIN


def published_of(
    tensors: Mapping[str, Tensor], known: Sequence[Published], where: str
) -> Published:
    """Return which of the known networks tensors are of; ArtifactError where it is none."""
    for published in known:
        if published.mark in tensors:
            return published
    titles = ", ".join(published.title for published in known)
    names = ", ".join(sorted(tensors)[:3])
    raise ArtifactError(
        f"{where} is of no network that is known here ({titles}): its tensors are {names}, ..."
    )
