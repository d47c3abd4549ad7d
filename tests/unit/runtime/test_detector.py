"""The detector on a tiny bundle: one call, a batch, many threads and the backend that is chosen."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from hexdet.errors import ArtifactError, DataError
from hexdet.runtime import htp
from hexdet.runtime.backend import Backend, CpuBackend
from hexdet.runtime.contract import InputSpec, Thresholds, load_contract
from hexdet.runtime.detections import Detections
from hexdet.runtime.detector import Detector
from hexdet.runtime.files import replacing_set
from hexdet.runtime.placement import place

MakeBundle = Callable[..., Path]
Pixels = npt.NDArray[np.uint8]


def picture(seed: int, height: int = 64, width: int = 96) -> Pixels:
    """Return noise in blocks: on every one of them the tiny bundle detects something else."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    return np.kron(blocks, np.ones((height // 4, width // 6, 1), np.uint8))


def same(a: Detections, b: Detections) -> bool:
    return a.to_json() == b.to_json()


@pytest.fixture
def detector(make_bundle: MakeBundle) -> Detector:
    return Detector.load(make_bundle(), backend="cpu")


def test_no_image_is_an_empty_batch(detector: Detector) -> None:
    assert detector.batch([]) == []


def test_a_batch_is_its_images_one_by_one(detector: Detector) -> None:
    images = [picture(0), picture(1, 40, 60), picture(2)[..., 0], picture(3).astype(np.uint16)]
    found = detector.batch(iter(images), score=0.1)
    assert len(found) == 4
    for image, detections in zip(images, found, strict=True):
        assert same(detections, detector(image, score=0.1))
    assert len({str(d.to_json()) for d in found}) == 4


def test_a_bad_image_of_a_batch_is_named_by_its_position(detector: Detector) -> None:
    with pytest.raises(DataError, match=r"^image 1 of the batch: an image cannot be float64"):
        detector.batch([picture(0), np.zeros((4, 4, 3))])  # type: ignore[list-item]


def test_a_call_is_its_three_steps(detector: Detector) -> None:
    image = picture(0)
    prepared = detector.prepare(image)
    outputs = detector.infer(prepared.pixels)
    found = detector.finish(outputs, prepared.placement, detector.thresholds(score=0.2))
    assert len(found) > 0
    assert same(found, detector(image, score=0.2))


def test_rgb_is_bgr_the_other_way_round(detector: Detector) -> None:
    image = picture(0)
    swapped = np.ascontiguousarray(image[..., ::-1])
    assert same(detector(swapped, colour="rgb"), detector(image))
    assert not same(detector(swapped), detector(image))


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_boxes_are_in_the_images_pixels(make_bundle: MakeBundle, fit: str) -> None:
    """The same outputs stand for the same boxes of the input, wherever the image lies in it."""
    spec = InputSpec(width=48, height=32, colour="bgr", fit=fit)  # type: ignore[arg-type]
    with Detector.load(make_bundle({"input": spec}), backend="cpu") as detector:
        outputs = detector.infer(detector.prepare(picture(0)).pixels)
        thresholds = detector.thresholds(score=0.0, nms_iou=1.0)
        whole = place(48, 32, spec)
        inner = detector.finish(outputs, whole, thresholds)
        assert len(inner) == 6
        for width, height in ((480, 320), (96, 16), (16, 96), (1920, 1080)):
            placement = place(width, height, spec)
            found = detector.finish(outputs, placement, thresholds)
            assert (found.boxes >= 0).all() and (found.boxes <= [width, height] * 2).all()
            expected = placement.to_image(inner.boxes)
            seen = (expected[:, 2:4] > expected[:, 0:2]).all(axis=1)  # not in the bars
            assert seen.any()
            np.testing.assert_allclose(
                found[(found.boxes[:, 2:4] > found.boxes[:, 0:2]).all(axis=1)].boxes,
                expected[seen],
                rtol=1e-4,
                atol=1e-3,
            )


@pytest.mark.parametrize("precision", ["int8", "float"])
def test_both_precisions_load(make_bundle: MakeBundle, precision: Any) -> None:
    with Detector.load(str(make_bundle()), precision=precision, threads=1) as detector:
        assert detector.backend.name == f"{precision} on onnxruntime CPU"
        detector(picture(0))


THRESHOLDS = Thresholds(score=0.4, nms_iou=0.6, max_detections=9)


def test_thresholds_are_the_contracts_with_those_given_in_their_place(detector: Detector) -> None:
    default = detector.contract.thresholds
    assert detector.thresholds() == default
    assert detector.thresholds(THRESHOLDS) == THRESHOLDS
    changed = detector.thresholds(score=0.0)  # zero is a value
    assert (changed.score, changed.nms_iou) == (0.0, default.nms_iou)
    changed = detector.thresholds(THRESHOLDS, nms_iou=0.1, max_detections=3)
    assert (changed.score, changed.nms_iou, changed.max_detections) == (0.4, 0.1, 3)


def test_thresholds_act_on_the_call(detector: Detector) -> None:
    image = picture(0)
    everything = detector(image, score=0.0, nms_iou=1.0)
    assert len(everything) > 2
    assert len(detector(image, score=0.0, nms_iou=1.0, max_detections=2)) == 2
    least = float(everything.scores[1])
    assert len(detector(image, thresholds=detector.thresholds(score=least, nms_iou=1.0))) == 2
    assert len(detector.batch([image], score=1.0)[0]) == 0


class Watched(Backend):
    """Counts how many threads run it at once; slow enough for them to meet."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.inside = self.most = 0
        self.closed = 0

    def run(self, pixels: Pixels) -> Mapping[str, npt.NDArray[Any]]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        found = self.inner.run(pixels)
        threading.Event().wait(0.001)
        self.inside -= 1
        return found

    @property
    def encodings(self) -> Any:
        return self.inner.encodings

    def close(self) -> None:
        self.closed += 1


def test_many_threads_get_their_own_results(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    plain = Detector.load(folder, backend="cpu", threads=1)
    backend = Watched(CpuBackend(folder, plain.contract, "int8", threads=1))
    shared = Detector(plain.contract, backend)
    images = [picture(seed, 4 * (seed + 4), 6 * (seed + 5)) for seed in range(12)]
    expected = [plain(image, score=0.05).to_json() for image in images]
    order = [i for _ in range(12) for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda i: shared(images[i], score=0.05).to_json(), order))
    assert found == [expected[i] for i in order]
    assert backend.most == 1


def test_as_a_context_it_closes_its_backend(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    with Detector.load(folder, backend="cpu") as plain:
        backend = Watched(plain.backend)
        with Detector(plain.contract, backend) as detector:
            assert backend.closed == 0
            detector(picture(0))
        assert backend.closed == 1


class Htp(Backend):
    """Stands for the HTP and keeps what it was asked for."""

    asked: Mapping[str, Any] = {}

    def __init__(self, *_: Any, **asked: Any) -> None:
        self.name = "the HTP"
        type(self).asked = asked


@pytest.mark.parametrize(
    ("backend", "precision", "dsp", "expected"),
    [
        ("auto", "int8", False, "int8 on onnxruntime CPU"),
        ("auto", "int8", True, "the HTP"),
        ("auto", "float", True, "float on onnxruntime CPU"),
        ("cpu", "int8", True, "int8 on onnxruntime CPU"),
        ("htp", "int8", False, "the HTP"),
        ("htp", "int8", True, "the HTP"),
    ],
)
def test_the_backend_that_is_chosen(
    make_bundle: MakeBundle,
    monkeypatch: pytest.MonkeyPatch,
    backend: Any,
    precision: Any,
    dsp: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(htp, "HtpBackend", Htp)
    monkeypatch.setattr(htp, "dsp_is_here", lambda: dsp)
    with Detector.load(make_bundle(), backend=backend, precision=precision) as detector:
        assert detector.backend.name == expected


def test_what_concerns_the_htp_reaches_it(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(htp, "HtpBackend", Htp)
    Detector.load(make_bundle(), backend="htp", arch=68, time_limit_s=5.0)
    assert Htp.asked == {"arch": 68, "time_limit_s": 5.0}
    Detector.load(make_bundle(), backend="htp")
    assert Htp.asked == {"arch": None, "time_limit_s": htp.TIME_LIMIT_S}


def test_a_bundle_whose_graph_does_not_fit_is_refused(make_bundle: MakeBundle) -> None:
    with pytest.raises(ArtifactError, match=r"does not fit its detector\.json"):
        Detector.load(make_bundle({"classes": ("head", "person")}))


def test_a_bundle_that_is_replaced_meanwhile_is_opened_whole_or_not_at_all(
    make_bundle: MakeBundle,
) -> None:
    """Whenever it is opened: the graph and detector.json are of one export."""
    folder = make_bundle()
    contract, graph = load_contract(folder), onnx.load(folder / "int8.onnx")
    graph.producer_name = "head"
    onnx.save(graph, folder / "int8.onnx")
    enough, pauses = threading.Event(), itertools.cycle((0.0, 0.0, 0.02, 0.0, 0.2))

    def replace_again_and_again() -> None:
        while not enough.is_set():
            for name in ("head", "tail"):
                graph.producer_name = name
                with replacing_set(folder, seal="detector.json") as staged:
                    onnx.save(graph, staged / "int8.onnx")
                    dataclasses.replace(contract, classes=(name,)).save(staged)
                # Time enough to be opened now and then, and none at all in between.
                enough.wait(next(pauses))

    refused = opened = 0
    writer = threading.Thread(target=replace_again_and_again)
    writer.start()
    try:
        while opened < 20:
            try:
                detector = Detector.load(folder, backend="cpu", threads=1)
            except ArtifactError:
                refused += 1
                assert refused < 20_000
                continue
            opened += 1
            assert isinstance(detector.backend, CpuBackend)
            graph_of = detector.backend._session.get_modelmeta().producer_name
            assert detector.contract.classes == (graph_of,)
            detector.close()
    finally:
        enough.set()
        writer.join()
