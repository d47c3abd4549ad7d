"""The ladder of parity: the same images through every form of a network, each against the last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..datasets.record import Record
from ..errors import HexdetError, NotRunError
from ..evaluation.average_precision import Accuracy, score_detections
from ..evaluation.found_again import found_again
from ..quantization.difference import span
from ..runtime.backend import Backend
from ..runtime.contract import DetectorContract
from ..runtime.detections import Detections
from ..runtime.images import prepare
from ..runtime.postprocess import Postprocessor
from .tolerances import NOISE_FLOOR, Tolerance

Outputs = dict[str, npt.NDArray[Any]]
Floats = Mapping[str, npt.NDArray[np.float32]]

MATCH_IOU = 0.9
BASE = "float"
"""Key of the rung that quantization noise is measured from."""
Status = Literal["reference", "passed", "failed", "not run"]


@dataclass(frozen=True, kw_only=True)
class RungSpec:
    """A rung before it runs: `open` raises NotRunError, or is None, where it cannot."""

    key: str
    title: str
    tolerance: Tolerance
    open: Callable[[], Backend] | None
    not_run: str = ""
    compare_with: str | None = None
    """Key of the rung it is held against; the last one that ran where None."""


@dataclass(frozen=True, kw_only=True)
class OutputDifference:
    """How far one output is from the reference rung's over all images.

    units: of the network (logits, deltas); codes: units divided by the output's 8-bit scale;
    relative: the largest difference as a share of the reference's range.
    """

    output: str
    max_units: float
    mean_units: float
    max_codes: float | None
    mean_codes: float | None
    relative: float


@dataclass(frozen=True, kw_only=True)
class Rung:
    """A rung after it ran, or did not: `reason` says why it failed or was not run.

    matched of `references`: the reference's detections from the default score up that this rung
    finds too, same class and IoU at least 0.9, at half that score or more.
    worst_image: number of the image, from 0, whose outputs are furthest from the reference's.
    """

    key: str
    title: str
    status: Status
    reason: str
    compared_with: str | None
    outputs: tuple[OutputDifference, ...]
    matched: int
    references: int
    worst_image: int
    ap50: float | None
    ap: float | None


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What a rung gave: raw outputs, the same in float, and detections, one entry an image."""

    raw: list[Outputs]
    floats: list[Floats]
    found: list[Detections]


def climb(
    specs: Sequence[RungSpec],
    contract: DetectorContract,
    records: Sequence[Record],
    score: float,
    progress: Callable[[str, int, int], None] = lambda title, done, total: None,
) -> list[Rung]:
    """Run every rung on the records and compare it with its reference.

    score: scoring threshold of the AP column. A rung for which something is missing is not run and
    says why; one that breaks, or gives no finite numbers, has failed. Neither counts as passed,
    and the next one is compared with the last that gave a result.
    """
    rungs: list[Rung] = []
    runs: dict[str, _Run] = {}
    for spec in specs:
        try:
            if spec.open is None:
                raise NotRunError(spec.not_run)
            if spec.compare_with is not None and spec.compare_with not in runs:
                raise NotRunError(f"its reference {spec.compare_with} has no result")
            with spec.open() as backend:
                run = _run(backend, contract, records, score, _named(progress, spec.title))
        except HexdetError as error:
            status: Status = "not run" if isinstance(error, NotRunError) else "failed"
            rungs.append(_without_result(spec, status, str(error).removeprefix("not run: ")))
            continue
        reference = spec.compare_with or next(reversed(runs), None)
        rung = _judge(spec, run, runs.get(reference or ""), reference, contract, records)
        if rung.status == "passed" and reference is not None and BASE in runs:
            noise = _noise_excess(spec.tolerance, run, runs[reference], runs[BASE], contract)
            rung = replace(rung, status="failed", reason=noise) if noise else rung
        rungs.append(rung)
        runs[spec.key] = run
    return rungs


def first_failure(rungs: Sequence[Rung]) -> Rung | None:
    """Return the first rung that failed, None where none did."""
    return next((rung for rung in rungs if rung.status == "failed"), None)


def _named(progress: Callable[[str, int, int], None], title: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(title, done, total)


def _run(
    backend: Backend,
    contract: DetectorContract,
    records: Sequence[Record],
    score: float,
    progress: Callable[[int, int], None],
) -> _Run:
    postprocess = Postprocessor(contract, contract.encodings)
    thresholds = replace(contract.thresholds, score=score, per_class={})
    run = _Run(raw=[], floats=[], found=[])
    for done, record in enumerate(records, 1):
        prepared = prepare(record.image, contract.input)
        raw = dict(backend.run(prepared.pixels))
        floats = {
            name: contract.encodings[name].dequantize(value) if value.dtype == np.uint8 else value
            for name, value in raw.items()
        }
        run.raw.append(raw)
        run.floats.append(floats)
        run.found.append(postprocess(raw, prepared.placement, thresholds))
        progress(done, len(records))
    return run


def _judge(
    spec: RungSpec,
    run: _Run,
    reference: _Run | None,
    reference_key: str | None,
    contract: DetectorContract,
    records: Sequence[Record],
) -> Rung:
    accuracy: Accuracy | None = None
    if any(len(record.annotation) for record in records):
        truths = [record.annotation for record in records]
        accuracy = score_detections(truths, run.found, contract.classes)
    outputs: tuple[OutputDifference, ...] = ()
    matched = references = worst = 0
    status: Status = "reference"
    reason = ""
    if reference is not None:
        outputs = tuple(_difference(n, run, reference, contract) for n in contract.output_shapes())
        matched, references = found_again(
            reference.found, run.found, score=contract.thresholds.score, least_iou=MATCH_IOU
        )
        worst = _worst_image(run, reference, contract)
        reason = _excess(spec.tolerance, outputs, matched, references)
        status = "failed" if reason else "passed"
    return Rung(
        key=spec.key,
        title=spec.title,
        status=status,
        reason=reason,
        compared_with=reference_key,
        outputs=outputs,
        matched=matched,
        references=references,
        worst_image=worst,
        ap50=accuracy.ap50 if accuracy else None,
        ap=accuracy.ap if accuracy else None,
    )


def _without_result(spec: RungSpec, status: Status, reason: str) -> Rung:
    return Rung(
        key=spec.key,
        title=spec.title,
        status=status,
        reason=reason,
        compared_with=None,
        outputs=(),
        matched=0,
        references=0,
        worst_image=0,
        ap50=None,
        ap=None,
    )


def _difference(
    name: str, run: _Run, reference: _Run, contract: DetectorContract
) -> OutputDifference:
    apart, expected = [], []
    for image in range(len(run.raw)):
        a, b = reference.raw[image][name], run.raw[image][name]
        if a.dtype == b.dtype == np.uint8:
            # Codes are compared as integers, so that equal means equal.
            scale = contract.encodings[name].scale
            apart.append(np.abs(a.astype(np.int16) - b.astype(np.int16)) * np.float64(scale))
        else:
            floats = reference.floats[image][name].astype(np.float64)
            apart.append(np.abs(floats - run.floats[image][name]))
        expected.append(reference.floats[image][name])
    all_apart, all_expected = np.stack(apart), np.stack(expected)
    encoding = contract.encodings.get(name)
    largest, mean = float(all_apart.max()), float(all_apart.mean())
    return OutputDifference(
        output=name,
        max_units=largest,
        mean_units=mean,
        max_codes=largest / encoding.scale if encoding else None,
        mean_codes=mean / encoding.scale if encoding else None,
        relative=largest / span(all_expected),
    )


def _worst_image(run: _Run, reference: _Run, contract: DetectorContract) -> int:
    """Return the image with the largest difference of any output, as a share of its range."""
    shares = np.zeros(len(run.floats))
    for name in contract.output_shapes():
        expected = np.stack([floats[name] for floats in reference.floats])
        apart = np.abs(np.stack([floats[name] for floats in run.floats]) - expected)
        shares = np.maximum(shares, apart.reshape(len(apart), -1).max(axis=1) / span(expected))
    return int(shares.argmax())


def _noise_excess(
    tolerance: Tolerance, run: _Run, reference: _Run, base: _Run, contract: DetectorContract
) -> str:
    """Return, in words, where a rung is further from float than its reference explains."""
    if tolerance.mean_noise is None:
        return ""
    for name in contract.output_shapes():
        ours = _difference(name, run, base, contract).mean_codes
        theirs = _difference(name, reference, base, contract).mean_codes
        if ours is None or theirs is None:
            continue
        if not ours <= tolerance.mean_noise * theirs + NOISE_FLOOR:
            return (
                f"{name} is {ours:.2f} codes from float on average, its reference {theirs:.2f}: "
                f"allowed {tolerance.mean_noise:g} times as much and {NOISE_FLOOR:g}"
            )
    return ""


def _excess(
    tolerance: Tolerance, outputs: Sequence[OutputDifference], matched: int, references: int
) -> str:
    """Return what is beyond the tolerance, in words; empty where nothing is."""
    for row in outputs:
        limits = (
            (row.relative, tolerance.relative, "of its range"),
            (row.max_codes, tolerance.max_codes, "codes at most"),
            (row.mean_codes, tolerance.mean_codes, "codes on average"),
        )
        for value, limit, unit in limits:
            # Written so that a value that is not a number is beyond every limit.
            if limit is not None and value is not None and not value <= limit:
                return f"{row.output} differs by {value:.3g} {unit}, allowed {limit:g}"
    if tolerance.matched is not None and matched < tolerance.matched * references:
        return (
            f"{matched} of {references} detections found again, "
            f"at least {tolerance.matched:.0%} expected"
        )
    return ""
