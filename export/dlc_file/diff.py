"""Two DLCs side by side, like snpe-dlc-diff: layers, wiring, shapes, encodings and weights.

libQnnIr writes the same model file twice byte for byte, but for the timestamps of the metadata.
The same graph from another path has another graph name, for that is a hash of the path; and in a
graph that is a little different the numbers of the generated names (`_token_12`) shift. Neither
is a difference here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from ...errors import ArtifactError
from .encodings import describe, same
from .model import DlcFile, DlcGraph, DlcNode, DlcTensor

S = TypeVar("S")
T = TypeVar("T", DlcNode, DlcTensor)
Aspect: TypeAlias = Literal[
    "file",
    "layer",
    "type",
    "wiring",
    "attribute",
    "tensor",
    "shape",
    "dtype",
    "encoding",
    "weights",
]
_GENERATED = re.compile(r"_token_\d+")
_ABSENT = "absent"
_VALUES_AT_ONCE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs: what it is about, the name of the node or tensor, both sides."""

    aspect: Aspect
    name: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class DlcDiff:
    """Everything that differs, in the order of the first file."""

    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Return whether nothing differs."""
        return not self.differences

    def about(self, *aspects: Aspect) -> tuple[Difference, ...]:
        """Return the differences of the given aspects, as snpe-dlc-diff's -l, -d, -w, -o do."""
        return tuple(found for found in self.differences if found.aspect in aspects)


def compare(first: DlcFile, second: DlcFile) -> DlcDiff:
    """Return what differs between two DLCs; values that cannot be read count as their bytes."""
    return DlcDiff(differences=tuple(_files(first, second)))


def _files(first: DlcFile, second: DlcFile) -> Iterator[Difference]:
    yield from _value("file", "container version", first, second, lambda f: f.container_version)
    yield from _value("file", "converter version", first, second, lambda f: f.converter_version)
    yield from _value("file", "number of graphs", first, second, lambda f: len(f.graphs))
    for one, other in zip(first.graphs, second.graphs, strict=False):
        yield from _graphs(one, other)


def _graphs(first: DlcGraph, second: DlcGraph) -> Iterator[Difference]:
    for name, left, right in _pairs(_by_stable_name(first.nodes), _by_stable_name(second.nodes)):
        if left is None or right is None:
            yield _one_sided("layer", name, left, right)
        else:
            yield from _nodes(name, left, right)
    tensors = _by_stable_name(first.tensors.values()), _by_stable_name(second.tensors.values())
    for name, one, other in _pairs(*tensors):
        if one is None or other is None:
            yield _one_sided("tensor", name, one, other)
        else:
            yield from _tensors(name, one, other)


def _nodes(name: str, first: DlcNode, second: DlcNode) -> Iterator[Difference]:
    yield from _value("type", name, first, second, lambda node: node.type)
    yield from _value("wiring", name, first, second, lambda node: _stable_names(node.inputs))
    yield from _value("wiring", name, first, second, lambda node: _stable_names(node.outputs))
    for key in dict.fromkeys([*first.attributes, *second.attributes]):
        label = f"{name}.{key}"
        left, right = first.attributes.get(key), second.attributes.get(key)
        if isinstance(left, DlcTensor) and isinstance(right, DlcTensor):
            yield from _tensors(label, left, right)
        elif left is None or right is None or repr(left) != repr(right):
            yield Difference(
                aspect="attribute", name=label, first=_plain(left), second=_plain(right)
            )


def _tensors(name: str, first: DlcTensor, second: DlcTensor) -> Iterator[Difference]:
    yield from _value("tensor", name, first, second, lambda tensor: tensor.kind)
    yield from _value("shape", name, first, second, lambda tensor: tensor.shape)
    yield from _value("dtype", name, first, second, lambda tensor: tensor.dtype)
    if not same(first.encoding, second.encoding):
        yield Difference(
            aspect="encoding", name=name, first=describe(first), second=describe(second)
        )
    if first.content != second.content:
        sides = _content(first), _content(second)
        changed = _changed_values(first, second)
        yield Difference(aspect="weights", name=name, first=sides[0], second=f"{sides[1]}{changed}")


def _changed_values(first: DlcTensor, second: DlcTensor) -> str:
    """Say how many values differ and by how much, where both sides have the same shape."""
    try:
        left, right = first.data, second.data
    except ArtifactError:
        return ""
    if left.shape != right.shape or left.dtype != right.dtype:
        return ""
    count, largest = 0, 0.0
    for start in range(0, left.size, _VALUES_AT_ONCE):
        one, other = (side.reshape(-1)[start : start + _VALUES_AT_ONCE] for side in (left, right))
        different = one != other
        if different.any():
            with np.errstate(all="ignore"):
                steps = np.abs(one[different].astype(float) - other[different].astype(float))
            count += int(different.sum())
            largest = max(largest, float(steps.max()))
    return f", {count} of {left.size} differ, by {largest:.6g} at most" if count else ""


def _content(tensor: DlcTensor) -> str:
    return _ABSENT if tensor.content is None else f"{len(tensor.content)} bytes"


def _plain(value: object) -> str:
    if isinstance(value, DlcTensor):
        return f"a tensor {value.dtype} {value.shape}"
    return _ABSENT if value is None else repr(value)


def _value(
    aspect: Aspect, name: str, first: S, second: S, read: Callable[[S], object]
) -> Iterator[Difference]:
    left, right = read(first), read(second)
    if left != right:
        yield Difference(aspect=aspect, name=name, first=str(left), second=str(right))


def _one_sided(
    aspect: Aspect, name: str, first: DlcNode | DlcTensor | None, second: DlcNode | DlcTensor | None
) -> Difference:
    return Difference(aspect=aspect, name=name, first=_label(first), second=_label(second))


def _label(thing: DlcNode | DlcTensor | None) -> str:
    if thing is None:
        return _ABSENT
    return thing.type if isinstance(thing, DlcNode) else f"{thing.dtype} {thing.shape}"


def _stable(name: str) -> str:
    return _GENERATED.sub("", name)


def _stable_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(_stable(name) for name in names)


def _by_stable_name(things: Iterable[T]) -> dict[str, T]:
    """Return nodes or tensors by a name without generated numbers; a second one gets ` #2`."""
    found: dict[str, T] = {}
    counts: dict[str, int] = {}
    for thing in things:
        name = _stable(thing.name)
        counts[name] = counts.get(name, 0) + 1
        found[name if counts[name] == 1 else f"{name} #{counts[name]}"] = thing
    return found


def _pairs(
    first: Mapping[str, T], second: Mapping[str, T]
) -> Iterator[tuple[str, T | None, T | None]]:
    for name in dict.fromkeys([*first, *second]):
        yield name, first.get(name), second.get(name)
