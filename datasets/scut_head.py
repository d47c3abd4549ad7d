"""Reader of SCUT-HEAD: two parts, each a folder in PASCAL VOC layout."""

from __future__ import annotations

from pathlib import Path

from ..recipe.data import ScutHeadData
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import Listing
from .voc import LAYOUT, list_voc


def open_scut_head(data: ScutHeadData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    """Open one split of the parts that the recipe names, one part after the other.

    The annotations call a head `person` or `head`: every object is one. Raises DataError as
    `open_voc` does.
    """
    listing = Listing()
    for part in data.parts:
        within = f"SCUT_HEAD_Part_{part}"
        if not (folder / within / "Annotations").is_dir():
            layout = f"{within}/{{{LAYOUT}}}"
            raise no_dataset(folder, address=data.address, layout=layout)
        list_voc(
            folder / within,
            split,
            listing,
            faults,
            within=f"{within}/",
            rename=lambda name: data.classes[0],
        )
    return AnnotatedFiles(
        folder,
        listing,
        name=f"{folder.name}/{split}",
        classes=data.classes,
        faults=faults,
    )
