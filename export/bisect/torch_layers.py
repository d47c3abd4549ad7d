"""What each convolution computes in PyTorch, by its name in the exported graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from ...runtime.contract import InputSpec
from ...runtime.images import normalise
from ...training.networks import SSD

Values = dict[str, npt.NDArray[np.float32]]


def torch_layers(
    network: SSD, exported: onnx.ModelProto, pixels: npt.NDArray[np.uint8], spec: InputSpec
) -> Values:
    """Return what each convolution gives in PyTorch, by its tensor's name in the exported graph.

    The graph's convolutions have their batch norms folded in: so have these, by being taken
    behind the norm. pixels: uint8 [1, h, w, 3].
    """
    convolutions = _convolutions(exported)
    modules = dict(network.named_modules())
    found: Values = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            # A copy: the activation behind it may work in place.
            found[name] = output.detach().cpu().numpy().copy()

        return hook

    hooks = []
    for path, name in convolutions.items():
        norm = modules.get(path.removesuffix(".conv") + ".norm") if path.endswith(".conv") else None
        folded = norm if isinstance(norm, nn.BatchNorm2d) else modules[path]
        hooks.append(folded.register_forward_hook(keep(name)))
    try:
        with torch.no_grad():
            network.eval()(torch.from_numpy(normalise(pixels, spec)))
    finally:
        for handle in hooks:
            handle.remove()
    return {name: found[name] for name in convolutions.values() if name in found}


def _convolutions(exported: onnx.ModelProto) -> Mapping[str, str]:
    """Return the output of each convolution by the path of its module, from its weights' name."""
    return {
        node.input[1].removeprefix("network.").removesuffix(".weight"): node.output[0]
        for node in exported.graph.node
        if node.op_type == "Conv"
    }
