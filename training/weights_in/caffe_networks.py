"""Caffe's published SSDs: which of their layers is which of ours, whose names are theirs.

Layers: `deploy.prototxt` of github.com/chuanqi305/MobileNet-SSD, and of the models that
github.com/weiliu89/caffe (branch ssd) gives for SSD300 and SSD512. The tensors of a caffemodel
are named as `export/caffe_ssd/tensors.py` does: NAME.weight, NAME.bias, and NAME/norm.weight and so
on of the batch norm behind a convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..networks.mobilenet_v1_ssd import TAPS as MOBILENET_TAPS
from ..networks.vgg16_ssd import SSD300_EXTRAS, SSD512_EXTRAS, STAGES
from .correspondence import Place, Published
from .normalisation import Normalisation

NORM = "/norm"
"""What the batch norm behind a convolution is called, after the convolution."""
HEADS = {"score_heads": "mbox_conf", "box_heads": "mbox_loc"}


def _mobilenet() -> Iterator[Place]:
    yield _normed("conv0", "conv0")
    for index in range(1, 14):
        yield _normed(f"conv{index}_dw", f"conv{index}/dw")
        yield _normed(f"conv{index}", f"conv{index}")
    for name in MOBILENET_TAPS[2:]:
        yield _normed(name.replace("_2", "_1"), name.replace("_2", "_1"))
        yield _normed(name, name)
    yield from _heads(MOBILENET_TAPS)


def _normed(ours: str, theirs: str) -> Place:
    return Place(ours=f"features.{ours}", conv=theirs, norm=f"{theirs}{NORM}", mergeable=True)


def _vgg16(extras: int) -> Iterator[Place]:
    layers = "features.layers"
    names = [f"conv{stage}_{i}" for stage, (_, n) in enumerate(STAGES, 1) for i in range(1, n + 1)]
    names += ["fc6", "fc7"]
    names += [f"conv{number}_{i}" for number in range(6, 6 + extras) for i in (1, 2)]
    for name in names:
        yield Place(ours=f"{layers}.{name}", conv=name)
    yield Place(ours="features.conv4_3_norm", conv="conv4_3_norm")
    further = [f"conv{number}_2" for number in range(6, 6 + extras)]
    yield from _heads(("conv4_3_norm", "fc7", *further))


def _heads(taps: tuple[str, ...]) -> Iterator[Place]:
    for level, tap in enumerate(taps):
        for ours, theirs in HEADS.items():
            yield Place(ours=f"{ours}.{level}", conv=f"{tap}_{theirs}", optional=True)


VGG = Normalisation(mean=(104.0, 117.0, 123.0), std=1.0, colour="bgr")

CAFFE_NETWORKS = (
    Published(
        title="MobileNet-SSD",
        mark="conv13/dw.weight",
        networks={"mb1_ssd": _mobilenet},
        normalisation=Normalisation(mean=(127.5, 127.5, 127.5), std=127.5, colour="bgr"),
    ),
    Published(
        title="SSD512",
        mark="conv10_2_mbox_loc.weight",
        networks={"ssd512_vgg16": partial(_vgg16, len(SSD512_EXTRAS))},
        normalisation=VGG,
    ),
    Published(
        title="SSD300",
        mark="conv9_2_mbox_loc.weight",
        networks={"ssd300_vgg16": partial(_vgg16, len(SSD300_EXTRAS))},
        normalisation=VGG,
    ),
)
