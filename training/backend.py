"""A torch network as a runtime backend, so that validation uses the runtime's own code."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..runtime.backend import Backend
from ..runtime.contract import DetectorContract
from ..runtime.images import normalise
from .networks import SSD


class TorchBackend(Backend):
    """The network in PyTorch, float32: the first rung of the ladder."""

    name = "float in PyTorch"

    def __init__(self, network: SSD, contract: DetectorContract) -> None:
        self._network = network.eval()
        self._contract = contract
        self._device = next(network.parameters()).device

    @torch.no_grad()
    def run(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the raw outputs, NHWC float32, for pixels uint8 [1, h, w, 3]."""
        image = torch.from_numpy(normalise(pixels, self._contract.input)).to(self._device)
        flat = [output for kind in self._network(image) for output in kind]
        named = dict(zip(self._contract.output_shapes(), flat, strict=True))
        # [1, channels, h, w] -> [1, h, w, channels]
        return {k: v.permute(0, 2, 3, 1).contiguous().cpu().numpy() for k, v in named.items()}
