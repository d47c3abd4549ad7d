"""A graph in memory on onnxruntime's CPU provider: what checks and diagnosis compute with."""

from __future__ import annotations

import onnx
import onnxruntime


def cpu_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Return a session on a graph that was not, or not yet, written to a file."""
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
