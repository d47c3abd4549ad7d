"""The CPU backend runs both graphs of a bundle, and refuses those that are not the contract's."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hexdet.errors import ArtifactError
from hexdet.runtime.backend import CpuBackend
from hexdet.runtime.contract import DetectorContract, load_contract
from hexdet.runtime.signature import Port, Precision, Signature, check_signature

MakeBundle = Callable[..., Path]
PRECISIONS = ("int8", "float")


def pixels_of(contract: DetectorContract) -> Any:
    shape = (1, contract.input.height, contract.input.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def refused(folder: Path, precision: Precision = "int8") -> str:
    """Return the error's text; it names both files and what to do."""
    with pytest.raises(ArtifactError) as caught:
        CpuBackend(folder, load_contract(folder), precision)
    text = str(caught.value)
    assert text.startswith(f"{folder}/{precision}.onnx does not fit its detector.json: ")
    assert text.endswith("export the bundle again")
    return text


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_both_graphs_say_the_same(make_bundle: MakeBundle, threads: int | None) -> None:
    folder = make_bundle()
    contract = load_contract(folder)
    pixels = pixels_of(contract)
    codes = CpuBackend(folder, contract, "int8", threads=threads).run(pixels)
    floats = CpuBackend(folder, contract, "float", threads=threads).run(pixels)
    assert list(codes) == list(floats) == list(contract.output_shapes())
    for name, shape in contract.output_shapes().items():
        assert (codes[name].shape, codes[name].dtype) == (shape, np.uint8)
        assert (floats[name].shape, floats[name].dtype) == (shape, np.float32)
        np.testing.assert_allclose(floats[name], (codes[name].astype(np.float32) - 127) / 128)
    np.testing.assert_array_equal(codes["scores_16"], pixels[:, ::16, ::16, :2])


def test_codes_become_numbers(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    contract = load_contract(folder)
    backend = CpuBackend(folder, contract, "int8")
    pixels = pixels_of(contract)
    scores = backend.run_float(pixels)["scores_16"]
    np.testing.assert_allclose(
        scores, (pixels[:, ::16, ::16, :2].astype(np.float32) - 128) * 0.05, rtol=1e-6
    )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_input_of_another_size_is_refused(make_bundle: MakeBundle, precision: Precision) -> None:
    text = refused(make_bundle(width=64), precision)
    shapes = {"int8": ("uint8 [1, 32, 64, 3]", "uint8 [1, 32, 48, 3]"),
              "float": ("float [1, 3, 32, 64]", "float [1, 3, 32, 48]")}[precision]  # fmt: skip
    assert f"the graph's input image is {shapes[0]}, detector.json says {shapes[1]}" in text
    assert "(and 2 more)" in text  # the outputs


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_input_of_another_name_is_refused(make_bundle: MakeBundle, precision: Precision) -> None:
    text = refused(make_bundle(image="data"), precision)
    assert "the graph has no input image (inputs: data), detector.json names it" in text


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_output_of_another_name_is_refused(
    make_bundle: MakeBundle, precision: Precision
) -> None:
    text = refused(make_bundle(boxes="boxes_32"), precision)
    assert "the graph has no output boxes_16 (outputs: scores_16, boxes_32)" in text


def test_an_output_of_another_class_count_is_refused(make_bundle: MakeBundle) -> None:
    text = refused(make_bundle({"classes": ("head", "person")}))
    assert (
        "the graph's output scores_16 is uint8 [1, 2, 3, 2], "
        "detector.json says uint8 [1, 2, 3, 3]" in text
    )


def test_the_wrong_graph_under_the_name_is_refused(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    (folder / "float.onnx").replace(folder / "int8.onnx")
    assert "the graph's input image is float [1, 3, 32, 48]" in refused(folder)


def test_an_output_that_is_not_quantized_is_refused(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    model = onnx.load(folder / "int8.onnx")
    model.graph.node[0].output[0] = "codes"
    model.graph.node.append(helper.make_node("Cast", ["codes"], ["scores_16"], to=1))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    onnx.save(model, folder / "int8.onnx")
    assert "scores_16 is float [1, 2, 3, 2], detector.json says uint8" in refused(folder)


def test_a_graph_that_leaves_its_batch_open_is_refused(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    model = onnx.load(folder / "int8.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, folder / "int8.onnx")
    assert "image is uint8 [N, 32, 48, 3], detector.json says uint8 [1, 32" in refused(folder)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_missing_graph_names_the_verb_that_makes_it(
    make_bundle: MakeBundle, precision: Precision
) -> None:
    folder = make_bundle()
    (folder / f"{precision}.onnx").unlink()
    verb = {"int8": "quantize", "float": "export"}[precision]
    with pytest.raises(ArtifactError, match=f"hexdet {verb}"):
        CpuBackend(folder, load_contract(folder), precision)


def test_a_damaged_graph_is_refused_by_name(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    (folder / "int8.onnx").write_bytes(b"\x08\x09garbage")
    with pytest.raises(ArtifactError, match=re.escape(str(folder / "int8.onnx"))):
        CpuBackend(folder, load_contract(folder), "int8")


def test_outputs_without_encodings_are_refused(make_bundle: MakeBundle) -> None:
    folder = make_bundle({"encodings": {}})
    with pytest.raises(ArtifactError, match="no encoding of scores_16: quantize again"):
        CpuBackend(folder, load_contract(folder), "int8")
    CpuBackend(folder, load_contract(folder), "float")


A = Port(name="a", shape=(1, 2), kind="uint8")
B = Port(name="b", shape=(3,), kind="uint8")


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        ((), (), None),
        ((A, B), (B, A), None),  # their order is nobody's business
        ((), (A,), r"the graph has no output a \(outputs: none\), detector.json names it;"),
        ((A, B), (A,), "the graph has the output b, which detector.json does not name;"),
        (
            (dataclasses.replace(A, shape=(1, None)),),
            (A,),
            r"output a is uint8 \[1, \?\], detector.json says uint8 \[1, 2\];",
        ),
        ((dataclasses.replace(A, kind="int8"), B), (A, B), r"output a is int8 \[1, 2\], .*;"),
    ],
)
def test_a_difference_is_named(
    found: tuple[Port, ...], expected: tuple[Port, ...], words: str | None
) -> None:
    def check() -> None:
        check_signature(
            Path("g.onnx"),
            Signature(inputs=(), outputs=found),
            Signature(inputs=(), outputs=expected),
        )

    if words is None:
        check()
        return
    with pytest.raises(ArtifactError, match=words):
        check()
