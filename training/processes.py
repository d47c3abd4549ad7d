"""The processes that share one training: on one machine or several, as `torchrun` starts them."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import TrainingError
from .batch_norm import synchronised

PATIENCE = datetime.timedelta(minutes=60)
"""How long the others wait while the first one validates and writes."""


class ProcessError(TrainingError):
    """What one process of several met alone: the others cannot know of it, and it has to say it."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """All processes of a training, and which of them this one is.

    rank: 0 to count - 1; the process 0 alone writes and prints. local_count: on this machine.
    """

    rank: int = 0
    count: int = 1
    local_count: int = 1
    device: torch.device

    @property
    def first(self) -> bool:
        """Return whether this is the process that writes and prints."""
        return self.rank == 0

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes; nothing flows back through it."""
        if self.count == 1:
            return value
        summed = value.detach().clone()
        dist.all_reduce(summed)
        return summed

    def from_first(self, value: Tensor) -> Tensor:
        """Return the tensor of process 0; all give one of the same shape and type."""
        if self.count > 1:
            value = value.detach().clone()
            dist.broadcast(value, 0)
        return value

    def bytes_from_first(self, data: bytes) -> bytes:
        """Return what process 0 gave; what the others gave does not matter."""
        if self.count == 1:
            return data
        length = self.from_first(torch.tensor(len(data), device=self.device))
        sent = _bytes(data) if self.first else torch.empty(int(length), dtype=torch.uint8)
        return self.from_first(sent.to(self.device)).cpu().numpy().tobytes()

    def gathered(self, texts: Sequence[str]) -> list[str]:
        """Return the texts of all processes, in the order of their ranks."""
        if self.count == 1:
            return list(texts)
        data = json.dumps(list(texts)).encode()
        sizes = [torch.tensor(0, device=self.device) for _ in range(self.count)]
        dist.all_gather(sizes, torch.tensor(len(data), device=self.device))
        longest = max(int(size) for size in sizes)
        padded = _bytes(data.ljust(longest)).to(self.device)
        found = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(found, padded)
        return [text for v in found for text in json.loads(v.cpu().numpy().tobytes())]

    def same(self, network: nn.Module) -> None:
        """Give the network the weights and buffers of process 0."""
        with torch.no_grad():
            for value in network.state_dict().values():
                value.copy_(self.from_first(value))

    def share(self, network: nn.Module) -> nn.Module:
        """Return a module whose gradients are the mean of those of all processes.

        Batch norms take their statistics over the whole batch, so that the number of processes
        changes nothing but the rounding.
        """
        if self.count == 1:
            return network
        return DistributedDataParallel(
            synchronised(network, self.device),
            device_ids=[self.device] if self.device.type == "cuda" else None,
            forward_sync_buffers=False,  # they are the same already
        )


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the training that `torchrun` has started, or be one alone.

    Raises TrainingError where a machine has fewer GPUs than processes.
    """
    count, rank = _number("WORLD_SIZE", 1), started_rank()
    local, local_count = _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if count == 1:
        yield Processes(device=device)
        return
    if device.type == "cuda":
        if local_count > torch.cuda.device_count():
            raise TrainingError(
                f"{local_count} processes on a machine of {torch.cuda.device_count()} GPUs: start "
                f"one for each GPU, `torchrun --nproc-per-node {torch.cuda.device_count()} ...`"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Processes(rank=rank, count=count, local_count=local_count, device=device)
    finally:
        dist.destroy_process_group()


def _bytes(data: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(data, np.uint8).copy())


def started_rank() -> int:
    """Return which of its processes `torchrun` started this one as; 0 without it."""
    return _number("RANK", 0)


def _number(name: str, default: int) -> int:
    """Return what `torchrun` wrote into the environment."""
    return int(os.environ.get(name) or default)
