"""From the recipe to the flags of each quantizer, and what is refused by its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hexdet.errors import RecipeError
from hexdet.export.sdk.calls import Toolbox
from hexdet.export.sdk.discovery import Sdk
from hexdet.export.sdk.flows import choose_plan
from hexdet.export.sdk.options import Chooser, quantizer_options
from hexdet.export.sdk.targets import find_sdk_target
from hexdet.recipe import Recipe, parse_recipe

OLD = {"--bias_bitwidth", "--override_params", "--act_bitwidth", "--optimizations",
       "--use_enhanced_quantizer", "--use_symmetric_quantize_weights"}  # fmt: skip
NEW = {"--bias_bitwidth", "--override_params", "--act_bitwidth", "--algorithms",
       "--param_quantizer", "--act_quantizer", "--use_per_channel_quantization"}  # fmt: skip
QAIRT = {"--bias_bitwidth", "--act_bitwidth", "--apply_algorithms", "--param_quantizer_schema",
         "--act_quantizer_schema", "--act_quantizer_calibration", "--param_quantizer_calibration",
         "--percentile_calibration_value", "--use_per_channel_quantization"}  # fmt: skip


def recipe_with(**section: Any) -> Recipe:
    return parse_recipe({"name": "r", "export": {"sdk": section}}, "here")


def sdk_with(*tools: str, number: tuple[int, int] = (2, 25)) -> Sdk:
    return Sdk(
        root=Path("/sdk"),
        version=".".join(map(str, number)),
        number=number,
        python=None,
        tools={tool: Path(tool) for tool in tools},
    )


def options_of(tool: str, flags: set[str], **section: Any) -> list[str]:
    box = Toolbox(sdk=sdk_with(tool), environ={}, time_limit_s=1, work=Path())
    box._flags[tool] = frozenset(flags)
    return quantizer_options(recipe_with(**section), Chooser(box=box, tool=tool))


OURS: dict[str, Any] = {"encodings": "ours"}
THEIRS: dict[str, Any] = {"encodings": "theirs"}


@pytest.mark.parametrize(
    ("tool", "flags", "section", "expected"),
    [
        ("snpe-dlc-quantize", OLD, OURS, "--bias_bitwidth=32 --override_params"),
        ("snpe-dlc-quant", NEW, OURS,
         "--bias_bitwidth=32 --override_params --use_per_channel_quantization"),
        ("qairt-quantizer", QAIRT, OURS, "--bias_bitwidth 32 --use_per_channel_quantization"),
        ("snpe-dlc-quantize", OLD, THEIRS, "--bias_bitwidth=32"),
        ("snpe-dlc-quant", NEW, {**THEIRS, "weights": "per_tensor"}, "--bias_bitwidth=32"),
        ("snpe-dlc-quantize", OLD, {**THEIRS, "cle": True, "bias_bits": 8},
         "--bias_bitwidth=8 --optimizations=cle"),
        ("qairt-quantizer", QAIRT, {**THEIRS, "cle": True, "weights": "per_tensor"},
         "--bias_bitwidth 32 --apply_algorithms cle"),
        ("snpe-dlc-quantize", OLD,
         {**THEIRS, "activation_calibration": "enhanced", "weight_calibration": "enhanced"},
         "--bias_bitwidth=32 --use_enhanced_quantizer"),
        ("snpe-dlc-quantize", OLD, {**THEIRS, "weight_schema": "symmetric"},
         "--bias_bitwidth=32 --use_symmetric_quantize_weights"),
        ("snpe-dlc-quant", NEW,
         {**THEIRS, "weights": "per_tensor", "weight_schema": "symmetric",
          "activation_calibration": "enhanced", "activation_bits": 16},
         "--bias_bitwidth=32 --act_bitwidth=16 --act_quantizer=enhanced "
         "--param_quantizer=symmetric"),
        ("qairt-quantizer", QAIRT,
         {**THEIRS, "weights": "per_tensor", "activation_calibration": "percentile",
          "percentile": 99.5, "weight_schema": "symmetric"},
         "--bias_bitwidth 32 --act_quantizer_calibration percentile --param_quantizer_schema "
         "symmetric --percentile_calibration_value 99.5"),
    ],
)  # fmt: skip
def test_the_flags(tool: str, flags: set[str], section: dict[str, Any], expected: str) -> None:
    assert " ".join(options_of(tool, flags, **section)) == expected


@pytest.mark.parametrize(
    ("tool", "flags", "key", "value"),
    [
        ("snpe-dlc-quantize", OLD, "weights", "per_channel"),
        ("snpe-dlc-quantize", OLD, "activation_calibration", "enhanced"),
        ("snpe-dlc-quant", NEW, "activation_calibration", "percentile"),
        ("snpe-dlc-quant", NEW, "weight_schema", "unsignedsymmetric"),
        ("qairt-quantizer", QAIRT, "weight_calibration", "enhanced"),
        ("qairt-quantizer", QAIRT - {"--apply_algorithms"}, "cle", True),
    ],
)
def test_what_has_no_flag_is_refused_by_its_key(
    tool: str, flags: set[str], key: str, value: Any
) -> None:
    with pytest.raises(RecipeError, match=rf"export\.sdk\.{key}: {tool} of .* has no --"):
        options_of(tool, flags, encodings="theirs", **{key: value})


@pytest.mark.parametrize(
    ("key", "value"), [("cle", True), ("activation_bits", 16), ("weights", "per_tensor")]
)
def test_ours_leave_the_quantizer_nothing_to_choose(key: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=rf"{key} is for encodings: theirs"):
        recipe_with(**{key: value})


LEGACY = ("snpe-onnx-to-dlc", "snpe-dlc-quant", "snpe-dlc-graph-prepare")
BOTH = (*LEGACY, "qairt-converter", "qairt-quantizer")


@pytest.mark.parametrize(
    ("tools", "number", "chip", "section", "expected"),
    [
        (("snpe-onnx-to-dlc", "snpe-dlc-quantize"), (1, 68), "SM8350", {}, ("snpe 1", "cache")),
        (("snpe-onnx-to-dlc", "snpe-dlc-quantize"), (1, 68), "SDM845", {}, ("snpe 1", "none")),
        (LEGACY, (2, 10), "SM8550", {}, ("snpe 2", "cache")),
        (BOTH, (2, 25), "SM8550", {}, ("qairt", "cache")),
        (BOTH, (2, 25), "SM8250", {}, ("snpe 2", "none")),
        (BOTH, (2, 25), "SM8550", {"flow": "snpe", "prepare": "none"}, ("snpe 2", "none")),
        (BOTH[3:], (2, 48), "SM8250", {}, ("qairt", "none")),
        ((*BOTH[3:], "qnn-context-binary-generator"), (2, 48), "sm8550", {}, ("qairt", "context")),
    ],
)
def test_the_way_for_a_chip(
    tools: tuple[str, ...],
    number: tuple[int, int],
    chip: str,
    section: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    target = find_sdk_target(chip)
    plan = choose_plan(sdk_with(*tools, number=number), recipe_with(**section), target)
    assert (plan.flow, plan.preparation) == expected


def test_nothing_is_prepared_for_a_chip_without_htp() -> None:
    with pytest.raises(RecipeError, match=r"prepare: cache: SM8250 has a Hexagon v66"):
        choose_plan(sdk_with(*BOTH), recipe_with(prepare="cache"), find_sdk_target("SM8250"))
    with pytest.raises(RecipeError, match="unknown target"):
        find_sdk_target("SM0000")


def test_16_bits_are_refused_for_a_dsp_not_known_to_have_them() -> None:
    theirs = recipe_with(encodings="theirs", activation_bits=16)
    with pytest.raises(RecipeError, match=r"export\.sdk\.activation_bits: SM8250 \(Hexagon v66\)"):
        choose_plan(sdk_with(*BOTH), theirs, find_sdk_target("SM8250"))
    assert choose_plan(sdk_with(*BOTH), theirs, find_sdk_target("SM8350")).flow == "qairt"
    ours = parse_recipe({"name": "r", "quantization": {"wide": ["a"]}}, "here")
    with pytest.raises(RecipeError, match=r"quantization\.activation_bits: SM8250"):
        choose_plan(sdk_with(*BOTH), ours, find_sdk_target("SM8250"))
