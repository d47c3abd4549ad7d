"""What is compared on the same images: bundles, ONNX files, and torchvision's detectors."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError, NotRunError, UsageError
from ..runtime.backend import GRAPHS, CpuBackend
from ..runtime.contract import FILE_NAME as CONTRACT
from ..runtime.contract import load_contract
from ..runtime.detections import Detections
from ..runtime.detector import Detector
from ..runtime.files import sha256_of
from ..runtime.signature import Precision

PREFIX = "torchvision:"
SCORE = 0.01
"""Least score of a detection: AP needs the tail."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Something to be run on images; size_bytes: of its file, or of its weights in memory."""

    name: str
    sha256: str
    size_bytes: int

    def detect(self, image: Pixels) -> Detections | None:
        """Return what is found in a BGR image, None where the graph's outputs are not known."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class OfBundle(Contestant):
    """A graph of a bundle, with everything around it, on onnxruntime CPU."""

    detector: Detector

    def detect(self, image: Pixels) -> Detections:
        """Return what the detector finds with a low threshold."""
        return self.detector(image, score=SCORE)


@dataclass(frozen=True, kw_only=True)
class OfGraph(Contestant):
    """An ONNX file that nothing is known of: it is run on noise of its inputs' shapes."""

    session: Any
    inputs: dict[str, npt.NDArray[Any]]

    def detect(self, image: Pixels) -> None:
        """Run the graph; what its outputs mean is not known."""
        self.session.run(None, self.inputs)


@dataclass(frozen=True, kw_only=True)
class OfTorchvision(Contestant):
    """One of torchvision's detectors with its own weights, in PyTorch on the CPU."""

    network: Any
    classes: tuple[str, ...]

    def detect(self, image: Pixels) -> Detections:
        """Return what the network finds; its labels count the background as 0."""
        import torch

        # [h, w, c] BGR -> [c, h, w] RGB, 0 to 1
        picture = torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).permute(2, 0, 1)
        with torch.inference_mode():
            found = self.network([picture.float() / 255])[0]
        scores = found["scores"].numpy().astype(np.float32)
        order = np.argsort(-scores, kind="stable")
        return Detections(
            boxes=found["boxes"].numpy().astype(np.float32).reshape(-1, 4)[order],
            scores=scores[order],
            labels=found["labels"].numpy().astype(np.int64)[order],
            classes=self.classes,
        )


def open_contestant(subject: str, threads: int) -> Contestant:
    """Open a bundle (its INT8 graph), an ONNX file, or `torchvision:NAME`.

    An ONNX file in a bundle, float.onnx for one, is that graph with its contract. Raises
    ArtifactError for what cannot be opened, NotRunError where torchvision is not importable,
    UsageError for what is none of the three.
    """
    if subject.startswith(PREFIX):
        return _torchvision(subject.removeprefix(PREFIX), threads)
    path = Path(subject)
    if path.is_dir():
        path = path / GRAPHS["int8"]
    if path.suffix.lower() != ".onnx":
        raise UsageError(
            f"{subject} is neither a bundle nor an ONNX file nor {PREFIX}NAME: nothing can run it"
        )
    if not path.is_file():
        raise ArtifactError(f"{path} is missing: make it with `hexdet export`")
    name = f"{path.resolve().parent.name}/{path.name}"
    known: dict[str, Precision] = {file: precision for precision, file in GRAPHS.items()}
    sha256, size = sha256_of(path), path.stat().st_size
    if path.name in known and (path.parent / CONTRACT).is_file():
        contract = load_contract(path.parent)
        backend = CpuBackend(path.parent, contract, known[path.name], threads=threads)
        detector = Detector(contract, backend)
        return OfBundle(name=name, sha256=sha256, size_bytes=size, detector=detector)
    session = _session(path, threads)
    inputs = _noise(path, session.get_inputs())
    return OfGraph(name=name, sha256=sha256, size_bytes=size, session=session, inputs=inputs)


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # of foreign graphs onnxruntime complains at length
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no other base
        raise ArtifactError(f"onnxruntime cannot load {path}: {error}") from error


def _noise(path: Path, inputs: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
    kinds = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int64)": np.int64}
    generator = np.random.default_rng(0)
    found: dict[str, npt.NDArray[Any]] = {}
    for value in inputs:
        fixed = all(isinstance(side, int) and side > 0 for side in value.shape)
        if value.type not in kinds or not fixed:
            raise ArtifactError(
                f"{path}: its input {value.name} is {value.type} {value.shape}: only float, uint8 "
                f"and int64 of fixed shapes can be made up"
            )
        found[value.name] = generator.integers(0, 2, value.shape).astype(kinds[value.type])
    return found


def _torchvision(name: str, threads: int) -> OfTorchvision:
    """Open one of torchvision's detectors by the name of its builder, fasterrcnn_resnet50_fpn."""
    try:
        models = importlib.import_module("torchvision.models")
        importlib.import_module("torchvision.models.detection")
    except Exception as error:  # beside another torch its compiled operators raise RuntimeError
        raise NotRunError(f"not run: torchvision is not importable ({error})") from error
    import torch

    torch.set_num_threads(threads)
    try:
        weights = models.get_model_weights(name).DEFAULT
        network = models.get_model(name, weights=weights).eval()
    except (ValueError, KeyError) as error:
        raise UsageError(f"torchvision has no detector {name!r}: {error}") from error
    except OSError as error:  # urllib's errors are of this kind
        raise NotRunError(f"not run: torchvision cannot fetch {name}'s weights: {error}") from error
    return OfTorchvision(
        name=f"{PREFIX}{name}",
        sha256="",
        size_bytes=sum(t.numel() * t.element_size() for t in network.state_dict().values()),
        network=network,
        classes=tuple(weights.meta["categories"][1:]),
    )
