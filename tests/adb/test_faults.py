"""Every fault over the real adb: what the user is told, and that nothing measured is lost."""

from __future__ import annotations

import pytest
from adb.cases import FAULTS, Fault, is_whole, play
from adb.rig import Place, StandIn


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.name}{'' if f.alone else '-again'}")
def test_a_fault_is_told_and_nothing_is_lost(place: Place, device: StandIn, fault: Fault) -> None:
    played = play(place, device, fault)
    assert fault.says in played.first.words
    assert (played.second is None) == fault.alone
    assert is_whole(played.last), played.last.words
