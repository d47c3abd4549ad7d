"""The first step after the network: the outputs of all levels, checked, in the anchors' order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError
from .contract import LANDMARK_VALUES, DetectorContract

CODES, FLOATS = np.dtype(np.uint8), np.dtype(np.float32)


@dataclass(frozen=True, kw_only=True)
class _Buffers:
    """Where outputs of one dtype go. kinds: the dtype, once an output."""

    kinds: list[np.dtype[Any]]
    scores: npt.NDArray[Any]
    deltas: npt.NDArray[Any]


class Gatherer:
    """Copies the outputs of one image into buffers of its own; each call overwrites the last."""

    def __init__(self, contract: DetectorContract) -> None:
        shapes = contract.output_shapes()
        self._names, self._shapes = list(shapes), list(shapes.values())
        self._levels = len(contract.levels)
        count, width = contract.anchor_count, contract.scores_per_anchor
        # By the character of the dtype: to look up the dtype itself takes longer.
        self._buffers = {
            kind.char: _Buffers(
                kinds=[kind] * len(shapes),
                scores=np.empty((count, width), kind),
                deltas=np.empty((count, 4), kind),
            )
            for kind in (CODES, FLOATS)
        }
        most = max(LANDMARK_VALUES if contract.has_landmarks else 4, width)
        self._finite = np.empty(count * most, np.bool_)

    def __call__(
        self, outputs: Mapping[str, npt.NDArray[Any]]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return scores [anchors, scores_per_anchor] and deltas [anchors, 4], raw.

        outputs: by name, NHWC, all uint8 codes or all float32; others are left alone.
        Landmarks are checked only: few of them are ever read, by `LandmarkDecoder`.
        Raises ArtifactError for an output that is missing, has another shape or dtype, or holds a
        number that is not finite.
        """
        values = [outputs[name] for name in self._names if name in outputs]
        buffers = self._buffers.get(values[0].dtype.char) if values else None
        # Whole lists compare faster than output by output.
        if (
            buffers is None
            or [value.shape for value in values] != self._shapes
            or [value.dtype for value in values] != buffers.kinds
        ):
            self._refuse(outputs)
        # NHWC memory order is already cell by cell, anchor by anchor.
        flat = [value.reshape(-1) for value in values]
        np.concatenate(flat[: self._levels], out=buffers.scores.reshape(-1))
        np.concatenate(flat[self._levels : 2 * self._levels], out=buffers.deltas.reshape(-1))
        if buffers.scores.dtype == FLOATS:
            self._check_finite(buffers.scores)
            self._check_finite(buffers.deltas)
            for landmarks in flat[2 * self._levels :]:
                self._check_finite(landmarks)
        return buffers.scores, buffers.deltas

    def _check_finite(self, values: npt.NDArray[Any]) -> None:
        mask = self._finite[: values.size].reshape(values.shape)
        if not np.isfinite(values, out=mask).all():
            raise ArtifactError("the network's outputs are not finite: its weights are damaged")

    def _refuse(self, outputs: Mapping[str, npt.NDArray[Any]]) -> NoReturn:
        """Raise ArtifactError for the first output that does not fit."""
        kind: np.dtype[Any] | None = None
        for name, shape in zip(self._names, self._shapes, strict=True):
            value = outputs.get(name)
            if value is None or value.shape != shape:
                found = "nothing" if value is None else value.shape
                raise ArtifactError(
                    f"the graph's output {name} is {found}, detector.json says {shape}: "
                    f"the bundle's files do not belong together, export it again"
                )
            if value.dtype not in (CODES, FLOATS):
                raise ArtifactError(
                    f"the graph's output {name} is {value.dtype}: the runtime reads uint8 codes "
                    f"or float32, export the bundle again"
                )
            if kind is not None and value.dtype != kind:
                raise ArtifactError(
                    f"the graph's output {name} is {value.dtype}, those before it are {kind}: "
                    f"all must be uint8 codes or all float32, export the bundle again"
                )
            kind = value.dtype
        raise AssertionError("every output fits")
