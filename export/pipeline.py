"""The main job: a checkpoint becomes a bundle with a float and an INT8 DLC, stage by stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from ..calibration_data.images import read_calibration_set
from ..datasets.opening import open_split
from ..errors import ArtifactError
from ..recipe import Recipe
from ..runtime.backend import GRAPHS
from ..runtime.contract import FILE_NAME as CONTRACT
from ..runtime.contract import DetectorContract, load_contract
from ..runtime.files import replacing_set, sha256_of
from ..runtime.images import normalise
from ..training.checkpoint import Checkpoint
from ..training.contract import contract_of
from .audit import Audit, audit_bundle, check_audit
from .bundle import Bundle
from .dlc_stages import write_dlcs
from .foreign import foreign_sources, load_foreign
from .lint import Remark, check_lint, lint_bundle
from .onnx_graph import check_float_graph, export_float, float_difference
from .quantizing_stage import quantize_bundle
from .stages import STAGES, StageReport, Watcher

FLOAT = GRAPHS["float"]
PARITY_IMAGES = 4


def export_bundle(recipe: Recipe, checkpoint: Checkpoint, folder: Path, watch: Watcher) -> Bundle:
    """Make or refresh a whole bundle from a trained network.

    Raises ParityError where the float graph is not the trained network, ToolError where Qualcomm's
    libraries fail or leave a node to the CPU, DataError where calibration images are missing.
    """
    sources = {"checkpoint": sha256_of(checkpoint.path)}
    return _make(
        recipe, sources, folder, watch, lambda bundle: _export(recipe, checkpoint, bundle, watch)
    )


def export_foreign(
    recipe: Recipe, graph: Path, folder: Path, watch: Watcher, prototxt: Path | None = None
) -> Bundle:
    """Make or refresh a whole bundle from a foreign SSD: ONNX, TensorFlow Lite or Caffe.

    The recipe's network section is the contract: strides, anchors, normalisation, activation.
    prototxt: of a caffemodel, the one beside it where None.
    Raises ArtifactError where the graph cannot be cut back to its heads, and as `export_bundle`.
    """
    contract = contract_of(recipe)

    def work(bundle: Bundle) -> None:
        with watch.stage("export", "cutting the graph back to its heads") as step:
            model, cut = load_foreign(graph, contract, recipe.export.opset, prototxt)
            step(1, 1)
        _save(model, contract, bundle.folder)
        bundle.note("cut", dataclasses.asdict(cut))

    if not graph.is_file():
        raise ArtifactError(f"no network {graph}")
    return _make(recipe, foreign_sources(graph, prototxt), folder, watch, work)


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


def check_bundle(bundle: Bundle, recipe: Recipe) -> tuple[Audit, list[Remark]]:
    """Audit the encodings and lint the graphs of a bundle; raises ParityError for what is wrong."""
    audit = audit_bundle(bundle.folder, recipe.quantization)
    check_audit(audit)
    remarks = lint_bundle(bundle.folder, load_contract(bundle.folder))
    check_lint(remarks)
    return audit, remarks


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
    _save(graphs.simplified, contract, bundle.folder)
    bundle.note("float_parity", {"images": len(indices), **rows})


def _save(model: onnx.ModelProto, contract: DetectorContract, folder: Path) -> None:
    with replacing_set(folder, seal=CONTRACT) as staged:
        onnx.save(model, staged / FLOAT)
        contract.save(staged)
