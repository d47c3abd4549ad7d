"""Reader of CrowdHuman: odgt files, one JSON object a line and image."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..recipe.data import BodyPart, CrowdHumanData
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import Listing
from .texts import filled

SUFFIX = ".jpg"


class Extra(msgspec.Struct, gc=False, frozen=True):
    """What is said of a person beside the boxes; any key may be missing."""

    ignore: int = 0


class HeadAttributes(msgspec.Struct, gc=False, frozen=True):
    """What is said of a head; any key may be missing."""

    ignore: int = 0


class GtBox(msgspec.Struct, gc=False):
    """A person (`person`) or a region to be ignored (`mask`); boxes: (x, y, width, height).

    fbox: the full body, guessed where it is hidden, so that it may lie beyond the image; vbox: its
    visible part; hbox: the head.
    """

    tag: str
    fbox: list[float] = []
    vbox: list[float] = []
    hbox: list[float] = []
    extra: Extra = Extra()
    head_attr: HeadAttributes = HeadAttributes()

    def box(self, part: BodyPart) -> list[float]:
        """Return one of the three boxes."""
        return {"head": self.hbox, "visible": self.vbox, "full": self.fbox}[part]

    def ignored(self, part: BodyPart) -> bool:
        """Tell whether a detection at this box counts neither way."""
        if part == "head" and self.head_attr.ignore:
            return True
        return self.tag != "person" or bool(self.extra.ignore)


class OdgtLine(msgspec.Struct):
    """One image; ID: its file name without suffix."""

    ID: str
    gtboxes: list[GtBox] = []


def open_crowdhuman(
    data: CrowdHumanData, folder: Path, split: str, faults: Faults
) -> AnnotatedFiles:
    """Open one split of CrowdHuman, with one box, or one a class, of each person.

    A `mask` is a region to be ignored by every class. Raises DataError where the file or an image
    is missing, or a line is no such JSON.
    """
    path = folder / filled(data.annotations, split)
    images = filled(data.images, split)
    if not path.is_file():
        layout = f"{filled(data.annotations, split)}, {images}/*{SUFFIX}"
        raise no_dataset(folder, address=data.address, layout=layout)
    listing = Listing()
    for name in data.classes:
        listing.classes[name] = len(listing.classes)
    decoder = msgspec.json.Decoder(OdgtLine, strict=False)
    with path.open("rb") as stream:
        for number, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                line = decoder.decode(text)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                sentence = f"{path}, line {number} is not CrowdHuman's JSON: {error}"
                faults.add(f"line {number}", "unreadable annotation", sentence)
                continue
            listing.add_image(line.ID, f"{images}/{line.ID}{SUFFIX}")
            for box in line.gtboxes:
                _add(listing, box, data, f"{path}, line {number}", faults)
    return AnnotatedFiles(
        folder,
        listing,
        name=f"{folder.name}/{split}",
        classes=data.classes,
        declared=True,
        faults=faults,
    )


def _add(listing: Listing, found: GtBox, data: CrowdHumanData, where: str, faults: Faults) -> None:
    for part, name in zip(data.boxes, data.classes, strict=True):
        # A mask is all that is to be ignored: its hbox is that of no head.
        whole = found.box("full") if found.tag != "person" else []
        box = whole or found.box(part)
        if len(box) != 4:
            text = f"{where}: the {part} box has {len(box)} numbers, not 4"
            faults.add(listing.names[-1], "unreadable annotation", text)
            continue
        x, y, width, height = box
        ignore = found.ignored(part)
        listing.add_object((x, y, x + width, y + height), name, ignore=ignore)
