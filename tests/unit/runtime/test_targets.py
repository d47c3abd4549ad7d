"""The table of chips: consistent with itself, found in any case, and clear where it refuses."""

from __future__ import annotations

import pytest

from hexdet.errors import RecipeError
from hexdet.runtime.targets import (
    LEGACY,
    REFUSED,
    SOC_MODEL_OF_ARCH,
    TARGETS,
    find_target,
    target_of_arch,
)


@pytest.mark.parametrize(
    ("name", "soc_model", "arch", "vtcm_mb"),
    [
        ("SM8350", 30, 68, 4),
        ("SM8450", 36, 69, 8),
        ("SM8550", 43, 73, 8),
        ("SM8650", 57, 75, 8),
        ("SM8750", 69, 79, 8),
        ("SM8850", 87, 81, 8),
        ("QCS6490", 35, 68, 2),
        ("SC8380XP", 60, 73, None),
    ],
)
def test_known_chips(name: str, soc_model: int, arch: int, vtcm_mb: int | None) -> None:
    target = TARGETS[name]
    assert (target.soc_model, target.arch, target.vtcm_mb) == (soc_model, arch, vtcm_mb)
    assert target.int8 and target.int16


@pytest.mark.parametrize("text", ["SM8550", "sm8550", " Sm8550\n"])
def test_a_name_is_found_in_any_case(text: str) -> None:
    assert find_target(text) is TARGETS["SM8550"]


def test_fp16_says_only_what_is_known() -> None:
    assert find_target("SM8350").fp16 is False
    assert find_target("QCS6490").fp16 is False
    assert find_target("SM7325").fp16 is None
    assert find_target("SM8450").fp16 is None
    assert find_target("SM8550").fp16 is True


@pytest.mark.parametrize("name", ["", "SM85550", "sm8560", "snapdragon", "*", "v73"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="unknown target"):
        find_target(name)


def test_the_nearest_names_are_offered() -> None:
    with pytest.raises(RecipeError, match=r"nearest: .*SM8550"):
        find_target("SM8551")


@pytest.mark.parametrize(("name", "version"), [("sdm845", "v65"), ("SM8250", "v66")])
def test_a_legacy_chip_is_sent_to_the_sdk(name: str, version: str) -> None:
    with pytest.raises(RecipeError, match=rf"Hexagon {version}.*Qualcomm's SDK"):
        find_target(name)


def test_a_chip_without_a_dsp_is_refused() -> None:
    with pytest.raises(RecipeError, match="cannot be a target: it has no DSP"):
        find_target("SM4450")


def test_the_table_agrees_with_itself() -> None:
    assert not set(TARGETS) & set(LEGACY)
    assert not set(REFUSED) & (set(TARGETS) | set(LEGACY))
    arch_of_number: dict[int, int] = {}
    for name, target in TARGETS.items():
        assert name == target.name == name.upper()
        assert target.arch >= 68 and target.sources
        assert arch_of_number.setdefault(target.soc_model, target.arch) == target.arch, name


def test_every_version_has_a_chip_that_stands_for_it() -> None:
    assert {t.arch for t in TARGETS.values()} == set(SOC_MODEL_OF_ARCH)
    for arch, soc_model in SOC_MODEL_OF_ARCH.items():
        target = target_of_arch(arch)
        assert (target.arch, target.soc_model) == (arch, soc_model)
    with pytest.raises(RecipeError, match=r"v66 is not known.*v68"):
        target_of_arch(66)
