"""The recipe that describes a Caffe SSD, derived from its PriorBox and DetectionOutput layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from ...errors import ArtifactError
from .building import ENDS, PRIORS
from .reading import Layer, Net
from .schema import message_class
from .shapes import Shape

CENTER_SIZE = 2
DIGITS = 4
"""Of an anchor's size, in pixels."""
USUAL_MEAN, USUAL_STD = 127.5, 127.5
"""MobileNet-SSD's; its deploy.prototxt says none."""


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A recipe's sections as plain values, and what was taken for granted, in words."""

    sections: Mapping[str, Any]
    assumed: tuple[str, ...]


def derive(net: Net, shapes: Mapping[str, Shape], names: Sequence[str] | None) -> Derived:
    """Return what a recipe has to say of a Caffe SSD, but for its images.

    shapes: of every blob that a PriorBox layer may look at. names: of the classes, without the
    background. Raises ArtifactError, naming the layer and the field, where a prior box or the
    decoding is of a kind that hexdet has no word for.
    """
    ends = [layer for layer in net.layers if layer.kind in ENDS]
    boxes = {layer.outputs[0]: layer for layer in net.layers if layer.kind == PRIORS}
    if not ends or not boxes:
        missing = "DetectionOutput or MultiBoxLoss" if not ends else PRIORS
        raise ArtifactError(
            f"{net.path} has no layer {missing}: it does not say its anchors; write the contract "
            f"and give it with `hexdet export --caffe ... --contract FILE`"
        )
    end = _section(ends[0])
    _check_decoding(net, ends[0], end)
    order = [boxes[blob] for blob in _sources(net, ends[0].inputs[2], boxes)]
    levels = [_level(net, layer, shapes[layer.inputs[0]]) for layer in order]
    classes, assumed = _classes(end.num_classes - 1, names)
    mean, std, said = _normalisation(net)
    assumed += [] if said else [f"pixels normalised by (p - {mean}) / {std}, BGR"]
    variances = {level.variances for level in levels}
    steps = {level.by_stride for level in levels if level.by_stride is not None}
    if len(variances) != 1 or len(steps) > 1:
        raise ArtifactError(f"{net.path}: its {PRIORS} layers differ in variances or steps")
    network = {
        "width": net.width,
        "height": net.height,
        "colour": "bgr",
        "mean": mean,
        "std": std,
        "strides": [level.stride for level in levels],
        "anchor_step": "stride" if steps == {True} else "cells",
        "variances": list(variances.pop()),
        "anchors": [[list(size) for size in level.sizes] for level in levels],
    }
    return Derived(
        sections={"classes": classes, "network": network, "evaluation": _thresholds(ends[0])},
        assumed=tuple(assumed),
    )


@dataclass(frozen=True, kw_only=True)
class _Level:
    stride: int
    sizes: tuple[tuple[float, float], ...]
    variances: tuple[float, float]
    by_stride: bool | None
    """Whether centres lie `stride` apart, or the image over the cells; None where both are one."""


def _level(net: Net, layer: Layer, shape: Shape) -> _Level:
    section = layer.parameters.prior_box_param
    rows, columns = shape[2:]
    for field, wanted in (("offset", 0.5), ("clip", False), ("img_size", 0), ("img_h", 0)):
        if getattr(section, field) != wanted:
            raise _strange(net, layer, field, getattr(section, field))
    variance = [round(v, 6) for v in section.variance] or [0.1]
    variance = variance * 4 if len(variance) == 1 else variance
    if len(variance) != 4 or variance[0] != variance[1] or variance[2] != variance[3]:
        raise _strange(net, layer, "variance", variance)
    across, down = section.step_w or section.step, section.step_h or section.step
    cells = (net.width / columns, net.height / rows)
    stride = next(
        (s for s in _strides(net, rows) if -(-net.width // s) == columns), round(max(cells))
    )
    by_stride: bool | None = None if cells == (stride, stride) else False
    if across or down:
        if across != down or across != int(across):
            raise _strange(net, layer, "step", [across, down])
        stride = int(across)
        by_stride = None if cells == (stride, stride) else True
    if (-(-net.height // stride), -(-net.width // stride)) != (rows, columns):
        raise ArtifactError(
            f"{net.path}: layer {layer.name} looks at {rows}x{columns} cells, which no stride "
            f"makes of {net.height}x{net.width}"
        )
    return _Level(
        stride=stride,
        sizes=tuple(_sizes(net, layer, section)),
        variances=(variance[0], variance[2]),
        by_stride=by_stride,
    )


def _strides(net: Net, rows: int) -> list[int]:
    """Return the strides that make so many rows, powers of two first."""
    fitting = [s for s in range(1, net.height + 1) if -(-net.height // s) == rows]
    return sorted(fitting, key=lambda s: (s & (s - 1) != 0, s))


def _sizes(net: Net, layer: Layer, section: Any) -> list[tuple[float, float]]:
    """Return the boxes of a cell, (width, height) in pixels, in Caffe's order.

    For every min_size: its square; a square of sqrt(min_size * max_size); then every ratio, and
    its inverse where `flip` is set. Source: src/caffe/layers/prior_box_layer.cpp.
    """
    if not section.min_size or (
        section.max_size and len(section.max_size) != len(section.min_size)
    ):
        raise _strange(net, layer, "min_size and max_size", list(section.min_size))
    ratios = [1.0]
    for ratio in section.aspect_ratio:
        for one in (ratio, 1 / ratio) if section.flip and ratio else (ratio,):
            if not any(math.isclose(one, known, abs_tol=1e-6) for known in ratios):
                ratios.append(one)
    sizes = []
    for number, small in enumerate(section.min_size):
        sizes.append((small, small))
        if section.max_size:
            mean = math.sqrt(small * section.max_size[number])
            sizes.append((mean, mean))
        sizes += [(small * math.sqrt(r), small / math.sqrt(r)) for r in ratios[1:] if r > 0]
    return [(round(w, DIGITS), round(h, DIGITS)) for w, h in sizes]


def _sources(net: Net, blob: str, wanted: Mapping[str, Layer]) -> list[str]:
    """Return the prior boxes that a blob is joined from, in their order."""
    if blob in wanted:
        return [blob]
    joining = next((layer for layer in net.layers if blob in layer.outputs), None)
    if joining is None or joining.kind != "Concat":
        raise ArtifactError(f"{net.path}: {blob} is not joined from {PRIORS} layers")
    return [source for each in joining.inputs for source in _sources(net, each, wanted)]


def _section(layer: Layer) -> Any:
    if layer.kind == "MultiBoxLoss":
        return layer.parameters.multibox_loss_param
    return layer.parameters.detection_output_param


def _check_decoding(net: Net, layer: Layer, section: Any) -> None:
    for field, wanted in (
        ("background_label_id", 0),
        ("share_location", True),
        ("code_type", CENTER_SIZE),
    ):
        if getattr(section, field) != wanted:
            raise _strange(net, layer, field, getattr(section, field))
    if getattr(section, "variance_encoded_in_target", False):
        raise _strange(net, layer, "variance_encoded_in_target", True)
    if section.num_classes < 2 or len(layer.inputs) < 3:
        raise _strange(net, layer, "num_classes", section.num_classes)


def _strange(net: Net, layer: Layer, field: str, value: object) -> ArtifactError:
    return ArtifactError(
        f"{net.path}: layer {layer.name} ({layer.kind}): {field} is {value}, which is not imported"
    )


def _thresholds(layer: Layer) -> dict[str, Any]:
    if layer.kind != "DetectionOutput":
        return {}
    section = layer.parameters.detection_output_param
    said: dict[str, Any] = {}
    if section.HasField("confidence_threshold"):
        said["default_score"] = round(section.confidence_threshold, 6)
    if section.HasField("nms_param"):
        said["nms_iou"] = round(section.nms_param.nms_threshold, 6)
    if section.keep_top_k > 0:
        said["max_detections"] = section.keep_top_k
    return said


def _classes(count: int, names: Sequence[str] | None) -> tuple[list[str], list[str]]:
    if names is None:
        return [f"class_{i}" for i in range(1, count + 1)], ["names of the classes"]
    if len(names) != count:
        raise ArtifactError(f"there are {len(names)} class names, the network has {count} classes")
    return list(names), []


def _normalisation(net: Net) -> tuple[float, float, bool]:
    if net.transform is None:
        return USUAL_MEAN, USUAL_STD, False
    means = {round(value, 4) for value in net.transform.mean_value} or {0.0}
    if len(means) > 1 or net.transform.mean_file:
        raise ArtifactError(
            f"{net.path}: its images have a mean for each channel ({sorted(means)}), which a "
            f"contract has no word for"
        )
    return means.pop(), round(1 / net.transform.scale, 1), True


def read_labels(path: Path) -> list[str]:
    """Return class names without the background: one a line, or Caffe's labelmap.prototxt.

    Raises ArtifactError where the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read the class names {path}: {error}") from error
    if "item" in text and "{" in text:
        try:
            items = text_format.Parse(text, message_class("LabelMap")()).item
        except text_format.ParseError as error:
            raise ArtifactError(f"{path} is no label map: line {error}") from error
        named = sorted((item.label, item.display_name or item.name) for item in items)
        return [name for label, name in named if label != 0]
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line]
    return names[1:] if names and names[0].lower() in ("background", "none") else names
