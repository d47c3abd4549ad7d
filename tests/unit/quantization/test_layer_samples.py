"""What a layer learns from: its input behind rounded layers, its output in the float graph."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from hexdet.quantization.cpu_session import cpu_session
from hexdet.quantization.methods.layer_samples import LayerSampling, sampled_by
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import normalise

Float = npt.NDArray[np.float32]


def halves(weight: Float) -> Float:
    return np.asarray(np.rint(weight * 2) / 2, np.float32)


def every_tensor(model: onnx.ModelProto, image: Float) -> dict[str, Float]:
    """Run a graph with all that its nodes give among its outputs."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    del whole.graph.output[:]
    names = [name for node in model.graph.node for name in node.output]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    whole = onnx.shape_inference.infer_shapes(whole)
    return dict(zip(names, cpu_session(whole).run(names, {"image": image}), strict=True))


def test_it_is_what_the_whole_graphs_compute(
    float_graph: onnx.ModelProto, pixels: npt.NDArray[np.uint8], spec: InputSpec
) -> None:
    convolutions = [node for node in float_graph.graph.node if node.op_type == "Conv"]
    weights = {node.input[1] for node in convolutions}
    learnt = onnx.ModelProto()
    learnt.CopyFrom(float_graph)
    rounded = onnx.ModelProto()
    rounded.CopyFrom(float_graph)
    for kept, changed in zip(learnt.graph.initializer, rounded.graph.initializer, strict=True):
        if kept.name in weights:
            # AIMET leaves some between two codes: an eighth is not yet on the grid of halves.
            values = halves(numpy_helper.to_array(kept))
            kept.CopyFrom(numpy_helper.from_array(values + np.float32(0.125), kept.name))
            changed.CopyFrom(numpy_helper.from_array(values, kept.name))
    sampling = LayerSampling(float_graph, dict.fromkeys(weights, halves))
    simulation = SimpleNamespace(model=SimpleNamespace(model=learnt))
    images = [{"image": normalise(picture, spec)} for picture in pixels]
    for node in convolutions:
        sampler = sampling(node.output[0], f"{node.input[0]}_updated", simulation, None)
        read, given = sampler.sample_and_place_all_acts_on_cpu(images)
        assert len(read) == len(given) == len(images) > 0
        for image, one_read, one_given in zip(images, read, given, strict=True):
            before = {**every_tensor(rounded, image["image"]), **image}
            after = every_tensor(float_graph, image["image"])
            np.testing.assert_allclose(one_read, before[node.input[0]], atol=1e-5)
            np.testing.assert_allclose(one_given, after[node.output[0]], atol=1e-5)


def test_the_engines_own_sampler_comes_back(float_graph: onnx.ModelProto) -> None:
    optimizer, own = ModuleType("optimizer"), object()
    optimizer.ActivationSampler = own  # type: ignore[attr-defined]
    sampling = LayerSampling(float_graph, {})
    with sampled_by(optimizer, sampling):
        assert optimizer.ActivationSampler is sampling
    assert optimizer.ActivationSampler is own
