"""Foreign graphs: what stands behind the heads is explained by the contract, or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.errors import ArtifactError
from hexdet.export.foreign import foreign_sources, load_foreign
from hexdet.runtime.anchors import all_anchors
from hexdet.runtime.contract import DetectorContract, InputSpec, Level

CLASSES = ("a", "b")
CELLS = ((4, 16), (2, 32))
SIZES = ((10.0, 12.0), (20.0, 24.0), (14.0, 30.0))


def contract_of(activation: str = "softmax", **changes: object) -> DetectorContract:
    levels = tuple(
        Level(
            stride=stride,
            rows=cells,
            columns=cells,
            anchors=SIZES,
            scores=f"scores_{stride}",
            boxes=f"boxes_{stride}",
        )
        for cells, stride in CELLS
    )
    return DetectorContract(
        name="foreign",
        network="foreign",
        classes=CLASSES,
        input=InputSpec(width=64, height=64),
        levels=levels,
        activation=activation,  # type: ignore[arg-type]
        **changes,  # type: ignore[arg-type]
    )


class Graph:
    """A two-level SSD under construction; heads have random weights."""

    def __init__(self, contract: DetectorContract) -> None:
        self.contract = contract
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def head(self, level: Level, channels: int) -> str:
        weight = self.random.normal(0, 0.1, (channels, 3, level.stride, level.stride))
        side = level.stride
        return self.add(
            "Conv",
            ["image", self.constant(weight.astype(np.float32))],
            strides=[side, side],
        )

    def rows(self, head: str, width: int) -> str:
        """Bring a head to [1, anchors, width]."""
        flat = self.add("Transpose", [head], perm=[0, 2, 3, 1])
        return self.add("Reshape", [flat, self.constant(np.asarray([1, -1, width], np.int64))])

    def concatenated(self, width: int) -> str:
        per_anchor = [
            self.rows(self.head(level, len(level.anchors) * width), width)
            for level in self.contract.levels
        ]
        return self.add("Concat", per_anchor, axis=1)

    def output(self, name: str, width: int) -> None:
        shape = [1, self.contract.anchor_count, width]
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def save(self, path: Path, **options: object) -> Path:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])
        graph = helper.make_graph(self.nodes, "foreign", [image], self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, path, **options)
        return path


Ending = Callable[[Graph, str], str]


def softmaxed(graph: Graph, scores: str) -> str:
    return graph.add("Softmax", [scores], axis=2)


def as_it_is(graph: Graph, name: str) -> str:
    return name


def decoded(graph: Graph, deltas: str) -> str:
    """Return decoded boxes, corners in pixels, written down with ONNX operators."""
    anchors = all_anchors(graph.contract)[None]
    place, size = anchors[..., :2].copy(), anchors[..., 2:].copy()

    def part(start: int) -> str:
        bounds = [np.asarray([v], np.int64) for v in (start, start + 2, 2)]
        return graph.add("Slice", [deltas, *(graph.constant(v) for v in bounds)])

    shift = graph.add("Mul", [part(0), graph.constant((0.1 * size).astype(np.float32))])
    centre = graph.add("Add", [shift, graph.constant(place)])
    grown = graph.add("Exp", [graph.add("Mul", [part(2), graph.constant(np.float32(0.2))])])
    half = graph.add("Mul", [grown, graph.constant((size / 2).astype(np.float32))])
    corners = [graph.add("Sub", [centre, half]), graph.add("Add", [centre, half])]
    return graph.add("Concat", corners, axis=2)


def build(
    path: Path,
    contract: DetectorContract,
    scores: Ending = softmaxed,
    boxes: Ending = as_it_is,
    **options: object,
) -> Path:
    graph = Graph(contract)
    width = contract.scores_per_anchor
    for name, size, ending in (("scores", width, scores), ("boxes", 4, boxes)):
        result = ending(graph, graph.concatenated(size))
        graph.nodes.append(helper.make_node("Identity", [result], [name]))
        graph.output(name, size)
    return graph.save(path, **options)


GOOD: list[tuple[Ending, Ending, dict[str, str]]] = [
    (as_it_is, as_it_is, {"scores": "raw scores", "boxes": "raw deltas"}),
    (softmaxed, as_it_is, {"scores": "softmax of the scores", "boxes": "raw deltas"}),
    (
        softmaxed,
        decoded,
        {"scores": "softmax of the scores", "boxes": "decoded boxes as corners in pixels"},
    ),
]


@pytest.mark.parametrize(("scores", "boxes", "words"), GOOD)
def test_standard_arithmetic_is_recognised(
    tmp_path: Path, scores: Ending, boxes: Ending, words: dict[str, str]
) -> None:
    contract = contract_of()
    model, cut = load_foreign(build(tmp_path / "x.onnx", contract, scores, boxes), contract, 17)
    assert cut.outputs == words
    assert {n.op_type for n in model.graph.node} == {"Conv", "Transpose"}
    assert [o.name for o in model.graph.output] == list(contract.output_shapes())


def doubled(graph: Graph, name: str) -> str:
    return graph.add("Mul", [name, graph.constant(np.float32(2))])


def temperature(graph: Graph, name: str) -> str:
    return softmaxed(graph, doubled(graph, name))


def sigmoid(graph: Graph, name: str) -> str:
    return graph.add("Sigmoid", [name])


def swapped(graph: Graph, name: str) -> str:
    """Exchange the two halves of the deltas: sizes before centres."""
    parts = [
        graph.add(
            "Slice",
            [name, *(graph.constant(np.asarray([v], np.int64)) for v in (start, start + 2, 2))],
        )
        for start in (2, 0)
    ]
    return graph.add("Concat", parts, axis=2)


BAD: list[tuple[Ending, Ending, str]] = [
    (temperature, as_it_is, "output scores .*Mul"),
    (doubled, as_it_is, "output scores .*Mul"),
    (sigmoid, as_it_is, "output scores .*Sigmoid"),
    (softmaxed, doubled, "output boxes .*Mul"),
    (softmaxed, swapped, "output boxes .*Slice"),
]


@pytest.mark.parametrize(("scores", "boxes", "words"), BAD)
def test_arithmetic_that_would_be_lost_is_refused(
    tmp_path: Path, scores: Ending, boxes: Ending, words: str
) -> None:
    contract = contract_of()
    path = build(tmp_path / "x.onnx", contract, scores, boxes)
    with pytest.raises(ArtifactError, match=words):
        load_foreign(path, contract, 17)


def test_sigmoid_is_right_where_the_contract_says_so(tmp_path: Path) -> None:
    contract = contract_of("sigmoid")
    _, cut = load_foreign(build(tmp_path / "x.onnx", contract, sigmoid), contract, 17)
    assert cut.outputs["scores"] == "sigmoid of the scores"


def test_a_contract_that_decodes_otherwise_is_refused(tmp_path: Path) -> None:
    path = build(tmp_path / "x.onnx", contract_of(), softmaxed, decoded)
    with pytest.raises(ArtifactError, match="nearest is decoded boxes"):
        load_foreign(path, contract_of(variances=(0.1, 0.1)), 17)


def test_weights_beside_the_graph_are_part_of_its_sources(tmp_path: Path) -> None:
    path = build(
        tmp_path / "x.onnx",
        contract_of(),
        save_as_external_data=True,
        location="x.weights",
        size_threshold=0,
    )
    before = foreign_sources(path)
    assert before.keys() == {"onnx", "onnx x.weights"}
    weights = tmp_path / "x.weights"
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    after = foreign_sources(path)
    assert after["onnx"] == before["onnx"] and after != before
    weights.unlink()
    with pytest.raises(ArtifactError, match=r"x\.weights, which is not beside it"):
        foreign_sources(path)
