"""Write opencv_4.npz: what OpenCV 4's dnn makes of the Caffe networks. OpenCV 5 reads none.

Run by hand, with an OpenCV 4 and hexdet importable:
    pip install --no-deps --target /tmp/opencv4 'opencv-python-headless<5'
    HEXDET_DATA=... PYTHONPATH=/tmp/opencv4:. python -m tests.unit.export.caffe_ssd.opencv_reference
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import cv2
import numpy as np

if __package__:
    from .random_weights import random_caffemodel, random_image
else:
    from random_weights import random_caffemodel, random_image

MODELS = Path(os.environ.get("HEXDET_DATA") or "data").parent / "models"
CLASSES = 4
"""What is put into the template, with the background."""


def filled(text: str) -> str:
    """Return a template's text with its placeholders (cls6x: six times the classes) filled in."""
    return re.sub(r"\bcls(\d+)x", lambda found: str(int(found[1]) * CLASSES), text)


def reference(prototxt: Path, caffemodel: Path, outputs: list[str]) -> dict[str, np.ndarray]:
    """Run a network on the random picture."""
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
    size = (320, 240) if "RFB" in prototxt.name else (300, 300)
    mean, std = (127.0, 128.0) if "RFB" in prototxt.name else (127.5, 127.5)
    picture = random_image(size[1], size[0])
    net.setInput(cv2.dnn.blobFromImage(picture, 1 / std, size, (mean,) * 3, swapRB=False))
    return dict(zip(outputs, net.forward(outputs), strict=True))


def main() -> None:
    """Write the file beside this one."""
    found: dict[str, np.ndarray] = {"version": np.asarray(cv2.__version__)}
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted((MODELS / "mobilenet_ssd_caffe").glob("*deploy*.prototxt")):
            text = filled(source.read_text())
            # Without suppression: Caffe suppresses whole boxes, hexdet what is inside the image.
            text = text.replace("nms_threshold: 0.45", "nms_threshold: 1.0")
            prototxt = Path(folder) / source.name
            prototxt.write_text(text)
            caffemodel = prototxt.with_suffix(".caffemodel")
            caffemodel.write_bytes(random_caffemodel(text))
            names = ["mbox_loc", "mbox_conf_flatten", "detection_out"]
            values = reference(prototxt, caffemodel, names)
            found[f"{source.stem}/loc"] = values[names[0]].reshape(-1)[::11]
            found[f"{source.stem}/conf"] = values[names[1]].reshape(-1)[::37]
            found[f"{source.stem}/detections"] = values[names[2]].reshape(-1, 7)
    face = MODELS / "ultra_light_face"
    values = reference(face / "RFB-320.prototxt", face / "RFB-320.caffemodel", ["boxes", "scores"])
    found["RFB-320/loc"] = values["boxes"].reshape(-1)[::11]
    found["RFB-320/conf"] = values["scores"].reshape(-1)[::11]
    np.savez_compressed(Path(__file__).with_name("opencv_4.npz"), **found)


if __name__ == "__main__":
    main()
