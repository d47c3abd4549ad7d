"""Equalised graphs compute the same, with even weights; what cannot be equalised is refused."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.benchmarks.rescaling import rescale_channels
from hexdet.errors import ArtifactError, ParityError
from hexdet.quantization.cpu_session import cpu_session
from hexdet.quantization.methods import equalisation
from hexdet.quantization.methods.equalisation import equalise

needs_aimet = pytest.mark.skipif(
    importlib.util.find_spec("aimet_onnx") is None,
    reason="no AIMET: pip install 'hexdet[aimet]'",
)
CHANNELS, SIDE = 6, 12
Array = npt.NDArray[np.float32]


def chain(between: Sequence[str], *, depthwise: bool = False) -> onnx.ModelProto:
    """Return convolutions with the named operators between each two, and their transposed output.

    between: one a gap; "" for none, "branch" for a second reader of what the convolution gives.
    depthwise: every second convolution is one.
    """
    rng = np.random.default_rng(3)
    constants = [numpy_helper.from_array(np.float32(v), n) for n, v in (("low", 0), ("high", 6))]
    nodes, outputs, source, inputs = [], [], "image", 3
    for index in range(len(between) + 1):
        groups = CHANNELS if depthwise and index % 2 else 1
        shape = (CHANNELS, inputs // groups, 3, 3)
        weight = (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        bias = rng.normal(size=CHANNELS).astype(np.float32)
        constants.append(numpy_helper.from_array(weight, f"w{index}"))
        # AIMET writes raw bytes: a bias that is stored as a list of floats must survive that.
        constants.append(helper.make_tensor(f"b{index}", TensorProto.FLOAT, [CHANNELS], bias))
        node = helper.make_node(
            "Conv", [source, f"w{index}", f"b{index}"], [f"c{index}"], name=f"conv{index}",
            kernel_shape=[3, 3], pads=[1] * 4, group=groups,
        )  # fmt: skip
        nodes.append(node)
        source, inputs = f"c{index}", CHANNELS
        kind = between[index] if index < len(between) else ""
        if kind == "branch":
            nodes.append(helper.make_node("Relu", [source], [f"side{index}"], name=f"side{index}"))
            outputs.append(f"side{index}")
        elif kind:
            reads = [source, "low", "high"] if kind == "Clip" else [source]
            nodes.append(helper.make_node(kind, reads, [f"a{index}"], name=f"act{index}"))
            source = f"a{index}"
    nodes.append(helper.make_node("Transpose", [source], ["out"], name="t", perm=[0, 2, 3, 1]))
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, SIDE, SIDE, CHANNELS]),
            *(
                helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, CHANNELS, SIDE, SIDE])
                for n in outputs
            ),
        ],
        [c for c in constants if "Clip" in between or c.name not in ("low", "high")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def weights(model: onnx.ModelProto) -> dict[str, Array]:
    return {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}


def outputs(model: onnx.ModelProto) -> list[Array]:
    image = np.random.default_rng(7).uniform(-1, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
    found: list[Array] = cpu_session(model).run(None, {"image": image})
    return found


def spread(ranges: Array) -> float:
    return float(ranges.max() / ranges.min())


@needs_aimet
class TestEqualised:
    @pytest.mark.parametrize(
        ("between", "depthwise"),
        [([""], False), (["Relu"], False), (["Relu", "Relu"], True), (["", "Relu", ""], False)],
    )
    def test_function_and_names_stay(self, between: list[str], depthwise: bool) -> None:
        model = rescale_channels(chain(between, depthwise=depthwise), factor=100, seed=0)
        result = equalise(model)
        for before, after in zip(outputs(model), outputs(result), strict=True):
            np.testing.assert_allclose(after, before, atol=1e-4 * np.ptp(before))
        assert list(result.graph.node) == list(model.graph.node)
        assert [v.name for v in result.graph.initializer] == [
            v.name for v in model.graph.initializer
        ]

    def test_both_sides_of_a_channel_get_the_same_range(self) -> None:
        model = rescale_channels(chain(["Relu"]), factor=100, seed=0)
        before, after = weights(model), weights(equalise(model))
        assert spread(np.abs(before["w0"]).max(axis=(1, 2, 3))) > 50
        np.testing.assert_allclose(
            np.abs(after["w0"]).max(axis=(1, 2, 3)),
            np.abs(after["w1"]).max(axis=(0, 2, 3)),
            rtol=1e-3,
        )

    def test_a_rescaling_is_taken_back(self) -> None:
        plain = chain(["Relu", "Relu"], depthwise=True)
        stressed = rescale_channels(plain, factor=100, seed=5)
        calm, wild = weights(equalise(plain)), weights(stressed)
        mended = weights(equalise(stressed))
        for name in ("w0", "w1"):
            before, after, wanted = (
                spread(np.abs(w[name]).max(axis=(1, 2, 3))) for w in (wild, mended, calm)
            )
            assert before > 50
            assert after < 1.5 * wanted

    def test_the_model_that_came_in_is_left_alone(self) -> None:
        model = chain(["Relu"])
        before = model.SerializeToString()
        equalise(model)
        assert model.SerializeToString() == before

    def test_a_chain_beside_a_clip_is_equalised(self) -> None:
        model = rescale_channels(chain(["Clip", ""]), factor=100, seed=0)
        before, after = weights(model), weights(equalise(model))
        np.testing.assert_array_equal(after["w0"], before["w0"])
        assert spread(np.abs(after["w1"]).max(axis=(1, 2, 3))) < spread(
            np.abs(before["w1"]).max(axis=(1, 2, 3))
        )


@needs_aimet
class TestRefused:
    @pytest.mark.parametrize(
        ("between", "why"),
        [
            (["Clip"], r"behind the first stands Clip \(act0\), whose ceiling no factor passes"),
            (["Sigmoid"], r"Sigmoid \(act0\)"),
            (["branch"], r"a branch to 2 nodes \(c0\)"),
            ([], r"no two convolutions follow each other .* Transpose \(t\)"),
        ],
    )
    def test_no_chain(self, between: list[str], why: str) -> None:
        with pytest.raises(ArtifactError, match=why):
            equalise(chain(between))

    def test_another_function(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(equalisation, "ALLOWED", -1.0)
        with pytest.raises(ParityError, match=r"out differs by .* allowed"):
            equalise(chain(["Relu"]))


class TestRescaled:
    def test_function_stays_and_channels_do_not(self) -> None:
        model = chain(["Relu", "Relu", ""], depthwise=True)
        result = rescale_channels(model, factor=100, seed=0)
        for before, after in zip(outputs(model), outputs(result), strict=True):
            np.testing.assert_allclose(after, before, atol=1e-4 * np.ptp(before))
        assert spread(np.abs(weights(result)["w0"]).max(axis=(1, 2, 3))) > 50

    def test_same_seed_same_graph(self) -> None:
        first, again, other = (rescale_channels(chain([""]), factor=9, seed=s) for s in (1, 1, 2))
        assert first.SerializeToString() == again.SerializeToString()
        assert first.SerializeToString() != other.SerializeToString()

    @pytest.mark.parametrize("between", [["Clip"], ["branch"], []])
    def test_nothing_to_rescale(self, between: list[str]) -> None:
        with pytest.raises(ArtifactError, match="no two convolutions"):
            rescale_channels(chain(between), factor=100, seed=0)
