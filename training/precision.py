"""Mixed precision: what the convolutions multiply in, and the scaled loss that float16 needs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from ..recipe import TrainingSection

HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
LEAST_SCALE = 1.0
"""A scale that fell below it is none any more: something else makes the gradients overflow."""


class Precision:
    """Runs the network in its type, and steps the optimizer in float32.

    float16 holds nothing below 6e-8: the loss is multiplied by a scale that rises until gradients
    overflow, and a step whose gradients did is left out (arXiv 1710.03740, section 3.2).
    """

    def __init__(self, section: TrainingSection, device: torch.device) -> None:
        self.name = chosen(section, device)
        self._dtype = HALF.get(self.name)
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._dtype is torch.float16)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which the network runs."""
        enabled = self._dtype is not None
        return torch.autocast(self._device.type, dtype=self._dtype, enabled=enabled)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients, scaled."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def clip(self, optimizer: torch.optim.Optimizer, network: nn.Module, most: float) -> Tensor:
        """Undo the scale, bring the norm of all gradients down to `most`; return what it was."""
        self._scaler.unscale_(optimizer)
        return nn.utils.clip_grad_norm_(network.parameters(), most)

    def step(self, optimizer: torch.optim.Optimizer, *, finite: bool) -> bool:
        """Take the optimizer's step, unless the gradients are not finite; return whether it was.

        Raises FloatingPointError where they are not and no scale is to blame.
        """
        if not self._scaler.is_enabled() and not finite:
            raise FloatingPointError
        self._scaler.step(optimizer)
        self._scaler.update()
        if self._scaler.is_enabled() and self._scaler.get_scale() < LEAST_SCALE:
            raise FloatingPointError
        return finite

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs, in plain numbers."""
        return self._scaler.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        if state and self._scaler.is_enabled():
            self._scaler.load_state_dict(state)


def chosen(section: TrainingSection, device: torch.device) -> str:
    """Return the precision that the recipe means on a device."""
    if section.precision != "auto":
        return section.precision
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bfloat16" if native else "float16"
    # Without native instructions bfloat16 on a CPU is emulated, and slower than float32.
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"
