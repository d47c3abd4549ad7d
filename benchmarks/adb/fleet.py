"""Several devices at once, each in its thread; then their outputs beside the emulator's."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

from ...datasets.record import Record
from ...export.bundle import Bundle
from ...export.device_outputs import device_rung
from ...export.ladder import BASE, Rung, RungSpec, climb
from ...export.sdk.discovery import Sdk
from ...export.tolerances import FLOAT_GRAPH, QUANTIZED
from ...runtime.backend import CpuBackend
from ...runtime.contract import DetectorContract, load_contract
from ...runtime.htp import HtpBackend
from ...runtime.images import prepare
from ...runtime.scratch import scratch_folder
from .client import Adb
from .kit import FIRST_HTP
from .session import Outcome, Say, Session, Wanted

EMULATOR_KEY = "int8_htp"
MOMENT_S = 0.5


def run_devices(
    adb: Adb,
    serials: Sequence[str],
    bundle: Bundle,
    sdk: Sdk,
    wanted: Wanted,
    records: Sequence[Record],
    environ: Mapping[str, str],
    say: Say,
) -> list[Outcome]:
    """Measure a bundle on devices, all at the same time; return what came of each.

    One that fails leaves the others alone. Ctrl-C lets each end its run; what was measured stays.
    """
    contract = load_contract(bundle.folder)
    pictures = [prepare(record.image, contract.input).pixels for record in records]
    stop = threading.Event()
    with (
        scratch_folder() as scratch,
        ThreadPoolExecutor(max_workers=len(serials), thread_name_prefix="device") as pool,
    ):
        works: list[Future[Outcome]] = []
        for number, serial in enumerate(serials):
            folder = scratch / str(number)
            folder.mkdir()
            session = Session(adb, serial, bundle, sdk, wanted, pictures, say, stop)
            works.append(pool.submit(session.run, folder, environ))
        try:
            while wait_for(works, MOMENT_S).not_done:
                pass
        except BaseException:  # an order to end, too
            stop.set()
            raise
        return [work.result() for work in works]


def compare_outputs(
    bundle: Bundle, outcome: Outcome, records: Sequence[Record]
) -> tuple[Rung, Rung] | None:
    """Return the emulator's rung and the device's, on the same images; None without outputs.

    The emulator is that of the device's own Hexagon; for one before the HTP, which nothing
    emulates, that of the recipe.
    """
    device, folder = outcome.device, outcome.folder
    if not outcome.outputs or device is None or folder is None:
        return None
    recipe = bundle.recipe()
    contract = load_contract(bundle.folder)
    arch = device.arch
    if arch < FIRST_HTP:
        arch = recipe.export.target_arch
    specs = [*_references(bundle.folder, contract, arch, recipe.export.time_limit_s)]
    specs.append(device_rung(folder, bundle.folder, contract, arch))
    rungs = climb(specs, contract, records, recipe.evaluation.score)
    return rungs[-2], rungs[-1]


def _references(
    folder: Path, contract: DetectorContract, arch: int, limit_s: float
) -> list[RungSpec]:
    return [
        RungSpec(
            key=BASE,
            title="float.onnx, CPU",
            tolerance=FLOAT_GRAPH,
            open=lambda: CpuBackend(folder, contract, "float"),
        ),
        RungSpec(
            key=EMULATOR_KEY,
            title=f"int8.onnx, emulated HTP v{arch}",
            tolerance=QUANTIZED,
            open=lambda: HtpBackend(folder, contract, arch=arch, time_limit_s=limit_s),
        ),
    ]


def rung_failure(compared: tuple[Rung, Rung] | None) -> str:
    """Return what is wrong with a device's outputs, nothing where they are as they should be."""
    if compared is None:
        return ""
    for rung in compared:
        if rung.status == "failed":
            return f"{rung.title} failed: {rung.reason}"
    return ""
