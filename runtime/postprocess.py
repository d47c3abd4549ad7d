"""From the network's raw outputs to detections: softmax, threshold, decode, NMS."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError
from .boxes import clip, decode
from .contract import DetectorContract, Thresholds
from .detections import Detections
from .nms import class_aware_nms

Float = npt.NDArray[np.float32]


def gather(outputs: Mapping[str, Float], contract: DetectorContract) -> tuple[Float, Float]:
    """Bring the outputs of all levels into the order of the anchors.

    outputs: NHWC float32 by name. Returns scores [anchors, scores_per_anchor], still raw, and
    deltas [anchors, 4]. Raises ArtifactError for an output that does not fit the contract.
    """
    for name, shape in contract.output_shapes().items():
        if name not in outputs or outputs[name].shape != shape:
            found = outputs[name].shape if name in outputs else "nothing"
            raise ArtifactError(
                f"the graph's output {name} is {found}, detector.json says {shape}: "
                f"the bundle's files do not belong together, export it again"
            )
    width = contract.scores_per_anchor
    # NHWC memory order is already cell by cell, anchor by anchor.
    scores = [outputs[v.scores].reshape(-1, width) for v in contract.levels]
    deltas = [outputs[v.boxes].reshape(-1, 4) for v in contract.levels]
    return np.concatenate(scores), np.concatenate(deltas)


def activate(scores: Float, contract: DetectorContract) -> Float:
    """Return the probability of every class, float32 [anchors, classes], without the background."""
    if contract.activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(scores, -80, 80))), np.float32)
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray((shifted / shifted.sum(axis=1, keepdims=True))[:, 1:], np.float32)


def postprocess(
    outputs: Mapping[str, Float],
    anchors: Float,
    contract: DetectorContract,
    image_size: tuple[int, int],
    thresholds: Thresholds,
) -> Detections:
    """Return the detections of one image.

    outputs: NHWC float32 by name; anchors: [anchors, 4] centred, pixels of the network's input.
    image_size: (width, height) of the original image, into whose pixels the boxes are mapped.
    """
    scores, deltas = gather(outputs, contract)
    if not (np.isfinite(scores).all() and np.isfinite(deltas).all()):
        raise ArtifactError("the network's outputs are not finite: its weights are damaged")
    probabilities = activate(scores, contract)
    index, label = np.nonzero(probabilities >= thresholds.score)
    score = probabilities[index, label]
    boxes = decode(deltas[index], anchors[index], contract.variances)
    boxes = clip(boxes, contract.input.width, contract.input.height)
    solid = ((boxes[:, 2:4] - boxes[:, 0:2]) > 0).all(axis=1)
    boxes, score, label = boxes[solid], score[solid], label[solid]
    keep = class_aware_nms(
        boxes,
        score,
        label,
        iou_threshold=thresholds.nms_iou,
        max_detections=thresholds.max_detections,
    )
    scale = np.asarray(
        [image_size[0] / contract.input.width, image_size[1] / contract.input.height] * 2,
        np.float32,
    )
    return Detections(
        # The product may round to just past the border.
        boxes=clip(boxes[keep] * scale, *image_size),
        scores=score[keep],
        labels=label[keep].astype(np.int64) + 1,
        classes=contract.classes,
    )
