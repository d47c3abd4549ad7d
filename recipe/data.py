"""The recipe's data section: which annotated images, in which format."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .section import Section


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names that are empty or the same but for case and blanks."""
    plain = ["".join(name.split()).casefold() for name in names]
    for place, name in enumerate(names):
        if not plain[place]:
            raise ValueError("a class needs a name")
        if plain[place] in plain[:place]:
            other = names[plain.index(plain[place])]
            raise ValueError(f"{name!r} and {other!r} are one name: keep one of them")
    return names


def _several(value: Any) -> Any:
    """Let one word stand for a list of one."""
    return (value,) if isinstance(value, str) else value


ClassNames = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_distinct)]
"""Without the background, in the order of the labels; objects of other classes are left out."""
OneClass = Annotated[tuple[str, ...], Field(min_length=1, max_length=1), AfterValidator(_distinct)]
"""What the only kind of object of a dataset shall be called."""
BodyPart = Literal["head", "visible", "full"]
FaceFlag = Literal["invalid", "blur", "expression", "illumination", "occlusion", "pose"]


class ScenesData(Section):
    """The built-in renderer: seeded, no files. The numbers are counts of scenes."""

    format: Literal["scenes"] = "scenes"
    seed: int = 0
    train: int = Field(4000, ge=1)
    val: int = Field(100, ge=1)
    test: int = Field(200, ge=1)


FACE_CLASSES = ("face", "partial")


class FacesData(Section):
    """The built-in renderer's faces with five landmarks: seeded, no files; counts of pictures.

    The classes are `face`, and `partial` for one of which less than 0.4 is visible.
    """

    format: Literal["faces"]
    seed: int = Field(0, ge=0)
    train: int = Field(2000, ge=1)
    val: int = Field(100, ge=1)
    test: int = Field(200, ge=1)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the class names without the background."""
        return FACE_CLASSES


class VocData(Section):
    """A dataset in PASCAL VOC layout; train, val and test name files of ImageSets/Main.

    `all` is every annotated image, where there is no file of that name.
    """

    format: Literal["voc"]
    folder: str
    """Relative to HEXDET_DATA, or absolute."""
    classes: ClassNames
    train: str = "trainval"
    val: str = "val"
    test: str = "test"
    address: str = ""
    """Where the data can be had: shown when the folder is missing."""


class CocoData(Section):
    """Annotations in COCO's JSON (`instances`), those with `iscrowd` or `ignore` to be ignored.

    train, val and test are what `{split}` stands for in the two paths below.
    """

    format: Literal["coco"]
    folder: str = "coco"
    """Relative to HEXDET_DATA, or absolute; likewise in all that follow."""
    classes: ClassNames
    """Names of categories of the file; their ids may have gaps."""
    annotations: str = "annotations/instances_{split}.json"
    images: str = "{split}"
    """Folder that `file_name` is relative to."""
    train: str = "train2017"
    val: str = "val2017"
    test: str = "val2017"
    """The truth of COCO's own test images is not published."""
    address: str = "https://cocodataset.org/#download"


class CrowdHumanData(Section):
    """CrowdHuman's odgt files; `mask` regions and what is marked `ignore` is to be ignored."""

    format: Literal["crowdhuman"]
    folder: str = "crowdhuman"
    boxes: Annotated[tuple[BodyPart, ...], Field(min_length=1), BeforeValidator(_several)] = (
        "head",
    )
    """Which box of a person: head, visible (part of the body) or full; one, or one a class."""
    classes: ClassNames
    """One for each of `boxes`, in their order. Default: head, or person for a body."""
    annotations: str = "annotation_{split}.odgt"
    images: str = "Images"
    """Folder of the images; `{split}` may stand in it."""
    train: str = "train"
    val: str = "val"
    test: str = "val"
    address: str = "https://www.crowdhuman.org/download.html"

    @model_validator(mode="before")
    @classmethod
    def _named_by_boxes(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "classes" in values:
            return values
        boxes = _several(values.get("boxes", "head"))
        names = ["head" if part == "head" else "person" for part in boxes]
        return {**values, "classes": names}

    @model_validator(mode="after")
    def _one_a_class(self) -> CrowdHumanData:
        if len(self.boxes) != len(self.classes):
            raise ValueError(
                f"boxes has {len(self.boxes)} entries and classes {len(self.classes)}: "
                f"name one of boxes for each class"
            )
        return self


class WiderFaceData(Section):
    """WIDER FACE as published: wider_face_split/*_bbx_gt.txt and WIDER_<split>/images."""

    format: Literal["widerface"]
    folder: str = "widerface"
    classes: OneClass = ("face",)
    ignore: Annotated[tuple[FaceFlag, ...], BeforeValidator(_several)] = ("invalid",)
    """Flags that make a face one to be ignored, each in its strongest degree: heavy blur, heavy
    occlusion, extreme illumination, exaggerated expression, atypical pose."""
    min_side_px: float = Field(0.0, ge=0)
    """A face with a smaller side, in pixels of its image, is to be ignored."""
    train: str = "train"
    val: str = "val"
    test: str = "val"
    """The truth of the test images is not published."""
    address: str = "http://shuoyang1213.me/WIDERFACE/"


class RetinaFaceData(Section):
    """WIDER FACE with RetinaFace's five landmarks: label.txt, or SCRFD's labelv2.txt."""

    format: Literal["retinaface"]
    folder: str = "retinaface"
    classes: OneClass = ("face",)
    min_side_px: float = Field(0.0, ge=0)
    """A face with a smaller side, in pixels of its image, is to be ignored."""
    annotations: str = "{split}/label.txt"
    images: str = "{split}/images"
    train: str = "train"
    val: str = "val"
    test: str = "val"
    address: str = "https://github.com/deepinsight/insightface/tree/master/detection/retinaface"


class BrainwashData(Section):
    """Brainwash's heads: idl files, and folders of images beside them."""

    format: Literal["brainwash"]
    folder: str = "brainwash"
    classes: OneClass = ("head",)
    annotations: str = "brainwash_{split}.idl"
    train: str = "train"
    val: str = "val"
    test: str = "test"
    address: str = "https://exhibits.stanford.edu/data/catalog/sx925dc9385"


class ScutHeadData(Section):
    """SCUT-HEAD: the folders SCUT_HEAD_Part_A and SCUT_HEAD_Part_B, each in PASCAL VOC layout."""

    format: Literal["scut_head"]
    folder: str = "SCUT-HEAD"
    classes: OneClass = ("head",)
    """Every object is a head, whatever the annotations call it."""
    parts: Annotated[
        tuple[Literal["A", "B"], ...], Field(min_length=1), BeforeValidator(_several)
    ] = ("A", "B")
    train: str = "trainval"
    val: str = "val"
    test: str = "test"
    address: str = "https://github.com/HCIILAB/SCUT-HEAD-Dataset-Release"


class YoloData(Section):
    """A dataset in YOLO's layout: one text a image, `images` and `labels` side by side.

    train, val and test are keys of the YAML, or else a folder of images or a list of them (.txt),
    relative to the dataset.
    """

    format: Literal["yolo"]
    folder: str
    classes: ClassNames
    """Names out of the dataset's list."""
    names: str = "data.yaml"
    """The YAML that names classes and splits, or a text with one class name a line."""
    train: str = "train"
    val: str = "val"
    test: str = "test"
    address: str = ""


class CelebaData(Section):
    """CelebA in the wild: its lists of boxes, five landmarks and partitions, one face an image."""

    format: Literal["celeba"]
    folder: str = "celeba"
    classes: OneClass = ("face",)
    images: str = "img_celeba"
    """Folder of the images that are not aligned: the boxes are theirs."""
    train: str = "0"
    """Numbers of list_eval_partition.txt."""
    val: str = "1"
    test: str = "2"
    address: str = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"


class FaceListData(Section):
    """Faces in lists of AFLW's kind, one a line: path, box, then 5 or 19 landmarks.

    train, val and test are the lists' file names.
    """

    format: Literal["face_list"]
    folder: str
    classes: OneClass = ("face",)
    train: str = "trainImageList.txt"
    val: str = "testImageList.txt"
    test: str = "testImageList.txt"
    address: str = "http://mmlab.ie.cuhk.edu.hk/archive/CNN_FacePoint.htm"


class ImagesData(Section):
    """Folders of images without annotations: enough to calibrate and to compare, not to score."""

    format: Literal["images"]
    classes: ClassNames
    train: str
    """Folder of the calibration images, relative to HEXDET_DATA, or absolute; likewise the rest."""
    test: str
    val: str = ""
    address: str = ""


DATA_FORMATS: dict[str, type[Section]] = {
    "scenes": ScenesData,
    "faces": FacesData,
    "voc": VocData,
    "coco": CocoData,
    "crowdhuman": CrowdHumanData,
    "widerface": WiderFaceData,
    "retinaface": RetinaFaceData,
    "brainwash": BrainwashData,
    "scut_head": ScutHeadData,
    "yolo": YoloData,
    "celeba": CelebaData,
    "face_list": FaceListData,
    "images": ImagesData,
}
FilesData = Union[
    VocData,
    CocoData,
    CrowdHumanData,
    WiderFaceData,
    RetinaFaceData,
    BrainwashData,
    ScutHeadData,
    YoloData,
    CelebaData,
    FaceListData,
]
"""The formats of annotated image files."""
DataSection = Annotated[
    Union[ScenesData, FacesData, FilesData, ImagesData], Field(discriminator="format")
]
