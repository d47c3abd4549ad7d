"""The exponential moving average of a network's weights, which is what gets shipped."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MovingAverage:
    """A copy of a network that follows it slowly; batch norm statistics are averaged too.

    The decay rises with the number of updates, so that the random start is forgotten soon.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.network.requires_grad_(False)
        self.updates = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network's present weights."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        present = network.state_dict()
        floats: list[tuple[Tensor, Tensor]] = []
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                floats.append((value, present[name]))
            else:
                value.copy_(present[name])
        # All at once: one by one they are hundreds of launches on a GPU.
        own, others = (list(column) for column in zip(*floats, strict=True))
        get_ema_multi_avg_fn(decay)(own, others, self.updates)  # type: ignore[no-untyped-call]
