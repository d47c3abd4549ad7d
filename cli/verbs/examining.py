"""Auditing and linting a bundle in front of the user."""

from __future__ import annotations

import dataclasses

from ...export.bundle import Bundle
from ...export.dlc_stages import INT8_DLC
from ...export.lint import operator_histogram
from ...export.pipeline import check_bundle
from ...export.sdk.about import deliveries
from ...quantization.report.schema import Placement
from ...recipe import Recipe
from ..terminal import console


def examine(bundle: Bundle, recipe: Recipe) -> Placement:
    """Audit and lint a bundle, say what was found, and return it."""
    audit, remarks = check_bundle(bundle, recipe)
    console.say(f"audit: {audit.summary()}")
    for remark in remarks:
        text = f"{remark.rule}: {remark.subject}: {remark.reason}"
        (console.warn if remark.level == "warning" else console.say)(text)
    made = deliveries(bundle)
    for row in made:
        if row["stand_in"] == "yes":
            console.warn(f"{row['file']} was made with a stand-in, not with Qualcomm's SDK")
    return Placement(
        operators=operator_histogram(bundle.folder / INT8_DLC),
        audit=audit.summary(),
        remarks=[dataclasses.asdict(remark) for remark in remarks],
        sdk=made,
    )
