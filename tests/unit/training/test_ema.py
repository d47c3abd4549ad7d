"""The moving average: its decay, what it covers, and that it is a copy."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hexdet.training.ema import MovingAverage


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


def weight_of(network: nn.Module) -> float:
    (first,) = network.state_dict()["0.bias"][:1].tolist()
    return float(first)


def set_all(network: nn.Module, value: float) -> None:
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(value)


def test_before_any_update_it_is_the_network() -> None:
    network = small_network()
    average = MovingAverage(network, 0.9)
    assert average.updates == 0
    for name, value in network.state_dict().items():
        assert torch.equal(average.network.state_dict()[name], value)


def test_it_is_a_copy_that_is_neither_trained_nor_in_training_mode() -> None:
    network = small_network().train()
    average = MovingAverage(network, 0.9)
    set_all(network, 5.0)
    assert weight_of(average.network) != 5.0
    assert network.training and not average.network.training
    assert not any(p.requires_grad for p in average.network.parameters())
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        # the kept share after 1, 2, 3 updates: min(decay, (1 + n) / (10 + n))
        (0.999, [2 / 11, 2 / 11 * 3 / 12, 2 / 11 * 3 / 12 * 4 / 13]),
        (0.2, [2 / 11, 2 / 11 * 0.2, 2 / 11 * 0.2 * 0.2]),
        (0.0, [0.0, 0.0, 0.0]),
    ],
)
def test_the_kept_share_rises_to_the_decay(decay: float, expected: list[float]) -> None:
    network = small_network()
    set_all(network, 1.0)
    average = MovingAverage(network, decay)
    set_all(network, 0.0)
    for number, share in enumerate(expected, 1):
        average.update(network)
        assert average.updates == number
        assert weight_of(average.network) == pytest.approx(share, rel=1e-5)


def test_a_late_update_moves_by_the_decay_alone() -> None:
    network = small_network()
    set_all(network, 1.0)
    average = MovingAverage(network, 0.99)
    average.updates = 100_000
    set_all(network, 0.0)
    average.update(network)
    assert weight_of(average.network) == pytest.approx(0.99, rel=1e-6)


def test_statistics_are_averaged_and_counters_copied() -> None:
    network = small_network()
    set_all(network, 0.0)
    average = MovingAverage(network, 0.999)
    set_all(network, 11.0)
    average.update(network)
    state = average.network.state_dict()
    for name in ("1.running_mean", "1.running_var", "1.weight", "0.weight"):
        torch.testing.assert_close(state[name], torch.full_like(state[name], 9.0))  # 11 * 9 / 11
    assert int(state["1.num_batches_tracked"]) == 11


def test_the_average_of_a_network_that_stands_still_stands_still() -> None:
    network = small_network()
    average = MovingAverage(network, 0.9)
    for _ in range(20):
        average.update(network)
    for name, value in network.state_dict().items():
        assert torch.equal(average.network.state_dict()[name], value)
