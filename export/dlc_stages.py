"""The stages that write what is shipped: the two DLCs, and a context binary for each chip."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..recipe import Recipe
from ..runtime.backend import graph_path
from ..runtime.contract import FILE_NAME as CONTRACT
from ..runtime.contract import DetectorContract, load_contract
from ..runtime.files import sha256_of
from ..runtime.htp import HtpBackend
from ..runtime.targets import Target
from .bundle import Bundle
from .context_binary import ContextBackend, context_paths, write_context_binary
from .dlc import write_dlc
from .quantizing_stage import check_widths
from .stages import TARGET_STAGE, StageReport, Watcher

FLOAT_DLC, INT8_DLC = "float.dlc", "int8.dlc"


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
            write_dlc(graph_path(folder, "float"), folder / FLOAT_DLC, limit)
            step(2, 3)
            write_dlc(graph_path(folder, "int8"), folder / INT8_DLC, limit)
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
