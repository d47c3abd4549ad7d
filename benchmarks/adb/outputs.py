"""What the network gives on a device: fetched picture by picture, and kept for the ladder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...export.device_outputs import DeviceOutputs
from ...runtime.contract import DetectorContract
from ...runtime.scratch import scratch_folder
from .client import LostError
from .commands import OUT
from .model import Pixels, read_outputs, same_encodings
from .running import Bench

AT_ONCE = 8
"""Pictures of one run: of which an interruption loses so many at most."""

Step = Callable[[int, int], None]


def fetch_outputs(
    bench: Bench,
    pictures: Sequence[Pixels],
    kept: DeviceOutputs,
    contract: DetectorContract,
    profile: str,
    retry: Callable[[LostError], None],
) -> int:
    """Run the pictures that `kept` has no outputs of on the DSP; return how many that were.

    contract: of the bundle. Where the model has other encodings, its outputs are kept as real
    numbers. retry: called where the connection broke; it returns when the device is back.
    Raises ToolError where the program fails or its outputs are not whole.
    """
    todo = [index for index, pixels in enumerate(pictures) if not kept.has(pixels)]
    theirs = bench.model.contract
    ours = same_encodings(theirs, contract)
    for start in range(0, len(todo), AT_ONCE):
        part = todo[start : start + AT_ONCE]
        while True:
            try:
                _fetch(bench, part, pictures, kept, theirs, profile, ours=ours)
                break
            except LostError as error:
                retry(error)
    return len(todo)


def _fetch(
    bench: Bench,
    part: Sequence[int],
    pictures: Sequence[Pixels],
    kept: DeviceOutputs,
    contract: DetectorContract,
    profile: str,
    *,
    ours: bool,
) -> None:
    bench.write_profile(profile)
    bench.write_list([bench.raws[index] for index in part])
    bench.run(bench.command("dsp", profile))
    with scratch_folder() as scratch:
        folder = bench.pull(OUT, scratch)
        for place, index in enumerate(part):
            found = read_outputs(folder / f"Result_{place}", contract, native=bench.native)
            if not ours:
                found = {
                    key: contract.encodings[key].dequantize(v) if v.dtype == "uint8" else v
                    for key, v in found.items()
                }
            kept.add(pictures[index], found)
