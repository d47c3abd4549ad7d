"""The network that learns, with its optimizer: a step at a time, alone or with other processes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..recipe import Recipe, TrainingSection
from ..runtime.contract import DetectorContract
from .checkpoint import network_of, start_from
from .ema import MovingAverage
from .loading import Batch
from .objective import Objective
from .precision import Precision
from .processes import Processes
from .schedule import learning_rate
from .state import restore_state, save_state


class Learner:
    """Network, moving average, optimizer and precision of one training."""

    def __init__(
        self, recipe: Recipe, contract: DetectorContract, steps: int, processes: Processes
    ) -> None:
        """Build the network from the recipe's seed or checkpoint; steps: of the whole training."""
        self._recipe, self._contract, self._steps = recipe, contract, steps
        self._section = recipe.training
        self._processes = processes
        self._objective = Objective(contract, self._section, processes.total)
        torch.manual_seed(self._section.seed)
        network = network_of(recipe)
        if self._section.start_from and processes.first:
            start_from(network, self._section.start_from)
        self.network: nn.Module = network.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        processes.same(self.network)
        self.average = MovingAverage(self.network, self._section.ema_decay)
        self._shared = processes.share(self.network)
        self._optimizer = make_optimizer(self.network, self._section)
        self._precision = Precision(self._section, processes.device)

    @property
    def precision(self) -> str:
        """Return what the convolutions multiply in."""
        return self._precision.name

    @property
    def rate(self) -> float:
        """Return the learning rate of the last step."""
        rate: float = self._optimizer.param_groups[0]["lr"]
        return rate

    def step(self, step: int, batch: Batch) -> dict[str, float]:
        """Take one step on this process's share of a batch; return the losses of the whole batch.

        Raises FloatingPointError, with what is not finite, and then has changed no weight.
        """
        self._set_rate(step)
        batch = batch.to(self._processes.device)
        spec = self._contract.input
        # [n, h, w, 3] -> [n, 3, h, w], which in memory is channels-last already
        image = (batch.pixels.permute(0, 3, 1, 2).float() - spec.mean) / spec.std
        with self._precision.autocast():
            outputs = self._shared(image)
        losses = self._objective(outputs, batch.labels, batch.deltas)
        self._optimizer.zero_grad(set_to_none=True)
        # Gradients are averaged over the processes, and this loss is this one's part of the sum.
        loss = losses.total if self._processes.count == 1 else losses.total * self._processes.count
        self._precision.backward(loss)
        norm = self._precision.clip(self._optimizer, self.network, self._section.gradient_clip)
        parts = losses.parts()
        values = self._processes.total(torch.stack(list(parts.values())).detach())
        # Read together: each reading waits until the GPU has come so far.
        *numbers, norm_value = torch.cat([values, norm[None]]).tolist()
        if not math.isfinite(sum(numbers)):
            raise FloatingPointError(f"loss is {sum(numbers)}")
        try:
            taken = self._precision.step(self._optimizer, finite=math.isfinite(norm_value))
        except FloatingPointError:
            raise FloatingPointError(f"gradient's norm is {norm_value}") from None
        if taken:
            self.average.update(self.network)
        return dict(zip(parts, numbers, strict=True))

    def save(self, path: Path, progress: dict[str, Any]) -> None:
        """Write all that a resumed training needs."""
        save_state(
            path,
            self._recipe,
            self.network,
            self.average,
            self._optimizer,
            {**progress, "precision": self._precision.state()},
        )

    def restore(self, data: bytes, path: Path) -> dict[str, Any]:
        """Go on from what `save` wrote into `path`; return its progress."""
        progress = restore_state(
            data, path, self._recipe, self.network, self.average, self._optimizer
        )
        self._precision.restore(progress.pop("precision", {}))
        return progress

    def _set_rate(self, step: int) -> None:
        rate = learning_rate(
            step,
            self._steps,
            peak=self._section.learning_rate,
            warmup=self._section.warmup,
            schedule=self._section.schedule,
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate


def make_optimizer(network: nn.Module, section: TrainingSection) -> torch.optim.Optimizer:
    """Return the recipe's optimizer; biases and batch norms are not decayed."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": section.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if section.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=section.learning_rate, momentum=section.momentum)
    return torch.optim.AdamW(groups, lr=section.learning_rate)
