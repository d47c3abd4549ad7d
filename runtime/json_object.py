"""Reading a JSON file of a bundle, or saying which one cannot be read, why, and what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ArtifactError


def read_object(path: Path, keys: Sequence[str], remedy: str) -> dict[str, Any]:
    """Return the object in a file; ArtifactError where there is none or it lacks one of the keys.

    What the members hold is not looked at.
    """
    try:
        content: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        for key in keys:
            content[key]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error!r}; {remedy}") from error
    return content
