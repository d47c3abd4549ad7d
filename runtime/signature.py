"""A graph's inputs and outputs, held against what `detector.json` says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import ArtifactError
from .contract import FILE_NAME, DetectorContract

Precision = Literal["float", "int8"]


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of a graph; a size that the graph leaves open is a text or None.

    kind: its element type as onnxruntime writes it, such as `uint8` or `float`.
    """

    name: str
    shape: tuple[int | str | None, ...]
    kind: str

    def __str__(self) -> str:
        sizes = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.kind} [{sizes}]"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """All inputs and outputs of a graph."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def signature_of_json(content: dict[str, Any]) -> Signature:
    """Return the signature whose `dataclasses.asdict` became JSON."""
    inputs, outputs = (
        tuple(Port(**{**port, "shape": tuple(port["shape"])}) for port in content[role])
        for role in ("inputs", "outputs")
    )
    return Signature(inputs=inputs, outputs=outputs)


def session_signature(session: Any) -> Signature:
    """Return the signature of an onnxruntime session's graph."""
    return Signature(inputs=_ports(session.get_inputs()), outputs=_ports(session.get_outputs()))


def _ports(values: Iterable[Any]) -> tuple[Port, ...]:
    return tuple(
        Port(
            name=value.name,
            shape=tuple(value.shape),
            kind=value.type.removeprefix("tensor(").removesuffix(")"),
        )
        for value in values
    )


def expected_signature(contract: DetectorContract, precision: Precision) -> Signature:
    """Return what a bundle's graph must have: pixels in, of every level its outputs out."""
    height, width = contract.input.height, contract.input.width
    shape = (1, height, width, 3) if precision == "int8" else (1, 3, height, width)
    kind = "uint8" if precision == "int8" else "float"
    return Signature(
        inputs=(Port(name="image", shape=shape, kind=kind),),
        outputs=tuple(
            Port(name=name, shape=sides, kind=kind)
            for name, sides in contract.output_shapes().items()
        ),
    )


def check_signature(path: Path, found: Signature, expected: Signature) -> None:
    """Raise ArtifactError, naming what differs, where a graph does not fit `detector.json`."""
    faults = [
        *_differences("input", found.inputs, expected.inputs),
        *_differences("output", found.outputs, expected.outputs),
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ArtifactError(
            f"{path} does not fit its {FILE_NAME}: {faults[0]}{more}; "
            f"the two do not belong together: export the bundle again"
        )


def _differences(role: str, found: tuple[Port, ...], expected: tuple[Port, ...]) -> Iterator[str]:
    has, wants = {p.name: p for p in found}, {p.name: p for p in expected}
    for name in [*wants, *(n for n in has if n not in wants)]:
        if name not in has:
            known = ", ".join(has) or "none"
            yield f"the graph has no {role} {name} ({role}s: {known}), {FILE_NAME} names it"
        elif name not in wants:
            yield f"the graph has the {role} {name}, which {FILE_NAME} does not name"
        elif has[name] != wants[name]:
            yield f"the graph's {role} {name} is {has[name]}, {FILE_NAME} says {wants[name]}"
