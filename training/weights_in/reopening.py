"""Folded convolutions put back into trainable blocks, with a batch norm that is one again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from ..networks.layers import ConvBlock

Moments = tuple[Tensor, Tensor]
"""Mean and variance of every channel, float64 [channels]."""


def set_folded(block: ConvBlock, weight: Tensor, bias: Tensor) -> None:
    """Make a block compute `weight * x + bias` in evaluation mode, exactly.

    weight: [out, in / groups, kh, kw]; bias: [out]. Its batch norm then only adds the bias, and
    in training mode would change the function: `reopen` mends that.
    """
    norm, _, _ = _statistics(block)
    with torch.no_grad():
        block.conv.weight.copy_(weight)
    norm.load_state_dict(folded_norm(bias, norm.eps), strict=False)


def folded_norm(bias: Tensor, eps: float) -> dict[str, Tensor]:
    """Return the tensors, by name, of a batch norm that in evaluation mode adds a bias alone."""
    return {
        "weight": torch.ones_like(bias),
        "bias": bias.clone(),
        "running_mean": torch.zeros_like(bias),
        "running_var": torch.full_like(bias, 1.0 - eps),
    }


def reopen(network: nn.Module, blocks: Sequence[ConvBlock], batches: Iterable[Tensor]) -> None:
    """Give blocks that `set_folded` filled the batch norm that a training expects there.

    The fold has forgotten what the batch norm divided by; it is measured anew. Mean m and variance
    v of each channel of the convolution over `batches` (normalised images, [n, 3, h, w]) become
    the running statistics, sqrt(v + eps) the factor and bias + m the summand. In evaluation mode
    the block computes what it did. In training mode, where a batch's own moments take the place
    of m and v, it computes nearly that, as far as the batch is like those images; a norm left at
    factor 1, mean 0 and variance 1 would there scale every channel to variance 1.

    The size of the weights is then free, for a batch norm undoes it, and decides how far a step of
    the optimizer turns them. The fold spread it over three orders of magnitude within one layer:
    every channel gets the root mean square of its layer, so that none stands still or is lost.
    """
    network.eval()
    for block, (mean, variance) in zip(blocks, measure(network, blocks, batches), strict=True):
        norm, running_mean, running_variance = _statistics(block)
        with torch.no_grad():
            weight = block.conv.weight
            size = weight.square().mean(dim=(1, 2, 3)).sqrt()
            # A channel that was dead when its weights were rounded to 8 bits has none to scale.
            factor = torch.where(size > 0, weight.square().mean().sqrt() / size, 1.0)
            weight.mul_(factor.view(-1, 1, 1, 1))
            running_mean.copy_(mean * factor)
            running_variance.copy_(variance * factor**2)
            norm.weight.copy_(torch.sqrt(running_variance + norm.eps) / factor)
            norm.bias.add_(mean)


def measure(
    network: nn.Module, blocks: Sequence[ConvBlock], batches: Iterable[Tensor]
) -> list[Moments]:
    """Return the moments of what the convolution of each block gives over all batches."""
    sums = [torch.zeros(3, b.conv.out_channels, dtype=torch.float64) for b in blocks]

    def watch(block: ConvBlock, total: Tensor) -> torch.utils.hooks.RemovableHandle:
        def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            values = output.double().transpose(0, 1).flatten(1)  # [n, c, h, w] -> [c, n h w]
            total[0] += values.shape[1]
            total[1] += values.sum(dim=1)
            total[2] += values.square().sum(dim=1)

        return block.conv.register_forward_hook(add)

    handles = [watch(*pair) for pair in zip(blocks, sums, strict=True)]
    try:
        with torch.no_grad():
            for batch in batches:
                network(batch)
    finally:
        for handle in handles:
            handle.remove()
    means = [total / count for count, total, _ in sums]
    return [(m, (s[2] / s[0] - m**2).clamp(min=0)) for s, m in zip(sums, means, strict=True)]


def _statistics(block: ConvBlock) -> tuple[nn.BatchNorm2d, Tensor, Tensor]:
    norm = block.norm
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm, norm.running_mean, norm.running_var
