"""Learnt roundings: on the quantizer's grid, never further than one code, and better on average."""

from __future__ import annotations

import importlib.util
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from hexdet.errors import ArtifactError
from hexdet.quantization.cpu_session import cpu_session
from hexdet.quantization.methods.adaround import RoundedModel, round_weights
from hexdet.quantization.quantize import quantize_graph
from hexdet.quantization.weight_grid import weight_grids
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import normalise

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("aimet_onnx") is None,
    reason="no AIMET: pip install 'hexdet[aimet]'",
)
Pixels = npt.NDArray[np.uint8]
Scheme = Literal["per_channel", "per_tensor"]
SCHEMES: tuple[Scheme, ...] = ("per_channel", "per_tensor")
ITERATIONS = 300


def section_of(scheme: Scheme) -> QuantizationSection:
    return QuantizationSection(weights=scheme, rounding="adaround", adaround_iterations=ITERATIONS)


@pytest.fixture(scope="module")
def rounded(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> dict[str, RoundedModel]:
    return {s: round_weights(float_graph, list(pixels), spec, section_of(s)) for s in SCHEMES}


def constants(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.float64]]:
    return {v.name: numpy_helper.to_array(v).astype(np.float64) for v in model.graph.initializer}


@pytest.mark.parametrize("scheme", SCHEMES)
class TestRounded:
    def test_the_grids_are_the_quantizers(
        self, scheme: Scheme, rounded: dict[str, RoundedModel], float_graph: onnx.ModelProto
    ) -> None:
        grids = weight_grids(float_graph, section_of(scheme))
        assert rounded[scheme].scales.keys() == grids.keys()
        for name, (scale, zero_point) in rounded[scheme].scales.items():
            np.testing.assert_array_equal(scale, grids[name].scale)
            np.testing.assert_array_equal(zero_point, grids[name].zero_point)

    def test_weights_lie_on_it_one_code_away_at_most(
        self, scheme: Scheme, rounded: dict[str, RoundedModel], float_graph: onnx.ModelProto
    ) -> None:
        before, after = constants(float_graph), constants(rounded[scheme].model)
        moved = 0
        for name, (scale, _) in rounded[scheme].scales.items():
            wide = scale.reshape(-1, 1, 1, 1).astype(np.float64)
            codes = after[name] / wide
            np.testing.assert_allclose(codes, np.rint(codes), atol=1e-3)
            assert (np.abs(codes - before[name] / wide) < 1.001).all()
            moved += int((np.rint(codes) != np.rint(before[name] / wide)).sum())
        assert moved > 0  # or it would be nearest rounding

    def test_the_integer_graph_holds_these_codes(
        self,
        scheme: Scheme,
        rounded: dict[str, RoundedModel],
        float_graph: onnx.ModelProto,
        pixels: Pixels,
        spec: InputSpec,
    ) -> None:
        model = quantize_graph(float_graph, list(pixels), spec, section_of(scheme)).model
        found = {v.name: numpy_helper.to_array(v) for v in model.graph.initializer}
        real = constants(rounded[scheme].model)
        for name, (scale, zero_point) in rounded[scheme].scales.items():
            shape = (-1, 1, 1, 1) if scale.ndim else ()
            codes = np.rint(real[name] / scale.reshape(shape)) + zero_point.reshape(shape)
            np.testing.assert_array_equal(found[f"{name}_quantized"], codes)

    def test_the_outputs_come_nearer(
        self,
        scheme: Scheme,
        rounded: dict[str, RoundedModel],
        float_graph: onnx.ModelProto,
        pixels: Pixels,
        spec: InputSpec,
    ) -> None:
        nearest = onnx.ModelProto()
        nearest.CopyFrom(float_graph)
        for value in nearest.graph.initializer:
            if value.name in rounded[scheme].scales:
                scale = rounded[scheme].scales[value.name][0]
                wide = scale.reshape(-1, 1, 1, 1)
                array = np.rint(numpy_helper.to_array(value) / wide) * wide
                value.CopyFrom(numpy_helper.from_array(array.astype(np.float32), value.name))
        exact = _outputs(float_graph, pixels, spec)
        learnt = _outputs(rounded[scheme].model, pixels, spec)
        assert _error(learnt, exact) < _error(_outputs(nearest, pixels, spec), exact)


def test_same_images_same_result(
    rounded: dict[str, RoundedModel], float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> None:
    again = round_weights(float_graph, list(pixels), spec, section_of("per_channel"))
    assert again.model.SerializeToString() == rounded["per_channel"].model.SerializeToString()


def test_progress_ends_at_the_last_layer(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> None:
    seen: list[tuple[int, int]] = []
    section = QuantizationSection(rounding="adaround", adaround_iterations=2)
    round_weights(
        float_graph, list(pixels), spec, section, lambda done, total: seen.append((done, total))
    )
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_no_image_is_refused(float_graph: onnx.ModelProto, spec: InputSpec) -> None:
    with pytest.raises(ArtifactError, match="no image"):
        round_weights(float_graph, [], spec, QuantizationSection())


def _outputs(model: onnx.ModelProto, pixels: Pixels, spec: InputSpec) -> npt.NDArray[np.float32]:
    session = cpu_session(model)
    runs = [session.run(None, {"image": normalise(image, spec)}) for image in pixels]
    return np.concatenate([v.ravel() for run in runs for v in run])


def _error(found: npt.NDArray[np.float32], exact: npt.NDArray[np.float32]) -> float:
    return float(((found - exact) ** 2).mean())
