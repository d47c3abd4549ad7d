"""What is seen of a graph's layers: opened once for many images, together and each alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from hexdet.quantization import isolation, layers
from hexdet.quantization.isolation import alone_on_cpu
from hexdet.quantization.layers import cpu_layers, expose, exposed_shapes, graph_layers
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import normalise

Pixels = npt.NDArray[np.uint8]
Graphs = dict[str, onnx.ModelProto]


def test_one_session_serves_every_image(
    quantized: Graphs,
    float_graph: onnx.ModelProto,
    pixels: Pixels,
    spec: InputSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = []
    session = layers.cpu_session
    monkeypatch.setattr(layers, "cpu_session", lambda m: opened.append(m) or session(m))
    run, in_float = cpu_layers(quantized["per_channel"]), graph_layers(float_graph)
    codes = [run(picture) for picture in pixels]
    floats = [in_float(normalise(picture, spec)) for picture in pixels]
    assert len(pixels) > 1 and len(opened) == 2
    # What one image gave is not overwritten by the next.
    for name, first in codes[0].items():
        np.testing.assert_array_equal(first, run(pixels[0])[name])
    assert any((codes[0][name] != codes[1][name]).any() for name in codes[0])
    assert any((floats[0][name] != floats[1][name]).any() for name in floats[0])


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_layers_alone_on_their_own_codes_are_the_whole_graph(
    quantized: Graphs, pixels: Pixels, scheme: str
) -> None:
    model = quantized[scheme]
    together = cpu_layers(model)(pixels[0])
    alone = alone_on_cpu(model, together, pixels[0])
    assert list(alone) == list(together) == list(exposed_shapes(expose(model)))
    for name, codes in together.items():
        np.testing.assert_array_equal(alone[name], codes, err_msg=name)


def test_an_error_stays_in_the_layers_that_read_it(quantized: Graphs, pixels: Pixels) -> None:
    """A changed tensor moves what is computed from it, and nothing behind that."""
    model = quantized["per_channel"]
    together = cpu_layers(model)(pixels[0])
    seen = set[str]()
    for changed in together:
        given = {**together, changed: 255 - together[changed]}
        alone = alone_on_cpu(model, given, pixels[0])
        moved = {name for name in alone if (alone[name] != together[name]).any()}
        assert moved <= _readers(model, changed)
        np.testing.assert_array_equal(alone[changed], together[changed])
        seen |= moved
    assert seen == set().union(*(_readers(model, name) for name in together))
    assert isolation.GIVEN not in "".join(together)


def _readers(model: onnx.ModelProto, codes: str) -> set[str]:
    """Return the tensors of codes that are computed from another without one between."""
    ends = set(exposed_shapes(expose(model)))
    found, waiting = set[str](), [codes]
    while waiting:
        name = waiting.pop()
        outputs = [o for node in model.graph.node if name in node.input for o in node.output]
        found |= ends & {*outputs}
        waiting += [o for o in outputs if o not in ends]
    return found
