"""The recipe's class names against those of a dataset: a slip of the pen must not cost a class."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from .faults import Faults


def labels_of(
    wanted: Sequence[str],
    known: Iterable[str],
    *,
    declared: bool,
    objects: Mapping[str, int],
    dataset: str,
    faults: Faults,
) -> dict[str, int]:
    """Return the label, from 1, of every class of the dataset that the recipe names.

    known: the dataset's classes; declared: it has a list of them, so that one which is not there
    is a mistake. Without a list a class may well be absent from a split, and only a spelling that
    differs in case or blanks is one, or objects none of which is wanted. objects: how many there
    are of each. Raises DataError through `faults`.
    """
    names = list(dict.fromkeys(known))
    labels = {name: wanted.index(name) + 1 for name in names if name in wanted}
    shown = ", ".join(repr(name) for name in names) or "none"
    for name in wanted:
        if name in labels:
            continue
        alike = [other for other in names if plain(other) == plain(name)]
        if not declared and not alike:
            continue
        near = alike or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        faults.add(
            "",
            "class name",
            f"the recipe names the class {name!r}, the classes of {dataset} are {shown}{hint}",
        )
    if not labels and not declared and any(objects.values()):
        faults.add(
            "",
            "class name",
            f"none of the recipe's classes {', '.join(map(repr, wanted))} occurs in {dataset}: "
            f"its classes are {shown}",
        )
    return labels


def plain(name: str) -> str:
    """Return a name without case and blanks, in which two spellings of one class agree."""
    return "".join(name.split()).casefold()
