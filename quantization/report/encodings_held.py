"""What a bundle's encodings are, in a few numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ...errors import ArtifactError
from ...runtime.contract import DetectorContract
from ..encodings import SECTIONS, load_encodings
from .schema import Encodings, OutputEncoding

MAX_CODE = 255


def summarise_encodings(bundle: Path, contract: DetectorContract) -> Encodings | None:
    """Count what `encodings.json` holds; None where the bundle has none, or none that is readable.

    The file is in the override format 0.6.1 of QAIRT and AIMET: by tensor, a list of one encoding,
    or of one a channel.
    """
    try:
        activations, parameters = map(load_encodings(bundle).__getitem__, SECTIONS)
        bits = Counter(f"{entries[0]['bitwidth']} bits" for entries in activations.values())
    except (ArtifactError, KeyError, TypeError, IndexError):
        return None
    return Encodings(
        activations=len(activations),
        parameters=len(parameters),
        per_channel=sum(len(entries) > 1 for entries in parameters.values()),
        bits=dict(sorted(bits.items())),
        outputs=[
            OutputEncoding(
                name=name,
                scale=encoding.scale,
                zero_point=encoding.zero_point,
                low=-encoding.zero_point * encoding.scale,
                high=(MAX_CODE - encoding.zero_point) * encoding.scale,
            )
            for name, encoding in contract.encodings.items()
        ],
    )
