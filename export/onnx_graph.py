"""From a trained network to the simplified float ONNX graph of a bundle, and proof of it."""

from __future__ import annotations

import copy
import io
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxsim
import torch
from torch import Tensor, nn

from ..errors import ParityError, ToolError
from ..quantization.cpu_session import cpu_session
from ..quantization.difference import relative_difference
from ..runtime.contract import DetectorContract
from ..training.networks import SSD
from .tolerances import FLOAT_GRAPH


class _Deployed(nn.Module):
    """The network with its outputs in the order and layout that `detector.json` names."""

    def __init__(self, network: SSD) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> list[Tensor]:
        # [n, c, h, w] -> [n, h, w, c]
        return [v.permute(0, 2, 3, 1) for kind in self.network(image) for v in kind]


@dataclass(frozen=True, kw_only=True)
class FloatGraphs:
    """The graph as PyTorch writes it and as it is shipped."""

    exported: onnx.ModelProto
    simplified: onnx.ModelProto


def export_float(network: SSD, contract: DetectorContract, opset: int) -> FloatGraphs:
    """Fold the batch norms, write the network as ONNX and simplify it.

    Raises ToolError where the simplifier cannot vouch for its result.
    """
    folded = copy.deepcopy(network).eval().cpu()
    folded.fold()
    example = torch.zeros(1, 3, contract.input.height, contract.input.width)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # The TorchScript exporter warns that it will go one day. The new one needs onnxscript and
        # leaves a graph with other names at every version.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Deployed(folded),
            (example,),
            stream,  # type: ignore[arg-type]  # the stub forgets streams
            input_names=["image"],
            output_names=list(contract.output_shapes()),
            opset_version=opset,
            dynamo=False,
        )
    exported = onnx.load_from_string(stream.getvalue())
    simplified, verified = onnxsim.simplify(exported)
    if not verified:
        raise ToolError("onnxsim changed the network's results: please report the recipe")
    del simplified.metadata_props[:]  # the simplifier's diary: noise in a shipped file
    onnx.checker.check_model(simplified, full_check=True)
    return FloatGraphs(exported=exported, simplified=simplified)


@dataclass(frozen=True, kw_only=True)
class FloatDifference:
    """How far the ONNX graph is from PyTorch, as a share of each output's range; the worst one."""

    output: str
    relative: float


def float_difference(
    network: SSD,
    model: onnx.ModelProto,
    images: npt.NDArray[np.float32],
    names: list[str],
) -> FloatDifference:
    """Compare a graph with the network it came from, on normalised images [n, 3, h, w]."""
    session = cpu_session(model)
    deployed = _Deployed(network.eval())
    worst = FloatDifference(output=names[0], relative=0.0)
    for image in images:
        with torch.no_grad():
            expected = [v.numpy() for v in deployed(torch.from_numpy(image[None]))]
        found = session.run(names, {"image": image[None]})
        for name, a, b in zip(names, expected, found, strict=True):
            relative = relative_difference(a, b)
            if relative > worst.relative or np.isnan(relative):
                worst = FloatDifference(output=name, relative=relative)
    return worst


def check_float_graph(difference: FloatDifference, stage: str) -> None:
    """Raise ParityError where a float graph is not its network."""
    assert FLOAT_GRAPH.relative is not None
    if not difference.relative <= FLOAT_GRAPH.relative:
        raise ParityError(
            f"{stage} differs from PyTorch by {difference.relative:.2e} of the range of "
            f"{difference.output}, allowed {FLOAT_GRAPH.relative:g}: {FLOAT_GRAPH.reason}"
        )
