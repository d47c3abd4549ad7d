"""The section `network`: which architecture, its input, its anchors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .anchors import published_anchors
from .section import Section

Positive = Annotated[float, Field(gt=0)]
AnchorSize = tuple[Positive, Positive]


class NetworkSection(Section):
    """Which network, at which input size, with which anchors."""

    name: str = "mb2_ssd_lite_f38"
    strides: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Of the levels, finest first: only for a network that comes as ONNX; ours know their own."""
    width: int = Field(300, ge=64, le=2048)
    height: int = Field(300, ge=64, le=2048)
    width_multiplier: float | None = Field(None, gt=0, le=4)
    """Of the channels of every layer; the network's own where none."""
    depth_multiplier: float | None = Field(None, gt=0, le=4)
    """Of how often each stage repeats its block; the network's own where none."""
    relu: Literal["relu6", "relu"] | None = None
    """The activation; the network's own where none."""
    levels: int | None = Field(None, ge=1)
    """Only so many of the network's levels, the finest; all where none."""
    mean: float = Field(127.0, ge=0, le=255)
    std: float = Field(128.0, gt=0)
    colour: Literal["rgb", "bgr"] = "rgb"
    fit: Literal["stretch", "letterbox"] = "stretch"
    """How an image gets to that size: filling it, or in its own proportions with bars beside it."""
    pad: int = Field(127, ge=0, le=255)
    """Value of the bars' pixels."""
    activation: Literal["softmax", "sigmoid"] = "softmax"
    anchors: tuple[Annotated[tuple[AnchorSize, ...], Field(min_length=1)], ...] = Field(
        default_factory=lambda given: published_anchors(
            given["name"], given["width"], given["height"], given["levels"]
        )
    )
    """(width, height) in pixels of the network's input, for every level, finest first.

    Where none are given: those that the network was published with, scaled to the input.
    """
    anchor_step: Literal["stride", "cells"] = "stride"
    """From one cell's centre to the next: the stride, or the input's size over the cells."""
    variances: tuple[Positive, Positive] = (0.1, 0.2)
