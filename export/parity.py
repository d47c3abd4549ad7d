"""The ladder of one bundle: which rungs it has, and `parity.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx

from ..datasets.opening import open_split
from ..datasets.record import Record
from ..errors import NotRunError
from ..quantization.cpu_session import cpu_session
from ..recipe import Recipe
from ..runtime.backend import Backend, CpuBackend, graph_path
from ..runtime.contract import DetectorContract, load_contract
from ..runtime.files import sha256_of, to_json, write_text
from ..runtime.htp import HtpBackend
from ..runtime.images import normalise
from ..runtime.targets import find_target
from ..training.backend import TorchBackend
from ..training.checkpoint import Checkpoint, load_checkpoint
from .bundle import Bundle
from .context_binary import ContextBackend
from .device_outputs import device_rungs
from .dlc_runner.backend import DlcBackend
from .ladder import Rung, RungSpec, climb
from .onnx_graph import export_float
from .sdk.rungs import sdk_rungs
from .stages import TARGET_STAGE
from .tolerances import EMULATOR, FLOAT_GRAPH, OTHER_VERSION, QUANTIZED, SAME_LIBRARY

FILE_NAME = "parity.json"
SCHEMA_VERSION = 1

Progress = Callable[[str, int, int], None]


def climb_bundle(
    bundle: Bundle,
    recipe: Recipe,
    candidates: Sequence[Path],
    *,
    limit: int,
    progress: Progress = lambda title, done, total: None,
) -> list[Rung]:
    """Run every rung of a bundle on the first `limit` test images and write `parity.json`.

    candidates: where the checkpoint that the bundle was made from may lie; the one with the
        recorded sha256 is the first rung, and where there is none that rung is not run.
    """
    dataset = open_split(recipe.data, "test")
    records: list[Record] = [dataset[i] for i in range(min(limit, len(dataset)))]
    contract = load_contract(bundle.folder)
    specs = bundle_rungs(bundle, recipe, contract, candidates)
    rungs = climb(specs, contract, records, recipe.evaluation.score, progress)
    content = {
        "schema": SCHEMA_VERSION,
        "name": contract.name,
        "dataset": dataset.name,
        "images": [record.name for record in records],
        "rungs": [dataclasses.asdict(rung) for rung in rungs],
        "tolerances": {spec.key: dataclasses.asdict(spec.tolerance) for spec in specs},
    }
    write_text(bundle.folder / FILE_NAME, to_json(content))
    return rungs


def bundle_rungs(
    bundle: Bundle, recipe: Recipe, contract: DetectorContract, candidates: Sequence[Path]
) -> list[RungSpec]:
    """Return the rungs of a bundle, from the trained network to the device."""
    folder, arch = bundle.folder, recipe.export.target_arch
    limit = recipe.export.time_limit_s

    def checkpoint() -> Checkpoint:
        return find_checkpoint(bundle, recipe, candidates)

    def exported() -> Backend:
        graphs = export_float(checkpoint().network, contract, recipe.export.opset)
        return _GraphBackend(graphs.exported, contract)

    emulated = f"emulated HTP v{arch}"
    return [
        RungSpec(
            key="torch",
            title="PyTorch, float32",
            tolerance=FLOAT_GRAPH,
            open=lambda: TorchBackend(checkpoint().network, contract),
        ),
        RungSpec(
            key="exported",
            title="ONNX as exported",
            tolerance=FLOAT_GRAPH,
            open=exported,
        ),
        RungSpec(
            key="float",
            title="float.onnx, CPU",
            tolerance=FLOAT_GRAPH,
            open=lambda: CpuBackend(folder, contract, "float"),
        ),
        RungSpec(
            key="int8_cpu",
            title="int8.onnx, CPU",
            tolerance=QUANTIZED,
            open=lambda: CpuBackend(folder, contract, "int8"),
        ),
        RungSpec(
            key="int8_htp",
            title=f"int8.onnx, {emulated}",
            tolerance=EMULATOR,
            open=lambda: HtpBackend(folder, contract, arch=arch, time_limit_s=limit),
        ),
        RungSpec(
            key="int8_dlc",
            title=f"int8.dlc, {emulated}",
            tolerance=SAME_LIBRARY,
            open=lambda: DlcBackend(folder, contract, arch=arch, time_limit_s=limit),
            compare_with="int8_htp",
        ),
        *(_target_rung(folder, contract, name, arch, limit) for name in _targets(bundle)),
        *sdk_rungs(bundle, arch, limit),
        *device_rungs(folder, contract, recipe),
    ]


def _targets(bundle: Bundle) -> list[str]:
    names = [Path(name) for name in bundle.outputs(TARGET_STAGE)]
    return [name.stem for name in names if name.suffix == ".bin"]


def _target_rung(
    folder: Path, contract: DetectorContract, name: str, arch: int, limit: float
) -> RungSpec:
    """Return the rung of a context binary, held against the emulated HTP of the recipe."""
    target = find_target(name)
    return RungSpec(
        key=target.name,
        title=f"{target.name}.bin, emulated HTP v{target.arch}",
        tolerance=SAME_LIBRARY if target.arch == arch else OTHER_VERSION,
        open=lambda: ContextBackend(folder, contract, target, time_limit_s=limit),
        compare_with="int8_htp",
    )


class _GraphBackend(Backend):
    """A float graph in memory on onnxruntime's CPU provider."""

    name = "float graph in memory"

    def __init__(self, model: onnx.ModelProto, contract: DetectorContract) -> None:
        self._session = cpu_session(model)
        self._names = list(contract.output_shapes())
        self._spec = contract.input

    def run(self, pixels: Any) -> dict[str, Any]:
        values = self._session.run(self._names, {"image": normalise(pixels, self._spec)})
        return dict(zip(self._names, values, strict=True))


def find_checkpoint(bundle: Bundle, recipe: Recipe, candidates: Sequence[Path]) -> Checkpoint:
    """Return the network that a bundle was made from; NotRunError where no candidate is it."""
    wanted = bundle.sources.get("checkpoint", "")
    if not wanted:
        raise NotRunError("the network came as ONNX: there is no checkpoint")
    graph_path(bundle.folder, "float")
    for path in candidates:
        if path.is_file() and sha256_of(path) == wanted:
            return load_checkpoint(path, recipe)
    raise NotRunError(f"no checkpoint with the bundle's sha256 {wanted[:12]}... was found")
