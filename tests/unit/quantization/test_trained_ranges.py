"""Ranges that a network brings from its training: how they travel, and who may use them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hexdet.errors import RecipeError
from hexdet.quantization.ranges.calibration import find_ranges
from hexdet.quantization.ranges.estimators import Range
from hexdet.quantization.ranges.trained import (
    KEY,
    read_trained_ranges,
    trained_ranges,
    write_trained_ranges,
)
from hexdet.recipe import QuantizationSection, load_recipe
from hexdet.runtime.contract import InputSpec

SPEC = InputSpec(width=4, height=4, mean=0.0, std=1.0)


def two_steps() -> onnx.ModelProto:
    """Return a graph: its tensor `a` is the image, its tensor `b` minus that."""
    shape = [1, 3, 4, 4]
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["image"], ["a"], name="a"),
            helper.make_node("Neg", ["a"], ["b"], name="b"),
        ],
        "two",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_they_travel_in_the_file() -> None:
    model = two_steps()
    assert read_trained_ranges(model) == {}
    write_trained_ranges(model, {"a": Range(low=-1.5, high=6.0), "gone": Range(low=0, high=1)})
    again = onnx.load_from_string(model.SerializeToString())
    assert read_trained_ranges(again) == {"a": Range(low=-1.5, high=6.0)}
    onnx.checker.check_model(again)


def test_a_network_without_gets_no_entry() -> None:
    model = two_steps()
    write_trained_ranges(model, {})
    assert not [entry for entry in model.metadata_props if entry.key == KEY]
    with pytest.raises(RecipeError, match="brings no trained ranges"):
        trained_ranges(model)


def test_what_they_do_not_say_is_measured() -> None:
    model = two_steps()
    write_trained_ranges(model, {"a": Range(low=0.0, high=6.0)})
    images = [np.full((1, 4, 4, 3), value, np.uint8) for value in (0, 9)]
    section = QuantizationSection(ranges="trained")
    ranges = find_ranges(model, {"a": 8, "b": 8}, images, SPEC, section)
    assert ranges == {"a": Range(low=0.0, high=6.0), "b": Range(low=-9.0, high=0.0)}
    plain = find_ranges(model, {"a": 8}, images, SPEC, QuantizationSection())
    assert plain == {"a": Range(low=0.0, high=9.0)}


def test_equalisation_would_make_them_wrong() -> None:
    overrides = ["quantization.ranges=trained", "quantization.equalise=true"]
    with pytest.raises(RecipeError, match="equalise changes what trained ranges"):
        load_recipe("heads", overrides)
