"""From the network's raw outputs to detections: threshold, decode, NMS, on the integer codes.

The score is monotonic in the raw numbers, so that the threshold becomes a comparison of codes and
only what survives it is dequantized and decoded. The result is that of `plain_postprocess`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError
from .candidates import Candidates, FloatCandidates, Found
from .code_candidates import code_candidates
from .contract import DetectorContract, Thresholds
from .decoding import Decoder
from .detections import Detections
from .encodings import Encoding
from .gathering import Gatherer
from .landmarks import LandmarkDecoder
from .nms import suppress
from .placement import Placement
from .soft_nms import suppress_softly

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


class Postprocessor:
    """The post-processing of one network: built once, called for every image.

    It works in buffers of its own and remembers the last thresholds: one thread at a time.

    encodings: of the outputs by name, for outputs that are codes; empty for a float graph.
    Raises ArtifactError where an output has none, or one that float32 cannot hold.
    """

    def __init__(self, contract: DetectorContract, encodings: Mapping[str, Encoding]) -> None:
        self._contract = contract
        missing = [name for name in contract.output_shapes() if name not in encodings]
        if encodings and missing:
            raise ArtifactError(
                f"the output {missing[0]} of {contract.name} has no encoding: quantize again"
            )
        levels = contract.levels if encodings else ()
        self._gather = Gatherer(contract)
        self._floats = FloatCandidates(contract)
        self._codes: Candidates | None = None
        if encodings:
            self._codes = code_candidates(contract, [encodings[v.scores] for v in levels])
        self._decode = Decoder(contract, [encodings[v.boxes] for v in levels])
        self._landmarks = LandmarkDecoder(contract, encodings) if contract.has_landmarks else None
        self._thresholds: Thresholds | None = None

    def __call__(
        self,
        outputs: Mapping[str, npt.NDArray[Any]],
        placement: Placement,
        thresholds: Thresholds,
    ) -> Detections:
        """Return the detections of one image, best first, in its own pixels.

        A candidate is an anchor and a class whose score reaches the class's threshold. Candidates
        are ordered by score; of equal scores the lower anchor, so the finer level, comes first, of
        one anchor the lower class. The best `top_k` are decoded and cut to the network's input;
        those without area fall, then NMS takes the rest. What is left gets its landmarks.

        outputs: by name, NHWC, all uint8 codes or all float32.
        Raises ArtifactError for outputs that do not fit the contract or are not finite, ValueError
        for a threshold of an unknown class.
        """
        if thresholds is not self._thresholds:
            self._reach(thresholds)
        scores, deltas = self._gather(outputs)
        if scores.dtype != np.uint8:
            found = self._floats.find(scores)
        elif self._codes is not None:
            found = self._codes.find(scores)
        else:
            raise ArtifactError(
                f"the outputs of {self._contract.name} are codes without encodings: quantize again"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            boxes, kept_scores, labels, anchors = self._choose(found, deltas, thresholds)
            landmarks = None
            if anchors is not None and self._landmarks is not None:
                landmarks = placement.points_to_image(self._landmarks(outputs, anchors))
        return Detections(
            boxes=placement.to_image(boxes),
            scores=kept_scores,
            labels=labels,
            classes=self._contract.classes,
            landmarks=landmarks,
        )

    def _reach(self, thresholds: Thresholds) -> None:
        if thresholds != self._thresholds:
            self._least = thresholds.of_classes(self._contract.classes)
            self._floats.reach(self._least)
            if self._codes is not None:
                self._codes.reach(self._least)
        self._thresholds = thresholds

    def _choose(
        self, found: Found, deltas: npt.NDArray[Any], thresholds: Thresholds
    ) -> tuple[Float, Float, Index, Index | None]:
        """Return boxes [n, 4] of the input, scores and labels [n] of the detections.

        And their anchors, [n], where the network gives landmarks.
        """
        anchors, classes, scores = found
        order = _best(scores, thresholds.top_k)
        if thresholds.soft_nms != "off":
            order.sort()  # soft NMS looks for the best itself, and settles ties by the position
        anchors, scores = anchors.take(order), scores.take(order)
        classes = None if classes is None else classes.take(order)
        columns = self._decode(deltas, anchors)
        sides = columns[2:4] - columns[0:2]
        if len(anchors) and not np.minimum.reduce(sides, axis=None) > 0:
            solid = np.logical_and.reduce(sides > 0, axis=0).nonzero()[0]
            columns, scores = columns.take(solid, axis=1), scores.take(solid)
            anchors = anchors.take(solid)
            classes = None if classes is None else classes.take(solid)
        rivals = None if thresholds.nms == "class_agnostic" else classes
        kept: npt.ArrayLike
        if thresholds.soft_nms == "off":
            kept = suppress(
                columns,
                rivals,
                iou_threshold=thresholds.nms_iou,
                max_detections=thresholds.max_detections,
            )
            kept = np.asarray(kept, np.int64)
            scores = scores.take(kept)
        else:
            floors = self._least.take(0 if classes is None else classes)
            kept, scores = suppress_softly(
                columns.T.copy(),
                scores,
                rivals,
                np.broadcast_to(floors, scores.shape),
                thresholds.soft_nms,
                iou_threshold=thresholds.nms_iou,
                sigma=thresholds.soft_sigma,
                max_detections=thresholds.max_detections,
            )
        labels = np.ones(len(kept), np.int64) if classes is None else classes.take(kept) + 1
        own = None if self._landmarks is None else anchors.take(kept)
        return columns.T.take(kept, axis=0), scores, labels, own


def _best(scores: Float, most: int) -> Index:
    """Return the positions of the highest scores, best first, equal ones in their order."""
    if len(scores) <= most:
        return np.asarray(np.argsort(-scores, kind="stable"), np.int64)
    least = np.partition(scores, len(scores) - most)[len(scores) - most]
    high = (scores >= least).nonzero()[0]  # more than wanted where the last ones are equal
    return np.asarray(high.take(np.argsort(-scores.take(high), kind="stable")[:most]), np.int64)
