"""The stage that quantizes: calibration images chosen, checked and read, the integer graph made."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import onnx

from ..calibration_data.images import CalibrationImages, read_calibration_set
from ..calibration_data.manifest import FILE_NAME as CALIBRATION
from ..calibration_data.manifest import save_manifest
from ..calibration_data.overlap import refuse_overlap
from ..calibration_data.selection import choose
from ..datasets.opening import open_calibration, open_split
from ..datasets.record import Dataset
from ..errors import RecipeError
from ..quantization.encodings import FILE_NAME as ENCODINGS
from ..quantization.encodings import encodings_of, output_encodings_of, save_encodings
from ..quantization.quantize import EQUALISED, quantize_graph
from ..recipe import Recipe
from ..runtime.backend import GRAPHS, graph_path
from ..runtime.contract import FILE_NAME as CONTRACT
from ..runtime.contract import load_contract
from ..runtime.files import replacing_set, sha256_of
from ..runtime.targets import Target, target_of_arch
from ..training.contract import contract_of
from .bundle import Bundle
from .stages import StageReport, Watcher

INT8 = GRAPHS["int8"]


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
        images = calibration_images(recipe, dataset, evaluated, watch)
        _quantize(recipe, images, bundle.folder, watch)

    outputs = [INT8, ENCODINGS, CALIBRATION, CONTRACT]
    outputs += [EQUALISED] if recipe.quantization.equalise else []
    ran = bundle.run("quantize", inputs, outputs, work)
    watch.done(StageReport(stage="quantize", ran=ran))


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


def calibration_images(
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
            onnx.load(graph_path(folder, "float")),
            images,
            contract.input,
            recipe.quantization,
            step,
        )
    encodings = encodings_of(quantized.model, recipe.quantization)
    known = output_encodings_of(encodings, contract.output_shapes())
    before = load_contract(folder)
    with replacing_set(folder, seal=CONTRACT) as staged:
        onnx.save(quantized.model, staged / INT8)
        if recipe.quantization.equalise:
            onnx.save(quantized.base, staged / EQUALISED)
        save_encodings(staged, encodings)
        save_manifest(images, staged, recipe.calibration.selection)
        dataclasses.replace(before, encodings=known).save(staged)
