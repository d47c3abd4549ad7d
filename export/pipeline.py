"""The main job: a checkpoint becomes a bundle with a float and an INT8 DLC, stage by stage."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ..calibration_data.images import CalibrationImages, read_calibration_set
from ..calibration_data.manifest import FILE_NAME as CALIBRATION
from ..calibration_data.manifest import save_manifest
from ..calibration_data.overlap import refuse_overlap
from ..calibration_data.selection import choose
from ..datasets.opening import open_calibration, open_split
from ..datasets.record import Dataset
from ..errors import ArtifactError, RecipeError
from ..quantization.encodings import FILE_NAME as ENCODINGS
from ..quantization.encodings import encodings_of, output_encodings_of, save_encodings
from ..quantization.quantize import EQUALISED, quantize_graph
from ..recipe import Recipe
from ..runtime.backend import GRAPHS, graph_path
from ..runtime.contract import FILE_NAME as CONTRACT
from ..runtime.contract import DetectorContract, load_contract
from ..runtime.files import replacing, sha256_of
from ..runtime.htp import HtpBackend
from ..runtime.images import normalise
from ..runtime.targets import Target, target_of_arch
from ..training.checkpoint import Checkpoint
from ..training.contract import contract_of
from .audit import Audit, audit_bundle, check_audit
from .bundle import Bundle
from .context_binary import ContextBackend, context_paths, write_context_binary
from .dlc import write_dlc
from .foreign import foreign_sources, load_foreign
from .lint import Remark, check_lint, lint_bundle
from .onnx_graph import check_float_graph, export_float, float_difference

FLOAT, INT8 = GRAPHS["float"], GRAPHS["int8"]
FLOAT_DLC, INT8_DLC = "float.dlc", "int8.dlc"
STAGES = ("export", "quantize", "dlc")
TARGET_STAGE = "target "
PARITY_IMAGES = 4

Step = Callable[[int, int], None]
"""Called with how much of a stage is done, and of how much."""


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """How a stage went: whether it ran, or was skipped because nothing had changed."""

    stage: str
    ran: bool


class Watcher:
    """What a caller may want to see of a pipeline; this one looks away."""

    def stage(self, name: str, detail: str) -> AbstractContextManager[Step]:
        """Enter a stage; the context gives the function to call with its progress."""
        return _silent()

    def done(self, report: StageReport) -> None:
        """Hear how a stage went."""


@contextlib.contextmanager
def _silent() -> Iterator[Step]:
    yield lambda done, total: None


def export_bundle(recipe: Recipe, checkpoint: Checkpoint, folder: Path, watch: Watcher) -> Bundle:
    """Make or refresh a whole bundle from a trained network.

    Raises ParityError where the float graph is not the trained network, ToolError where Qualcomm's
    libraries fail or leave a node to the CPU, DataError where calibration images are missing.
    """
    sources = {"checkpoint": sha256_of(checkpoint.path)}
    return _make(
        recipe, sources, folder, watch, lambda bundle: _export(recipe, checkpoint, bundle, watch)
    )


def export_foreign(recipe: Recipe, graph: Path, folder: Path, watch: Watcher) -> Bundle:
    """Make or refresh a whole bundle from a foreign SSD, an ONNX or a TensorFlow Lite file.

    The recipe's network section is the contract: strides, anchors, normalisation, activation.
    Raises ArtifactError where the graph cannot be cut back to its heads, and as `export_bundle`.
    """
    contract = contract_of(recipe)

    def work(bundle: Bundle) -> None:
        with watch.stage("export", "cutting the graph back to its heads") as step:
            model, cut = load_foreign(graph, contract, recipe.export.opset)
            step(1, 1)
        with replacing(bundle.folder / FLOAT) as temporary:
            onnx.save(model, temporary)
        contract.save(bundle.folder)
        bundle.note("cut", dataclasses.asdict(cut))

    if not graph.is_file():
        raise ArtifactError(f"no network {graph}")
    return _make(recipe, foreign_sources(graph), folder, watch, work)


def _make(
    recipe: Recipe,
    sources: dict[str, str],
    folder: Path,
    watch: Watcher,
    export: Callable[[Bundle], None],
) -> Bundle:
    """Run the stages of a bundle whose float graph `export` writes."""
    bundle = Bundle(folder, STAGES)
    inputs = {
        **sources,
        "contract": dataclasses.asdict(contract_of(recipe)),
        "opset": recipe.export.opset,
    }
    ran = bundle.run("export", inputs, [CONTRACT, FLOAT], lambda: export(bundle))
    watch.done(StageReport(stage="export", ran=ran))
    bundle.describe(recipe, sources)
    quantize_bundle(bundle, recipe, watch)
    write_dlcs(bundle, recipe, watch)
    return bundle


def quantize_bundle(bundle: Bundle, recipe: Recipe, watch: Watcher) -> None:
    """Make or refresh the integer graph of a bundle that has a float one.

    Raises RecipeError where the recipe's chip lacks what it asks for, DataError where calibration
    images are missing, unreadable or among the evaluation images.
    """
    check_widths(recipe, target_of_arch(recipe.export.target_arch))
    dataset, evaluated = open_calibration(recipe), open_split(recipe.data, "test")
    inputs: dict[str, Any] = {
        "float": sha256_of(graph_path(bundle.folder, "float")),
        "contract": dataclasses.asdict(contract_of(recipe)),
        "data": dataset.fingerprint(),
        "evaluated": evaluated.fingerprint(),
        "calibration": recipe.calibration.model_dump(),
        "quantization": recipe.quantization.model_dump(),
    }

    def work() -> None:
        images = _calibration_images(recipe, dataset, evaluated, watch)
        _quantize(recipe, images, bundle.folder, watch)

    outputs = [INT8, ENCODINGS, CALIBRATION, CONTRACT]
    outputs += [EQUALISED] if recipe.quantization.equalise else []
    ran = bundle.run("quantize", inputs, outputs, work)
    watch.done(StageReport(stage="quantize", ran=ran))


def write_dlcs(bundle: Bundle, recipe: Recipe, watch: Watcher) -> None:
    """Write or refresh the two DLCs of a bundle, and prove that the HTP takes the whole graph."""
    folder = bundle.folder
    inputs = {
        "float": sha256_of(graph_path(folder, "float")),
        "int8": sha256_of(graph_path(folder, "int8")),
        "arch": recipe.export.target_arch,
    }

    def work() -> None:
        limit = recipe.export.time_limit_s
        with watch.stage("dlc", "writing DLCs") as step:
            # First the proof that the HTP takes the whole graph, then what is shipped.
            _run_once(recipe, folder)
            step(1, 3)
            write_dlc(folder / FLOAT, folder / FLOAT_DLC, limit)
            step(2, 3)
            write_dlc(folder / INT8, folder / INT8_DLC, limit)
            step(3, 3)
        contract = load_contract(folder)
        dataclasses.replace(contract, target_arch=recipe.export.target_arch).save(folder)

    ran = bundle.run("dlc", inputs, [FLOAT_DLC, INT8_DLC, CONTRACT], work)
    watch.done(StageReport(stage="dlc", ran=ran))


def write_targets(
    bundle: Bundle, recipe: Recipe, targets: Sequence[Target], watch: Watcher
) -> None:
    """Compile a bundle's integer graph for each chip and execute the result once."""
    folder, limit = bundle.folder, recipe.export.time_limit_s
    for target in targets:
        check_widths(recipe, target)
        binary, wrapper = context_paths(folder, target)

        def work(target: Target = target, binary: Path = binary, wrapper: Path = wrapper) -> None:
            with watch.stage("dlc", f"compiling for {target.name}") as step:
                write_context_binary(graph_path(folder, "int8"), target, binary, wrapper, limit)
                contract = load_contract(folder)
                with ContextBackend(folder, contract, target, time_limit_s=limit) as backend:
                    backend.run(_grey(contract))
                step(1, 1)

        inputs = {"int8": sha256_of(graph_path(folder, "int8")), "target": target.name}
        stage = f"{TARGET_STAGE}{target.name}"
        ran = bundle.run(stage, inputs, [binary.name, wrapper.name], work)
        watch.done(StageReport(stage=stage, ran=ran))


def check_widths(recipe: Recipe, target: Target) -> None:
    """Raise RecipeError where the recipe wants 16-bit activations of a chip without them."""
    section = recipe.quantization
    if target.int16 is True or (section.activation_bits == 8 and not section.wide):
        return
    key = "wide" if section.activation_bits == 8 else "activation_bits"
    known = "has no" if target.int16 is False else "is not known to have"
    raise RecipeError(
        f"quantization.{key}: {target.name} (Hexagon v{target.arch}) {known} 16-bit activations: "
        f"choose another chip or 8 bits"
    )


def check_bundle(bundle: Bundle, recipe: Recipe) -> tuple[Audit, list[Remark]]:
    """Audit the encodings and lint the graphs of a bundle; raises ParityError for what is wrong."""
    audit = audit_bundle(bundle.folder, recipe.quantization)
    check_audit(audit)
    remarks = lint_bundle(bundle.folder, load_contract(bundle.folder))
    check_lint(remarks)
    return audit, remarks


def _grey(contract: DetectorContract) -> npt.NDArray[np.uint8]:
    shape = (1, contract.input.height, contract.input.width, 3)
    return np.full(shape, round(contract.input.mean), np.uint8)


def _run_once(recipe: Recipe, folder: Path) -> None:
    """Execute the integer graph on the emulated HTP; raises where a node would fall back."""
    contract, section = load_contract(folder), recipe.export
    with HtpBackend(
        folder, contract, arch=section.target_arch, time_limit_s=section.time_limit_s
    ) as backend:
        backend.run(_grey(contract))


def _export(recipe: Recipe, checkpoint: Checkpoint, bundle: Bundle, watch: Watcher) -> None:
    contract = contract_of(recipe)
    network, names = checkpoint.network, list(contract.output_shapes())
    with watch.stage("export", "PyTorch to ONNX") as step:
        graphs = export_float(network, contract, recipe.export.opset)
        step(1, 3)
        dataset = open_split(recipe.data, "train")
        indices = list(range(min(PARITY_IMAGES, len(dataset))))
        images = read_calibration_set(dataset, indices, contract.input)
        pictures = normalise(np.concatenate(images[:]), contract.input)
        rows = {}
        stages = {"exported": graphs.exported, "simplified": graphs.simplified}
        for done, (stage, model) in enumerate(stages.items(), 2):
            difference = float_difference(network, model, pictures, names)
            check_float_graph(difference, f"the {stage} ONNX graph")
            rows[stage] = dataclasses.asdict(difference)
            step(done, 3)
    with replacing(bundle.folder / FLOAT) as temporary:
        onnx.save(graphs.simplified, temporary)
    contract.save(bundle.folder)
    bundle.note("float_parity", {"images": len(indices), **rows})


def _calibration_images(
    recipe: Recipe, dataset: Dataset, evaluated: Dataset, watch: Watcher
) -> CalibrationImages:
    """Choose and read the calibration images; DataError where they are evaluated on as well."""
    section, spec = recipe.calibration, contract_of(recipe).input
    with watch.stage("quantize", "choosing calibration images") as step:
        chosen = choose(dataset, section.images, section.seed, section.selection, step)
    with watch.stage("quantize", "reading calibration images") as step:
        images = read_calibration_set(dataset, chosen, spec, step)
    with watch.stage("quantize", "holding them against the evaluation images") as step:
        refuse_overlap(images, dataset, evaluated, spec, step)
    return images


def _quantize(recipe: Recipe, images: CalibrationImages, folder: Path, watch: Watcher) -> None:
    contract = contract_of(recipe)
    with watch.stage("quantize", "calibrating") as step:
        quantized = quantize_graph(
            onnx.load(folder / FLOAT), images, contract.input, recipe.quantization, step
        )
    encodings = encodings_of(quantized.model, recipe.quantization)
    with replacing(folder / INT8) as temporary:
        onnx.save(quantized.model, temporary)
    if recipe.quantization.equalise:
        with replacing(folder / EQUALISED) as temporary:
            onnx.save(quantized.base, temporary)
    save_encodings(folder, encodings)
    save_manifest(images, folder, recipe.calibration.selection)
    known = output_encodings_of(encodings, contract.output_shapes())
    dataclasses.replace(load_contract(folder), encodings=known).save(folder)
