"""What is wrong with a dataset's files: refused at once, or listed by whoever inspects it."""

from __future__ import annotations

from ..errors import DataError
from .record import Dropped

NAMED = 3
"""Missing images that an error names; it counts the rest."""


class Faults:
    """Where readers report what they cannot read.

    Usually the first report is a DataError. With `keep` every one is listed in `found` instead,
    and the reader goes on without what it could not read.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.keep = keep
        self.found: list[Dropped] = []

    def add(self, image: str, reason: str, sentence: str) -> None:
        """Report a fault; raises DataError with the sentence unless faults are kept.

        image: its name, empty where it concerns none alone; sentence: what, where, what to do.
        """
        if not self.keep:
            raise DataError(sentence)
        self.found.append(Dropped(image=image, reason=reason, detail=sentence))

    def add_missing_images(self, dataset: str, missing: list[tuple[str, str]], total: int) -> None:
        """Report images that are listed but not there, as (name, path); raises DataError."""
        if not missing:
            return
        if self.keep:
            self.found += [
                Dropped(image=name, reason="missing image", detail=f"{path} is missing")
                for name, path in missing
            ]
            return
        shown = ", ".join(path for _, path in missing[:NAMED])
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise DataError(
            f"{len(missing)} of the {total} images of {dataset} are missing: {shown}{more}; "
            f"`hexdet data inspect` lists them all"
        )
