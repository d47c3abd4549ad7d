"""What the door's verbs do where they need the toolchain: call the stages, show the results."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import console
from .datasets.opening import open_split
from .errors import HexdetError, ParityError
from .export.bundle import Bundle, versions, writing
from .export.dlc_stages import INT8_DLC
from .export.lint import operator_histogram
from .export.pipeline import check_bundle, export_bundle, export_foreign
from .export.sdk.about import deliveries
from .export.stages import STAGES, StageReport, Step, Watcher
from .left_out import show_left_out
from .quantization.report.inputs import load_report
from .quantization.report.making import make_report
from .quantization.report.page import save_report
from .quantization.report.schema import Placement, Report
from .quantization.report.verdict import check_verdict
from .recipe import Recipe
from .training.checkpoint import default_checkpoint, load_checkpoint, shipped_checkpoint

if TYPE_CHECKING:
    from .export.ladder import Rung
    from .quantization.advice import AdvisedLayerError
    from .quantization.report.calibration_study import Requantize

DIAGNOSED_IMAGES = 4


class Shown(Watcher):
    """A pipeline's progress on the terminal."""

    @contextlib.contextmanager
    def stage(self, name: str, detail: str) -> Iterator[Step]:
        with console.bar(f"{name}: {detail}") as step:
            yield step

    def done(self, report: StageReport) -> None:
        console.say(f"{report.stage}: {'done' if report.ran else 'unchanged, skipped'}")


def export(
    recipe: Recipe,
    path: Path | None,
    onnx: Path | None,
    build: Path,
    check: int | None,
    prototxt: Path | None = None,
) -> None:
    """Make a bundle, from a checkpoint or a foreign SSD, and close with its table.

    prototxt: of a foreign caffemodel, where it does not lie beside it under the same name.
    """
    folder = build / recipe.name
    if onnx is not None:
        network = recipe.network.model_copy(update={"name": onnx.stem})
        recipe = recipe.model_copy(update={"network": network})
    else:
        checkpoint = load_checkpoint(path or default_checkpoint(recipe, build), recipe)
        console.say(f"checkpoint: {_short(checkpoint.path)}")
    with writing(folder, make=True):
        if onnx is not None:
            bundle = export_foreign(recipe, onnx, folder, Shown(), prototxt)
        else:
            bundle = export_bundle(recipe, checkpoint, folder, Shown())
        show_left_out(recipe)
        placement = examine(bundle, recipe)
        images = recipe.export.check_images if check is None else check
        if images == 0:
            console.say("accuracy check: not run (0 images asked for)")
            return
        report = load_report(folder, recipe, versions())
        if report is not None and report.images >= min(images, report.images_available):
            console.say("accuracy check: unchanged, skipped")
        else:
            report = _report(bundle, recipe, placement, images)
    console.artifact_table(report)
    console.out.print(f"bundle: {folder}    report: {folder}/report.html", markup=False)


def parity(folder: Path, limit: int, bisect: bool, as_json: bool) -> None:
    """Climb the ladder of a bundle; raises ParityError where a rung fails."""
    from .export.ladder import first_failure
    from .export.parity import climb_bundle

    with writing(folder):
        bundle = Bundle(folder, STAGES)
        recipe = bundle.recipe()
        own = folder / "training" / "best.safetensors"
        candidates = [own, default_checkpoint(recipe, folder.parent), shipped_checkpoint(recipe)]
        with _bars("climbing") as progress:
            rungs = climb_bundle(bundle, recipe, candidates, limit=limit, progress=progress)
        if as_json:
            console.print_file(folder / "parity.json")
        else:
            console.ladder_table(rungs)
        failed = first_failure(rungs)
        if failed is None:
            return
        found = f"the rung {failed.title} failed: {failed.reason}"
        if bisect:
            try:
                found += "; " + _bisect(bundle, recipe, failed, candidates)
            except HexdetError as error:
                found += f"; {error}"
        raise ParityError(found)


def dlc_info(path: Path, as_json: bool, as_csv: bool) -> None:
    """Show what a DLC holds, computed from the file alone."""
    from .export.dlc_file import read_dlc
    from .export.dlc_file.info import tabulate

    info = tabulate(read_dlc(path))
    if as_json or as_csv:
        console.out.out(info.to_json() if as_json else info.to_csv(), end="")
    else:
        console.dlc_table(info)


def dlc_diff(first: Path, second: Path, as_json: bool) -> bool:
    """Show what differs between two DLCs and return whether nothing does."""
    from .export.dlc_file import read_dlc
    from .export.dlc_file.diff import compare

    result = compare(read_dlc(first), read_dlc(second))
    if as_json:
        console.print_json([dataclasses.asdict(d) for d in result.differences])
    else:
        console.difference_table(result)
    return result.identical


def report(
    folder: Path,
    limit: int | None,
    max_drop: float | None,
    workers: int | None,
    calibration_study: bool,
    as_json: bool,
) -> None:
    """Make the accuracy-drop report of a bundle; raises ParityError where the budget is missed.

    max_drop: the budget in points of AP@0.5, the recipe's where None. calibration_study: quantize
    again and again with other calibration images, too.
    """
    with writing(folder):
        bundle = Bundle(folder, STAGES)
        recipe = bundle.recipe()
        placement = examine(bundle, recipe)
        with contextlib.ExitStack() as stack:
            requantize = None
            if calibration_study:
                from .export.requantizing import requantizer

                requantize = stack.enter_context(requantizer(bundle, recipe))
            result = _report(
                bundle,
                recipe,
                placement,
                limit,
                max_drop=max_drop,
                workers=workers,
                requantize=requantize,
                layers=_layers(folder, recipe),
            )
        if as_json:
            console.print_file(folder / "report.json")
        else:
            console.accuracy_table(result)
            console.out.print(
                f"{result.parameters:,} parameters, {result.macs:,} MACs; "
                + ", ".join(f"{k} {v / 2**20:.2f} MiB" for k, v in result.sizes.items()),
                markup=False,
            )
            console.out.print(f"report: {folder}/report.html, {folder}/report.json", markup=False)
        check_verdict(result)


@contextlib.contextmanager
def _bars(verb: str) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a progress function that opens a new bar for every new name."""
    with contextlib.ExitStack() as stack:
        shown: dict[str, Step] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in shown:
                stack.close()
                shown[name] = stack.enter_context(console.bar(f"{verb}: {name}"))
            shown[name](done, total)

        yield progress


def examine(bundle: Bundle, recipe: Recipe) -> Placement:
    """Audit and lint a bundle, say what was found, and return it."""
    audit, remarks = check_bundle(bundle, recipe)
    console.say(f"audit: {audit.summary()}")
    for remark in remarks:
        text = f"{remark.rule}: {remark.subject}: {remark.reason}"
        (console.warn if remark.level == "warning" else console.say)(text)
    made = deliveries(bundle)
    for row in made:
        if row["stand_in"] == "yes":
            console.warn(f"{row['file']} was made with a stand-in, not with Qualcomm's SDK")
    return Placement(
        operators=operator_histogram(bundle.folder / INT8_DLC),
        audit=audit.summary(),
        remarks=[dataclasses.asdict(remark) for remark in remarks],
        sdk=made,
    )


def _bisect(bundle: Bundle, recipe: Recipe, failed: Rung, candidates: Sequence[Path]) -> str:
    from .export.bisect import Bisection, bisect
    from .export.parity import find_checkpoint
    from .runtime.contract import load_contract
    from .runtime.images import to_pixels

    if failed.compared_with is None:
        return "it gave no result whose layers could be searched"
    image = open_split(recipe.data, "test")[failed.worst_image].image
    bisection = Bisection(
        bundle.folder,
        recipe,
        to_pixels(image, load_contract(bundle.folder).input),
        lambda: find_checkpoint(bundle, recipe, candidates),
    )
    layer = bisect(bisection, bundle.folder, failed.key, failed.compared_with)
    if layer is None and (bundle.folder / f"{failed.key}.bin").is_file():
        return (
            f"compiled again, every layer is within its tolerance: the binary is stale or damaged, "
            f"write it again with `hexdet dlc {bundle.folder} --target {failed.key}`"
        )
    if layer is None:
        return "on the image that differs most every layer is within its tolerance"
    return (
        f"its first bad layer is {layer.node} (up to {layer.max_apart:.3g} {layer.unit}, "
        f"{layer.mean_apart:.3g} on average, after {layer.layers_before} good ones): "
        f"see {layer.folder}"
    )


def _layers(folder: Path, recipe: Recipe) -> list[AdvisedLayerError]:
    """Return the per-layer errors on the emulated HTP, each with its advice."""
    from .quantization.advice import with_advice
    from .quantization.diagnosis import diagnose_bundle

    with console.bar("diagnosing the layers") as step:
        layers = diagnose_bundle(folder, recipe, True, DIAGNOSED_IMAGES, step)
    return with_advice(layers, recipe.quantization)


def _report(
    bundle: Bundle,
    recipe: Recipe,
    placement: Placement,
    limit: int | None,
    *,
    max_drop: float | None = None,
    workers: int | None = None,
    requantize: Requantize | None = None,
    layers: list[AdvisedLayerError] | None = None,
) -> Report:
    with _bars("scoring") as progress:
        report = make_report(
            bundle.folder,
            recipe,
            versions(),
            placement=placement,
            limit=limit,
            workers=workers,
            max_drop=max_drop,
            requantize=requantize,
            layers=layers,
            progress=progress,
        )
    save_report(report, bundle.folder, open_split(recipe.data, "test"))
    return report


def _short(path: Path) -> Path:
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path
