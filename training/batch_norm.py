"""Batch norm over a batch that several processes share, also on CPUs."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def synchronised(network: nn.Module, device: torch.device) -> nn.Module:
    """Let a network's batch norms take their statistics over all processes, in place.

    The parameters, the buffers and their names stay. PyTorch's own are for GPUs only.
    """
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    group = dist.new_group()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(module, name, _SharedBatchNorm(child, group))
    return network


class _SharedBatchNorm(nn.BatchNorm2d):
    """nn.BatchNorm2d, whose batch is spread over processes; in evaluation mode it is the same."""

    def __init__(self, like: nn.BatchNorm2d, group: Any) -> None:
        super().__init__(like.num_features, like.eps, like.momentum)
        self._parameters, self._buffers = like._parameters, like._buffers
        # Of its own: its sums come between the gradients' in an order that nobody fixes.
        self._group = group

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised activation, [n, channels, h, w]; n may differ between processes."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        x = input.float()
        channels = x.shape[1]
        own_mean = x.mean((0, 2, 3))
        own_squares = (x - own_mean[:, None, None]).square().sum((0, 2, 3))
        own_count = x.new_tensor([x.numel() / channels])
        # [processes, 2 * channels + 1]
        rows = _all(torch.cat([own_mean, own_squares, own_count]), self._group)
        counts = rows[:, -1:].detach()
        count = counts.sum()
        means, squares = rows[:, :channels], rows[:, channels:-1]
        mean = (means * counts).sum(0) / count
        # Chan, Golub, LeVeque 1983, equation 1.5: the mean of squares less the square of the mean
        # would lose every digit where the mean is large.
        variance = (squares + counts * (means - mean).square()).sum(0) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1).clamp(min=1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        out = (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]
        return out.to(input.dtype)


class _All(torch.autograd.Function):
    """A vector of every process; backwards all their gradients, for each loss depends on all."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, group: Any) -> Tensor:
        ctx.group = group
        rows = [torch.empty_like(value) for _ in range(dist.get_world_size(group))]
        dist.all_gather(rows, value, group=group)
        return torch.stack(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        summed = gradients[0].clone()
        dist.all_reduce(summed, group=ctx.group)
        return summed[dist.get_rank(ctx.group)], None


def _all(value: Tensor, group: Any) -> Tensor:
    rows: Tensor = _All.apply(value, group)  # type: ignore[no-untyped-call]
    return rows
