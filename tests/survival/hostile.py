"""Files made to harm whoever opens them: refused in a sentence, soon and in little memory."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper
from survival.absurd_headers import bmp, gif, jpeg, png, png_text_bomb, tiff, webp
from survival.evil_weights import (
    header_length,
    npz,
    npz_bomb,
    npz_claim,
    old_pth,
    pickled_checkpoint,
    pth,
    torch_checkpoint,
)
from survival.meeting import Ground, Make, Outcome, meet
from survival.tiny import World

DEEP = 200_000


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
    return ground.image("x.png", png(8, 8))


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


def _detector(change: Callable[[Any], Any]) -> Make:
    def make(ground: Ground) -> list[str]:
        ground.changed("detector.json", change)
        return [*ground.image("x.png", png(8, 8)), "--score", "0"]

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
        (data / "JPEGImages/a.jpg").write_bytes(jpeg(16, 16))
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
    ("checkpoint", "a pickle that runs code, named .safetensors", pickled_checkpoint),
    ("checkpoint", "a file of torch.save that runs code, named .safetensors", torch_checkpoint),
    ("checkpoint", "a header of 4 EiB", header_length),
    ("import", ".pth whose pickle runs code", pth),
    ("import", ".pth, a bare pickle that runs code", old_pth),
    ("import", ".npz of pickled objects that run code", npz),
    ("import", ".npz of 4 MiB that unpacks to 4 GiB", npz_bomb),
    ("import", ".npz of 300 bytes whose array claims 4 EiB", npz_claim),
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
    ("image", "PNG, 65,535 x 65,535", lambda g: g.image("x.png", png(65535, 65535, b"\0"))),
    (
        "image",
        "PNG, 2^31 - 1 squared",
        lambda g: g.image("x.png", png(2**31 - 1, 2**31 - 1, b"\0")),
    ),
    ("image", "PNG with 1 GiB of text in it", lambda g: g.image("x.png", png_text_bomb())),
    ("image", "JPEG, 65,535 x 65,535", lambda g: g.image("x.jpg", jpeg(65535, 65535))),
    (
        "image",
        "JPEG, small, then a second header 65,500 x 65,500",
        lambda g: g.image("x.jpg", jpeg(65500, 65500, twice=True)),
    ),
    ("image", "TIFF, 65,535 x 65,535", lambda g: g.image("x.tif", tiff((65535, 65535)))),
    (
        "image",
        "TIFF that states two sizes, the large one first",
        lambda g: g.image("x.tif", tiff((30000, 30000), (8, 8))),
    ),
    ("image", "GIF, 65,535 x 65,535", lambda g: g.image("x.gif", gif(65535, 65535, (1, 1)))),
    (
        "image",
        "GIF of 8 x 8 with a frame of 65,535 x 65,535",
        lambda g: g.image("x.gif", gif(8, 8, (65535, 65535))),
    ),
    ("image", "BMP, 65,535 x 65,535", lambda g: g.image("x.bmp", bmp(65535, 65535))),
    ("image", "BMP, -2^31 wide", lambda g: g.image("x.bmp", bmp(-(2**31), 1))),
    ("image", "WebP, 65,536 x 65,536", lambda g: g.image("x.webp", webp())),
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
        yield meet(kind, title, make, world, finished, harmless=title in HARMLESS)
