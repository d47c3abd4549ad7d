"""The stage that lets an SDK make the DLCs of a bundle: `sdk/<chip>/`, beside the bundle's own.

They do not take the place of int8.dlc: report and parity hold the two against each other, an SDK
may come in several versions, and a chip of another Hexagon version needs another DLC.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...calibration_data.images import CalibrationImages
from ...datasets.opening import open_calibration, open_split
from ...errors import HexdetError
from ...recipe import Recipe
from ...runtime.backend import graph_path
from ...runtime.contract import FILE_NAME as CONTRACT
from ...runtime.contract import load_contract
from ...runtime.files import replacing, sha256_of, to_json, write_text
from ...runtime.targets import target_of_arch
from ..bundle import Bundle
from ..quantizing_stage import calibration_images
from ..stages import StageReport, Watcher
from .about import FILE_NAME as ABOUT
from .about import FLOAT_DLC, FOLDER, INT8_DLC, SDK_STAGE
from .calls import Toolbox
from .discovery import Sdk
from .flows import Plan, Steps, choose_plan
from .held import as_note, check_held, compare_encodings, encodings_in, output_encodings
from .overrides import write_overrides
from .staging import staging_folder, write_calibration
from .targets import find_sdk_target

CALLS, LOG, FAILED = "calls.jsonl", "log.txt", "failed"
ENCODINGS = "encodings_held.json"
"""Every encoding that the INT8 DLC holds, whoever chose it."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What an SDK made for a chip. about: what the manifest says of it; notes: what was odd."""

    target: str
    folder: Path
    about: Mapping[str, Any]
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return it in a line."""
        about = self.about
        return (
            f"{self.folder / INT8_DLC}: by {about['sdk']} ({about['flow']}), encodings "
            f"{about['encodings']}, preparation {about['preparation']}: {about['held_summary']}"
        )


def make_sdk_dlcs(
    bundle: Bundle, recipe: Recipe, sdk: Sdk, targets: Sequence[str], watch: Watcher
) -> list[Made]:
    """Make or refresh `sdk/<chip>/` for each chip: float.dlc, int8.dlc, detector.json, the calls.

    targets: names; where there are none, the recipe's chips, or the one of its Hexagon version.
    Raises RecipeError for a chip or key that the SDK lacks, ToolError where a tool fails (its
    inputs, printout and command line are then kept in `sdk/<chip>/failed/`), ParityError where the
    DLC does not hold the encodings that were imposed. What was there before then stays.
    """
    section = recipe.export.sdk
    names = targets or section.chips or (target_of_arch(recipe.export.target_arch).name,)
    chips = [find_sdk_target(name) for name in dict.fromkeys(names)]
    plans = [choose_plan(sdk, recipe, chip) for chip in chips]
    images: list[CalibrationImages] = []
    return [_make(bundle, recipe, sdk, plan, images, watch) for plan in plans]


def _make(
    bundle: Bundle,
    recipe: Recipe,
    sdk: Sdk,
    plan: Plan,
    images: list[CalibrationImages],
    watch: Watcher,
) -> Made:
    """Run one chip's stage. images: read once for all chips, by the first that needs them."""
    name = plan.target.name
    place = Path(FOLDER) / name
    dataset = open_calibration(recipe)
    inputs = {
        "sdk": f"{sdk.title} {sdk.version}",
        "plan": dataclasses.asdict(plan),
        "section": recipe.export.sdk.model_dump(exclude={"chips", "time_limit_s"}),
        "quantization": recipe.quantization.model_dump(),
        "calibration": recipe.calibration.model_dump(),
        "data": dataset.fingerprint(),
        "float": sha256_of(graph_path(bundle.folder, "float")),
        "int8": sha256_of(graph_path(bundle.folder, "int8")),
    }
    outputs = [FLOAT_DLC, INT8_DLC, CONTRACT, ENCODINGS, ABOUT, CALLS, LOG]
    outputs += [f"{name}.bin"] if plan.preparation == "context" else []
    notes: list[str] = []

    def work() -> None:
        if not images:
            evaluated = open_split(recipe.data, "test")
            images.append(calibration_images(recipe, dataset, evaluated, watch))
        with (
            staging_folder() as folder,
            _keeping(bundle.folder / place, folder, sdk, recipe) as box,
        ):
            steps = Steps(
                plan=plan,
                recipe=recipe,
                contract=load_contract(bundle.folder),
                box=box,
                notes=notes,
            )
            _work(bundle.folder, place, steps, images[0], watch)

    ran = bundle.run(f"{SDK_STAGE}{name}", inputs, [str(place / file) for file in outputs], work)
    watch.done(StageReport(stage=f"{SDK_STAGE}{name}", ran=ran))
    folder = bundle.folder / place
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return Made(target=name, folder=folder, about=about, notes=tuple(notes))


def _work(
    bundle: Path, place: Path, steps: Steps, images: CalibrationImages, watch: Watcher
) -> None:
    """Convert, quantize, prepare, compare, and put what came of it into its place."""
    work, plan, recipe = steps.box.work, steps.plan, steps.recipe
    ours = recipe.export.sdk.encodings == "ours"
    count = 3 + (plan.preparation != "none")
    with watch.stage("dlc", f"{steps.box.sdk.title} for {plan.target.name}") as step:
        steps.check_options()
        graph = work / "model.onnx"
        shutil.copyfile(graph_path(bundle, "float"), graph)
        converted = steps.convert(graph, None, work / FLOAT_DLC)
        step(1, count)
        source = work / FLOAT_DLC
        if ours:
            imposed, overrides, _ = write_overrides(bundle, _folder(work / "imposed"))
            source = work / "imposed.dlc"
            converted = steps.convert(imposed, overrides, source)
        spec = steps.contract.input
        listed = write_calibration(images, converted.model.inputs[0].shape, spec, work)
        step(2, count)
        quantized = steps.quantize(source, listed, work / INT8_DLC)
        step(3, count)
        held = compare_encodings(bundle, quantized)
        if ours:
            check_held(held)
        final, binary = work / INT8_DLC, work / f"{plan.target.name}.bin"
        if plan.preparation == "cache" and plan.flow != "snpe 1":
            final = work / "prepared.dlc"
            quantized = steps.prepare(work / INT8_DLC, quantized, final)
        elif plan.preparation == "context":
            steps.compile(final, quantized, binary)
        described = steps.describe(final, quantized)
        step(count, count)
    about = {
        "sdk": steps.box.sdk.title,
        "version": steps.box.sdk.version,
        "stand_in": steps.box.sdk.is_stand_in,
        "flow": plan.flow,
        "target": dataclasses.asdict(plan.target),
        "preparation": plan.preparation,
        "encodings": recipe.export.sdk.encodings,
        "held": as_note(held),
        "held_summary": held.summary(),
        "dlc_info": described,
        "input": list(quantized.model.inputs[0].shape),
        "notes": steps.notes,
        "files": {"graph": "float.onnx" if not ours else "on the grid of our codes"},
    }
    folder = bundle / place
    folder.mkdir(parents=True, exist_ok=True)
    _deliver(work / FLOAT_DLC, folder / FLOAT_DLC)
    _deliver(final, folder / INT8_DLC)
    if binary.is_file():
        _deliver(binary, folder / binary.name)
    dataclasses.replace(
        steps.contract, encodings=output_encodings(quantized), target_arch=plan.target.arch
    ).save(folder)
    write_text(folder / ENCODINGS, to_json(encodings_in(quantized)))
    write_text(folder / ABOUT, to_json(about))
    _write_calls(steps.box, folder)
    shutil.rmtree(folder / FAILED, ignore_errors=True)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _deliver(source: Path, target: Path) -> None:
    """Copy a file into the bundle, which may be on another disk, whole or not at all."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


@contextmanager
def _keeping(folder: Path, work: Path, sdk: Sdk, recipe: Recipe) -> Iterator[Toolbox]:
    """Yield the tools; should one fail, what it was given and said is kept in the bundle."""
    limit = recipe.export.sdk.time_limit_s
    box = Toolbox(sdk=sdk, environ=os.environ, time_limit_s=limit, work=work)
    try:
        yield box
    except HexdetError as error:
        if not box.calls:
            raise
        raise type(error)(f"{error}\n{_keep(box, folder / FAILED)}") from error


def _keep(box: Toolbox, failed: Path) -> str:
    """Move what the tools were given and said into the bundle; return, in words, where it is."""
    try:
        shutil.rmtree(failed, ignore_errors=True)
        failed.mkdir(parents=True)
        shutil.copytree(box.work, failed / "work")
        _write_calls(box, failed)
        # Every path of the command is below the temporary folder, which is gone by then.
        link = shlex.join(["ln", "-sfn", str(failed.resolve() / "work"), str(box.work)])
        again = f"{link} && cd {box.work} && {box.calls[-1].to_paste()}"
        write_text(failed / "again.sh", again + "\n")
    except (OSError, HexdetError) as error:
        return f"what it was given could not be kept in {failed}: {error}"
    return f"kept in {failed}; to run it again:\n{again}"


def _write_calls(box: Toolbox, folder: Path) -> None:
    """Write a line a call, and everything that they printed."""
    lines, logs = [], []
    for call in box.calls:
        row = {name: value for name, value in dataclasses.asdict(call).items() if name != "log"}
        lines.append(json.dumps(row) + "\n")
        logs.append(f"$ {call.to_paste()}\n{call.log.rstrip()}\n[exit code {call.exit_code}]\n\n")
    write_text(folder / CALLS, "".join(lines))
    write_text(folder / LOG, "".join(logs))
