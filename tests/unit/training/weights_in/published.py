"""Networks whose state dicts have the names and shapes of the published pytorch-ssd ones.

Written anew from those names and shapes: github.com/qfgaohao/pytorch-ssd at 0cc0b6a (mb1-ssd,
mb2-ssd-lite). Statistics and weights are random, as after a training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
            (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip
DEPTHWISE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1),
             (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1))  # fmt: skip


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1
) -> list[nn.Module]:
    pad = kernel // 2
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, ratio: float) -> None:
        super().__init__()
        hidden = round(inputs * ratio)
        self.skip = stride == 1 and inputs == outputs
        expand = [] if ratio == 1 else [*convolution(inputs, hidden, 1, 1), nn.ReLU6()]
        filtered = [*convolution(hidden, hidden, 3, stride, hidden), nn.ReLU6()]
        self.conv = nn.Sequential(*expand, *filtered, *convolution(hidden, outputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.skip else out


def lite_head(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
        nn.BatchNorm2d(channels),
        nn.ReLU6(),
        nn.Conv2d(channels, outputs, 1),
    )


class Mb2SsdLite(nn.Module):
    """Six levels; `forward` returns their raw scores and deltas."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(*convolution(3, 32, 3, 2), nn.ReLU6())]
        inputs = 32
        for ratio, outputs, count, stride in INVERTED:
            for index in range(count):
                layers.append(Residual(inputs, outputs, stride if index == 0 else 1, ratio))
                inputs = outputs
        layers.append(nn.Sequential(*convolution(inputs, 1280, 1, 1), nn.ReLU6()))
        self.base_net = nn.Sequential(*layers)
        self.extras = nn.ModuleList(
            [
                Residual(1280, 512, 2, 0.2),
                Residual(512, 256, 2, 0.25),
                Residual(256, 256, 2, 0.5),
                Residual(256, 64, 2, 0.25),
            ]
        )
        channels = (576, 1280, 512, 256, 256)

        def heads(width: int) -> nn.ModuleList:
            return nn.ModuleList(
                [*(lite_head(c, 6 * width) for c in channels), nn.Conv2d(64, 6 * width, 1)]
            )

        self.regression_headers, self.classification_headers = heads(4), heads(classes)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        for layer in self.base_net[:14]:
            x = layer(x)
        block = self.base_net[14]
        assert isinstance(block, Residual)
        maps = [block.conv[:3](x)]
        for layer in self.base_net[14:]:
            x = layer(x)
        return with_extras(self, [*maps, x])


class Mb1Ssd(nn.Module):
    """Six levels; `forward` returns their raw scores and deltas."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(*convolution(3, 32, 3, 2), nn.ReLU())]
        inputs = 32
        for outputs, stride in DEPTHWISE:
            filtered = [*convolution(inputs, inputs, 3, stride, inputs), nn.ReLU()]
            layers.append(nn.Sequential(*filtered, *convolution(inputs, outputs, 1, 1), nn.ReLU()))
            inputs = outputs
        self.base_net = nn.Sequential(*layers)
        sizes = ((1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 128, 256))
        self.extras = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 1), nn.ReLU(), nn.Conv2d(b, c, 3, 2, 1), nn.ReLU())
            for a, b, c in sizes
        )
        channels = (512, 1024, 512, 256, 256, 256)

        def heads(width: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(c, 6 * width, 3, padding=1) for c in channels)

        self.regression_headers, self.classification_headers = heads(4), heads(classes)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        maps = []
        for index, layer in enumerate(self.base_net):
            x = layer(x)
            if index in (11, 13):
                maps.append(x)
        return with_extras(self, maps)


def with_extras(
    network: Mb2SsdLite | Mb1Ssd, maps: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return what the heads make of the backbone's two maps and of the extra levels behind."""
    for extra in network.extras:
        maps.append(extra(maps[-1]))
    scores = [h(m) for h, m in zip(network.classification_headers, maps, strict=True)]
    return scores, [h(m) for h, m in zip(network.regression_headers, maps, strict=True)]


def trained(network: nn.Module, side: int = 64) -> nn.Module:
    """Give every batch norm statistics and weights of its own; return it in evaluation mode."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        network.train()(torch.randn(4, 3, side, side, generator=generator))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                module.running_mean.add_(0.1 * torch.randn(module.num_features))
                module.weight.mul_(0.8 + 0.4 * torch.rand(module.num_features))
                module.bias.add_(0.2 * torch.randn(module.num_features))
    return network.eval()
