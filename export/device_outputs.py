"""What a network gave on a device, picture by picture, kept with a bundle: the last rung."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError, NotRunError
from ..recipe import Recipe
from ..runtime.backend import Backend
from ..runtime.contract import DetectorContract
from ..runtime.files import sha256_of, to_json, write_bytes, write_text
from ..runtime.json_object import read_object
from .ladder import BASE, RungSpec
from .tolerances import EMULATOR, OTHER_VERSION, QUANTIZED

FOLDER, FILE_NAME = "adb", "device.json"
OUTPUTS = "outputs"
_KEYS = ("title", "chip", "arch", "stand_in", "model", "model_sha256", "own_encodings", "runtime")

Pixels = npt.NDArray[np.uint8]


class DeviceOutputs:
    """A folder with one file a picture, named by its pixels, and `device.json` that tells whence.

    about: title, chip, arch, stand_in, model (its path below the bundle), model_sha256,
    own_encodings (the model's and not the bundle's), runtime. Where the folder's are others, what
    it holds is deleted: outputs of two networks never lie side by side.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._folder = folder / OUTPUTS
        path = folder / FILE_NAME
        text = to_json(dict(about))
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            for old in self._folder.glob("*.npz"):
                old.unlink()
            write_text(path, text)

    def has(self, pixels: Pixels) -> bool:
        """Return whether a picture's outputs are here."""
        return _path(self._folder, pixels).is_file()

    def add(self, pixels: Pixels, outputs: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep a picture's outputs, all of them or none."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **dict(outputs))  # type: ignore[arg-type]
        write_bytes(_path(self._folder, pixels), buffer.getvalue())


class DeviceBackend(Backend):
    """The outputs of a device, played back: nothing is run, and a picture that it never saw has
    none.
    """

    def __init__(self, folder: Path, bundle: Path, contract: DetectorContract) -> None:
        """Open a folder. Raises NotRunError where the device ran another network than today's."""
        about = read_about(folder)
        self.name = about["title"]
        self._folder = folder / OUTPUTS
        self._names = list(contract.output_shapes())
        model = bundle / about["model"]
        if not model.is_file() or sha256_of(model) != about["model_sha256"]:
            raise NotRunError(
                f"the device ran another {about['model']} than the bundle has now: "
                f"`hexdet bench adb {bundle}` runs it again"
            )

    def run(self, pixels: Pixels) -> dict[str, Any]:
        """Return what the device gave for pixels [1, h, w, 3]; NotRunError where it did not."""
        path = _path(self._folder, pixels)
        try:
            with np.load(path, allow_pickle=False) as found:
                return {name: found[name] for name in self._names}
        except FileNotFoundError:
            raise NotRunError(
                "the device was not given all of these pictures: `hexdet bench adb --images N` "
                "takes as many as `hexdet parity --limit N`"
            ) from None
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(f"{path} cannot be read: {error!r}; delete it") from error


def _path(folder: Path, pixels: Pixels) -> Path:
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes())
    return folder / f"{digest.hexdigest()[:32]}.npz"


def read_about(folder: Path) -> dict[str, Any]:
    """Return what is known of a device's outputs; ArtifactError where it is damaged."""
    return read_object(folder / FILE_NAME, _KEYS, f"delete {folder}")


def device_rungs(bundle: Path, contract: DetectorContract, recipe: Recipe) -> list[RungSpec]:
    """Return a rung for every device that a bundle was run on; one that is not run where none."""
    folders = sorted(path.parent for path in (bundle / FOLDER).glob(f"*/{FILE_NAME}"))
    found = [device_rung(path, bundle, contract, recipe.export.target_arch) for path in folders]
    return found or [
        RungSpec(
            key="device",
            title="device",
            tolerance=EMULATOR,
            open=None,
            not_run="no device measured: `hexdet bench adb BUNDLE` runs it on one",
        )
    ]


def device_rung(folder: Path, bundle: Path, contract: DetectorContract, arch: int) -> RungSpec:
    """Return the rung of a device. arch: of the emulator that it is held against."""
    key = f"device_{folder.name}"
    try:
        about = read_about(folder)
    except ArtifactError as error:
        return RungSpec(key=key, title=key, tolerance=EMULATOR, open=None, not_run=str(error))
    own = about["own_encodings"]
    return RungSpec(
        key=key,
        title=about["title"],
        tolerance=QUANTIZED if own else EMULATOR if about["arch"] == arch else OTHER_VERSION,
        open=lambda: DeviceBackend(folder, bundle, contract),
        compare_with=BASE if own else "int8_htp",
    )
