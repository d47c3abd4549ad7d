"""The whole recipe."""

from __future__ import annotations

from pydantic import Field

from .data import DataSection, ScenesData
from .evaluation import EvaluationSection
from .export import ExportSection
from .network import NetworkSection
from .quantization import CalibrationSection, QuantizationSection
from .section import Section
from .training import TrainingSection


class Recipe(Section):
    """The whole recipe; an almost empty file is a valid one."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: DataSection = ScenesData()
    network: NetworkSection = NetworkSection()
    training: TrainingSection = TrainingSection()
    calibration: CalibrationSection = CalibrationSection()
    quantization: QuantizationSection = QuantizationSection()
    export: ExportSection = ExportSection()
    evaluation: EvaluationSection = EvaluationSection()

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the class names without the background.

        The class of partial objects comes last, where crops make them and the data has none.
        """
        names = ("head",) if isinstance(self.data, ScenesData) else self.data.classes
        partial = self.training.augment.partial_class
        return (*names, partial) if partial and partial not in names else names
