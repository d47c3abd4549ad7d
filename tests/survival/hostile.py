"""Files made to harm whoever opens them: refused in a sentence, soon and in little memory."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from survival.tiny import World, last_line

MOST_MIB = 700
"""More that a refusal may take; a decoded image of 100 million pixels takes 286."""
LIMIT_MIB = 4096
MOST_S = 60.0
DEEP = 200_000


class Trap:
    """What a pickle runs when it is loaded: it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a case may write, a finished bundle (a copy, its own) and what must not appear."""

    folder: Path
    world: World
    bundle: Path
    canary: Path
    precious: Path

    def detect(self, image: Path) -> list[str]:
        return ["detect", str(self.bundle), str(image), "--out", str(self.folder / "found")]

    def export(self, *more: str) -> list[str]:
        recipe, checkpoint = str(self.world.recipe), str(self.world.checkpoint(0))
        build = str(self.folder / "build")
        return ["export", recipe, "--checkpoint", checkpoint, "--build", build, *more]

    def changed(self, name: str, change: Callable[[Any], Any]) -> None:
        """Rewrite a JSON file of the bundle."""
        path = self.bundle / name
        content = change(json.loads(path.read_text(encoding="utf-8")))
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    def image(self, name: str, data: bytes) -> list[str]:
        path = self.folder / name
        path.write_bytes(data)
        return self.detect(path)


Make = Callable[[Ground], list[str]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one hostile file was met. faults: code that ran, memory, time, a crash."""

    kind: str
    title: str
    code: int
    said: str
    seconds: float
    mib: float
    faults: tuple[str, ...]


def meet(kind: str, title: str, make: Make, world: World, finished: Path) -> Outcome:
    """Make a hostile file and give it to `hexdet`, in a process of its own."""
    folder = Path(tempfile.mkdtemp(dir=world.folder))
    precious = folder / "precious.txt"
    precious.write_text("mine", encoding="utf-8")
    ground = Ground(
        folder=folder,
        world=world,
        bundle=shutil.copytree(finished, folder / "own" / "bundle"),
        canary=folder / "canary",
        precious=precious,
    )
    arguments = make(ground)
    began = time.monotonic()
    # Limited, so that a bomb that goes off hurts nobody else.
    process = world.fork(arguments, folder / "log", most_mib=LIMIT_MIB)
    code, said = process.wait(3 * MOST_S), (folder / "log").read_text(errors="replace")
    seconds, mib = time.monotonic() - began, process.grown_mib
    faults = []
    if code not in (1, 2, 3) and title not in HARMLESS:
        faults.append(f"it ended with exit code {code}")
    if "Traceback" in said:
        faults.append("it crashed")
    if ground.canary.exists():
        faults.append("code out of the file ran")
    if not precious.is_file() or precious.read_text() != "mine":
        faults.append("a file outside was changed")
    if mib > MOST_MIB:
        faults.append(f"it took {mib:.0f} MiB")
    if seconds > MOST_S:
        faults.append(f"it took {seconds:.0f} s")
    shutil.rmtree(folder)
    return Outcome(
        kind=kind,
        title=title,
        code=code,
        said=last_line(said).replace(str(folder), "…"),
        seconds=seconds,
        mib=mib,
        faults=tuple(faults),
    )


def _pickled_checkpoint(ground: Ground) -> list[str]:
    path = ground.folder / "evil.safetensors"
    path.write_bytes(pickle.dumps(Trap(ground.canary)))
    return ["export", str(ground.world.recipe), "--checkpoint", str(path)]


def _torch_checkpoint(ground: Ground) -> list[str]:
    path = ground.folder / "evil.safetensors"
    torch.save({"state_dict": Trap(ground.canary)}, path)
    return ["export", str(ground.world.recipe), "--checkpoint", str(path)]


def _pth(ground: Ground) -> list[str]:
    path = ground.folder / "evil.pth"
    torch.save({"state_dict": {"a.weight": torch.zeros(1), "b": Trap(ground.canary)}}, path)
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def _old_pth(ground: Ground) -> list[str]:
    path = ground.folder / "evil.pth"
    path.write_bytes(pickle.dumps(Trap(ground.canary)))
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def _npz(ground: Ground) -> list[str]:
    path = ground.folder / "evil.npz"
    objects = np.array([Trap(ground.canary)], dtype=object)
    np.savez(path, **{"000.weight": objects}, allow_pickle=True)
    path.with_suffix(".json").write_text('{"ops": []}')
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def _npz_bomb(ground: Ground) -> list[str]:
    path = ground.folder / "bomb.npz"
    header = b"\x93NUMPY\x01\x00"
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296,), }"
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("000.weight.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(header + struct.pack("<H", len(text)) + text)
        for _ in range(4096):
            stream.write(bytes(2**20))
    path.with_suffix(".json").write_text('{"ops": []}')
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def _npz_claim(ground: Ground) -> list[str]:
    path = ground.folder / "claim.npz"
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976,), }"
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)
        archive.writestr("000.weight.npy", data)
    path.with_suffix(".json").write_text('{"ops": []}')
    return ["import", str(path), "--recipe", str(ground.world.recipe)]


def _header_length(ground: Ground) -> list[str]:
    path = ground.folder / "long.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    return ["export", str(ground.world.recipe), "--checkpoint", str(path)]


def _recipe(text: str) -> Make:
    def make(ground: Ground) -> list[str]:
        path = ground.folder / "evil.yaml"
        path.write_text(text.replace("CANARY", str(ground.canary)), encoding="utf-8")
        return ["export", str(path), "--build", str(ground.folder / "build")]

    return make


def _yaml_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 10):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    return "\n".join([*lines, "name: *a9", "data: {format: voc, classes: *a9}"]) + "\n"


def _override(ground: Ground) -> list[str]:
    return ground.export("--set", f"name=!!python/object/apply:os.mkdir ['{ground.canary}']")


def _yolo(ground: Ground) -> list[str]:
    data = ground.folder / "yolo"
    data.mkdir()
    (data / "data.yaml").write_text(f"names: !!python/object/apply:os.mkdir ['{ground.canary}']\n")
    recipe = ground.folder / "yolo.yaml"
    recipe.write_text(
        f"data: {{format: yolo, folder: {data}, classes: [head]}}\nnetwork: {{anchors: [[[9, 9]]]}}"
    )
    return ["data", "inspect", str(recipe)]


def _external(place: str) -> Make:
    """Make a foreign graph whose weights lie elsewhere."""

    def make(ground: Ground) -> list[str]:
        (ground.folder / "secret.bin").write_bytes(bytes(4 * 3 * 8))
        folder = ground.folder / "foreign"
        folder.mkdir()
        (folder / "link.bin").symlink_to(ground.folder / "secret.bin")
        location = place.replace("FOLDER", str(ground.folder))
        path = folder / "evil.onnx"
        path.write_bytes(_graph(location).SerializeToString())
        return ["export", "--onnx", str(path), "--contract", str(_contract(ground))]

    return make


def _contract(ground: Ground) -> Path:
    path = ground.folder / "contract.yaml"
    path.write_text(
        "data: {format: images, classes: [head], train: a, test: b}\n"
        "network: {width: 64, height: 64, strides: [16], anchors: [[[9, 9]]]}\n"
    )
    return path


def _external_bundle(ground: Ground) -> list[str]:
    """Let a bundle's own graph point out of it."""
    (ground.folder / "secret.bin").write_bytes(bytes(4 * 3 * 8))
    (ground.bundle / "int8.onnx").write_bytes(_graph("../../secret.bin").SerializeToString())
    return ground.image("x.png", _png(8, 8))


def _graph(location: str) -> onnx.ModelProto:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[8, 3, 1, 1])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(4 * 3 * 8))):
        weight.external_data.add(key=key, value=value)
    shapes = ((1, 3, 64, 64), (1, 8, 64, 64))
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in zip(("image", "out"), shapes, strict=True)
    ]
    node = helper.make_node("Conv", ["image", "w"], ["out"])
    graph = helper.make_graph([node], "evil", ends[:1], ends[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _png(width: int, height: int, rows: bytes = b"", more: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = rows or bytes((1 + 3 * width) * height)
    end = chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + more + end


def _png_text_bomb() -> bytes:
    data = b"Comment\0\0" + zlib.compress(bytes(2**30), 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return _png(65535, 65535, rows=b"\0", more=chunk)


def _jpeg(width: int, height: int, twice: bool = False) -> bytes:
    _, data = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
    found = bytearray(data.tobytes())
    at = found.index(b"\xff\xc0")
    length = int.from_bytes(found[at + 2 : at + 4], "big")
    header = bytes(found[at : at + 2 + length])
    bomb = header[:5] + struct.pack(">HH", height, width) + header[9:]
    found[at : at + 2 + length] = header + bomb if twice else bomb
    return bytes(found)


def _tiff(*sides: tuple[int, int]) -> bytes:
    """Return a TIFF whose only directory states its size, more than once where asked."""
    entries = b""
    for width, height in sides:
        entries += struct.pack("<HHII", 256, 4, 1, width) + struct.pack("<HHII", 257, 4, 1, height)
    for tag, value in ((258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 65535), (279, 4)):
        entries += struct.pack("<HHIHH", tag, 3, 1, value, 0)
    count = len(entries) // 12
    return b"II*\0" + struct.pack("<IH", 8, count) + entries + struct.pack("<I", 0) + bytes(64)


def _gif(width: int, height: int, frame: tuple[int, int]) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    image = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0)
    return screen + image + b"\x02\x02\x4c\x01\x00;"


def _bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info + bytes(64)


def _webp() -> bytes:
    body = b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff\xff\x00" * 2
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _detector(change: Callable[[Any], Any]) -> Make:
    def make(ground: Ground) -> list[str]:
        ground.changed("detector.json", change)
        return [*ground.image("x.png", _png(8, 8)), "--score", "0"]

    return make


def _with(*path: str, value: Any) -> Callable[[Any], Any]:
    def change(content: Any) -> Any:
        place = content
        for key in path[:-1]:
            place = place[int(key) if isinstance(place, list) else key]
        place[path[-1]] = value
        return content

    return change


def _manifest(change: Callable[[Any], Any]) -> Make:
    def make(ground: Ground) -> list[str]:
        ground.changed("manifest.json", change)
        return ["dlc", str(ground.bundle), "--target", "sm0"]

    return make


def _climbing(ground: Ground) -> list[str]:
    """Let a bundle's manifest name files outside of it as its own: they go when it is made anew."""

    def change(content: Any) -> Any:
        content["stages"]["target x"] = {"inputs": "x", "outputs": ["../../precious.txt"]}
        content["stages"]["quantize"]["outputs"].append(str(ground.precious))
        content["stages"]["quantize"]["inputs"] = "x"
        return content

    ground.changed("manifest.json", change)
    return ["quantize", str(ground.bundle), "--set", "export.time_limit_s=0.001"]


def _dlc(change: Callable[[bytes], bytes]) -> Make:
    def make(ground: Ground) -> list[str]:
        path = ground.bundle / "int8.dlc"
        path.write_bytes(change(path.read_bytes()))
        return ["dlc-info", str(path)]

    return make


def _climbing_dlc(ground: Ground) -> list[str]:
    """Give a DLC an entry whose name leads out of wherever it were unpacked."""
    path = ground.folder / "climb.dlc"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../precious.txt", "theirs")
        archive.writestr("/tmp/hexdet-canary", "theirs")
    return ["dlc-info", str(path)]


def _xml(text: str) -> Make:
    def make(ground: Ground) -> list[str]:
        data = ground.folder / "voc"
        for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (data / name).mkdir(parents=True)
        (data / "ImageSets/Main/train.txt").write_text("a\n")
        (data / "JPEGImages/a.jpg").write_bytes(_jpeg(16, 16))
        (data / "Annotations/a.xml").write_text(text.replace("SECRET", str(ground.precious)))
        recipe = ground.folder / "voc.yaml"
        recipe.write_text(
            f"data: {{format: voc, folder: '{data}', classes: [head], train: train, val: train, "
            f"test: train}}\n"
        )
        return ["anchors", str(recipe), "--augmented", "0"]

    return make


def _deep(opening: str, closing: str) -> Callable[[Any], str]:
    return lambda content: opening * DEEP + closing * DEEP


def _laughs() -> str:
    entities = ['<!ENTITY a0 "ha">']
    for level in range(1, 12):
        entities.append(f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">')
    return f"<!DOCTYPE x [{''.join(entities)}]><annotation><filename>&a11;</filename></annotation>"


def _large_input(content: Any) -> Any:
    return _with("input", "height", value=16384)(_with("input", "width", value=16384)(content))


def _columns(content: Any) -> Any:
    return _with("levels", "0", "columns", value=16384)(content)


def _with_encoding(scale: float) -> Callable[[Any], Any]:
    def change(content: Any) -> Any:
        next(iter(content["encodings"].values()))["scale"] = scale
        return content

    return change


def _turned_over(data: bytes) -> bytes:
    changed = bytearray(data)
    for place in range(0, len(changed), 997):
        changed[place] ^= 0xFF
    return bytes(changed)


def _foreign(suffix: str, data: bytes) -> Make:
    def make(ground: Ground) -> list[str]:
        path = ground.folder / f"evil{suffix}"
        path.write_bytes(data)
        path.with_suffix(".prototxt").write_text("layer { type: 'Input' }")
        return ["export", "--onnx", str(path), "--contract", str(_contract(ground))]

    return make


OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file://SECRET">]><annotation>&e;</annotation>'
TAGGED = "name: !!python/object/apply:os.mkdir ['CANARY']\n"
TAGGED_NEW = "name: !!python/object/new:os.mkdir ['CANARY']\n"

HARMLESS = (
    "top_k of 10^30",
    "max_detections of 10^30",
    "a target_arch of 10^30",
    "a mean of 10^308",
)
"""What means no more than `all of them`, or nothing to the graph that runs."""

CASES: tuple[tuple[str, str, Make], ...] = (
    ("checkpoint", "a pickle that runs code, named .safetensors", _pickled_checkpoint),
    ("checkpoint", "a file of torch.save that runs code, named .safetensors", _torch_checkpoint),
    ("checkpoint", "a header of 4 EiB", _header_length),
    ("import", ".pth whose pickle runs code", _pth),
    ("import", ".pth, a bare pickle that runs code", _old_pth),
    ("import", ".npz of pickled objects that run code", _npz),
    ("import", ".npz of 4 MiB that unpacks to 4 GiB", _npz_bomb),
    ("import", ".npz of 300 bytes whose array claims 4 EiB", _npz_claim),
    ("recipe", "YAML tag !!python/object/apply", _recipe(TAGGED)),
    ("recipe", "YAML tag !!python/object/new", _recipe(TAGGED_NEW)),
    ("recipe", "the tag in --set", _override),
    ("recipe", "anchors that double: 10^10 values", _recipe(_yaml_bomb())),
    ("recipe", "lists 200,000 deep", _recipe("name: " + "[" * DEEP)),
    ("recipe", "a name that climbs: ../../x", _recipe("name: ../../x\n")),
    ("data", "the tag in a YOLO data.yaml", _yolo),
    ("data", "VOC annotation whose entities grow to 2 * 10^11 letters", _xml(_laughs())),
    ("data", "VOC annotation that includes another file", _xml(OUTSIDE)),
    ("ONNX", "weights in ../secret.bin", _external("../secret.bin")),
    ("ONNX", "weights at an absolute path", _external("FOLDER/secret.bin")),
    ("ONNX", "weights behind a link that leads out", _external("link.bin")),
    ("ONNX", "a bundle's int8.onnx with weights in ../../secret.bin", _external_bundle),
    ("image", "PNG, 65,535 x 65,535", lambda g: g.image("x.png", _png(65535, 65535, b"\0"))),
    (
        "image",
        "PNG, 2^31 - 1 squared",
        lambda g: g.image("x.png", _png(2**31 - 1, 2**31 - 1, b"\0")),
    ),
    ("image", "PNG with 1 GiB of text in it", lambda g: g.image("x.png", _png_text_bomb())),
    ("image", "JPEG, 65,535 x 65,535", lambda g: g.image("x.jpg", _jpeg(65535, 65535))),
    (
        "image",
        "JPEG, small, then a second header 65,500 x 65,500",
        lambda g: g.image("x.jpg", _jpeg(65500, 65500, twice=True)),
    ),
    ("image", "TIFF, 65,535 x 65,535", lambda g: g.image("x.tif", _tiff((65535, 65535)))),
    (
        "image",
        "TIFF that states two sizes, the large one first",
        lambda g: g.image("x.tif", _tiff((30000, 30000), (8, 8))),
    ),
    ("image", "GIF, 65,535 x 65,535", lambda g: g.image("x.gif", _gif(65535, 65535, (1, 1)))),
    (
        "image",
        "GIF of 8 x 8 with a frame of 65,535 x 65,535",
        lambda g: g.image("x.gif", _gif(8, 8, (65535, 65535))),
    ),
    ("image", "BMP, 65,535 x 65,535", lambda g: g.image("x.bmp", _bmp(65535, 65535))),
    ("image", "BMP, -2^31 wide", lambda g: g.image("x.bmp", _bmp(-(2**31), 1))),
    ("image", "WebP, 65,536 x 65,536", lambda g: g.image("x.webp", _webp())),
    (
        "image",
        "PNM, 999,999,999 squared",
        lambda g: g.image("x.ppm", b"P6\n999999999 999999999\n255\n"),
    ),
    ("detector.json", "lists 200,000 deep", _detector(_deep("[", "]"))),
    ("detector.json", "a width of 10^400", _detector(_with("input", "width", value=10**400))),
    ("detector.json", "16,384 x 16,384 of input", _detector(_large_input)),
    ("detector.json", "NaN as a scale", _detector(_with_encoding(float("nan")))),
    ("detector.json", "infinity as a scale", _detector(_with_encoding(float("inf")))),
    ("detector.json", "top_k of 10^30", _detector(_with("thresholds", "top_k", value=10**30))),
    (
        "detector.json",
        "max_detections of 10^30",
        _detector(_with("thresholds", "max_detections", value=10**30)),
    ),
    ("detector.json", "a target_arch of 10^30", _detector(_with("target_arch", value=10**30))),
    ("detector.json", "a mean of 10^308", _detector(_with("input", "mean", value=1e308))),
    (
        "detector.json",
        "2^14 x 2^14 cells on a level",
        _detector(lambda c: _with("levels", "0", "rows", value=16384)(_columns(c))),
    ),
    ("manifest.json", "files outside named as its own", _climbing),
    ("manifest.json", "lists 200,000 deep", _manifest(_deep("[", "]"))),
    ("manifest.json", "a list where stages belong", _manifest(_with("stages", value=[1]))),
    ("manifest.json", "a number where hashes belong", _manifest(_with("files", value=3))),
    (
        "manifest.json",
        "a recipe that names ../../x",
        _manifest(_with("recipe", "name", value="../../x")),
    ),
    ("DLC", "entries named ../precious.txt and /tmp/x", _climbing_dlc),
    ("DLC", "cut in half", _dlc(lambda data: data[: len(data) // 2])),
    ("DLC", "every 997th byte turned over", _dlc(_turned_over)),
    ("foreign network", ".tflite of zeros", _foreign(".tflite", bytes(1000))),
    ("foreign network", ".caffemodel of noise", _foreign(".caffemodel", bytes(range(256)) * 4)),
    ("foreign network", ".onnx of noise", _foreign(".onnx", bytes(range(256)) * 4)),
)


def all_outcomes(world: World, finished: Path, every: int = 1) -> Iterator[Outcome]:
    """Meet the hostile files, or each n-th of them."""
    for kind, title, make in CASES[::every]:
        yield meet(kind, title, make, world, finished)
