"""State dicts of the pytorch-ssd family: which of their layers is which of ours.

Their networks have `base_net`, `extras`, `classification_headers` and `regression_headers`. Names
and shapes: github.com/qfgaohao/pytorch-ssd (mb1-ssd, mb2-ssd-lite) and
github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB (RFB-320).
"""

from __future__ import annotations

from collections.abc import Iterator

from .correspondence import Place, Published

HEADS = {"score_heads": "classification_headers", "box_heads": "regression_headers"}
"""Our heads by theirs; one of them may have been trained for other anchors or classes."""


def _rfb320() -> Iterator[Place]:
    yield Place(ours="features.layer0", conv="base_net.0.0", norm="base_net.0.1")
    for index in (*range(1, 7), *range(8, 13)):
        yield from _separable(f"features.layer{index}.0", f"features.layer{index}.1", index)
    block = "base_net.7"
    for branch, count in enumerate((3, 3, 4)):
        for index in range(count):
            yield _named(f"branches.{branch}.{index}", f"branch{branch}.{index}", block)
    yield _named("linear", "ConvLinear", block)
    yield _named("shortcut", "shortcut", block)
    for index, theirs in enumerate(("extras.0.0", "extras.0.2.0", "extras.0.2.2")):
        yield Place(ours=f"features.extra.{index}", conv=theirs)
    for ours, theirs in HEADS.items():
        for level in range(3):
            head, source = f"{ours}.{level}", f"{theirs}.{level}"
            yield Place(ours=f"{head}.0", conv=f"{source}.0", optional=True)
            yield Place(ours=f"{head}.1", conv=f"{source}.2", optional=True)
        yield Place(ours=f"{ours}.3", conv=f"{theirs}.3", optional=True)


def _named(ours: str, theirs: str, block: str) -> Place:
    return Place(
        ours=f"features.layer7.{ours}", conv=f"{block}.{theirs}.conv", norm=f"{block}.{theirs}.bn"
    )


def _separable(depthwise: str, pointwise: str, index: int) -> Iterator[Place]:
    theirs = f"base_net.{index}"
    yield Place(ours=depthwise, conv=f"{theirs}.0", norm=f"{theirs}.1")
    yield Place(ours=pointwise, conv=f"{theirs}.3", norm=f"{theirs}.4")


def _mobilenet_v1() -> Iterator[Place]:
    """Give MobileNetV1 alone: the extra layers have no batch norm there, the heads 3x3 kernels."""
    yield Place(ours="features.conv0", conv="base_net.0.0", norm="base_net.0.1")
    for index in range(1, 14):
        yield from _separable(f"features.conv{index}_dw", f"features.conv{index}", index)


def _mobilenet_v1_3x3() -> Iterator[Place]:
    """Give the whole network; its extra layers have a bias and no batch norm."""
    yield from _mobilenet_v1()
    for level in range(4):
        # The published last level is twice as wide as Caffe's.
        wide = level == 3
        name, theirs = f"features.conv{14 + level}", f"extras.{level}"
        yield Place(ours=f"{name}_1", conv=f"{theirs}.0", optional=wide)
        yield Place(ours=f"{name}_2", conv=f"{theirs}.2", optional=wide)
    for ours, theirs in HEADS.items():
        for level in range(6):
            yield Place(ours=f"{ours}.{level}", conv=f"{theirs}.{level}", optional=True)


def _mobilenet_v2_f38() -> Iterator[Place]:
    """Give MobileNetV2, the first extra level and the heads of the levels that ours has too."""
    yield from _mobilenet_v2()
    yield from _residual("features.extra", "extras.0.conv", expanded=True)
    for level in range(3):  # ours has one finer level
        yield from _lite_heads(level + 1, level)


def _mobilenet_v2_lite() -> Iterator[Place]:
    """Give the whole network."""
    yield from _mobilenet_v2()
    for number in range(4):
        ours = "features.extra" if number == 0 else f"features.extra{number + 1}"
        yield from _residual(ours, f"extras.{number}.conv", expanded=True)
    for level in range(5):
        yield from _lite_heads(level, level)
    for ours, theirs in HEADS.items():
        yield Place(ours=f"{ours}.5", conv=f"{theirs}.5", optional=True)


def _lite_heads(level: int, source: int) -> Iterator[Place]:
    for ours, theirs in HEADS.items():
        head, other = f"{ours}.{level}", f"{theirs}.{source}"
        yield Place(ours=f"{head}.0", conv=f"{other}.0", norm=f"{other}.1", optional=True)
        yield Place(ours=f"{head}.1", conv=f"{other}.3", optional=True)


def _mobilenet_v2() -> Iterator[Place]:
    backbone = "features.backbone.blocks"
    yield Place(ours=f"{backbone}.0", conv="base_net.0.0", norm="base_net.0.1")
    for index in range(1, 18):
        yield from _residual(f"{backbone}.{index}", f"base_net.{index}.conv", expanded=index > 1)
    yield Place(ours=f"{backbone}.18", conv="base_net.18.0", norm="base_net.18.1")


def _residual(ours: str, theirs: str, *, expanded: bool) -> Iterator[Place]:
    names = ("expand", "depthwise", "project") if expanded else ("depthwise", "project")
    for index, name in enumerate(names):
        yield Place(
            ours=f"{ours}.{name}", conv=f"{theirs}.{3 * index}", norm=f"{theirs}.{3 * index + 1}"
        )


PYTORCH_SSD = (
    Published(
        title="RFB-320",
        mark="base_net.7.ConvLinear.conv.weight",
        networks={"rfb320": _rfb320},
    ),
    Published(
        title="mb2-ssd-lite",
        mark="base_net.17.conv.6.weight",
        networks={
            "mb2_ssd_lite": _mobilenet_v2_lite,
            "mb2_ssd_lite_f38": _mobilenet_v2_f38,
            "mb2_ssd_lite_f38_relu": _mobilenet_v2_f38,
        },
    ),
    Published(
        title="mb1-ssd",
        mark="base_net.13.3.weight",
        networks={"mb1_ssd_3x3": _mobilenet_v1_3x3, "mb1_ssd": _mobilenet_v1},
    ),
)
