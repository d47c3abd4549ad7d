"""The folder that a training writes into: its files' names, and one training at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArtifactError
from ..runtime.locks import held


@dataclass(frozen=True, kw_only=True)
class TrainingFolder:
    """The files of one training."""

    path: Path

    @property
    def best(self) -> Path:
        """Return the checkpoint of the best validation."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """Return the checkpoint of the last epoch."""
        return self.path / "last.safetensors"

    @property
    def state(self) -> Path:
        """Return the file that a training is resumed from."""
        return self.path / "state.safetensors"

    @property
    def curves(self) -> Path:
        """Return the folder that TensorBoard reads."""
        return self.path / "tensorboard"

    @property
    def kept(self) -> str:
        """Say what a training that stops leaves behind."""
        if self.state.is_file():
            return f"{self.state} is whole: go on with --resume"
        if self.best.is_file():
            return f"{self.best} is whole"
        return "there is no good checkpoint yet"

    @contextmanager
    def held(self, *, resume: bool) -> Iterator[None]:
        """Keep other trainings out, and clear away what an interrupted writing left.

        Raises ArtifactError where another training writes here, or has, and is not to be resumed.
        """
        refusal = f"another training writes into {self.path}: wait for it, or give another --build"
        with held(self.path, refusal):
            if not resume and self.state.is_file():
                raise ArtifactError(
                    f"{self.path} already holds a training: continue it with --resume, or remove "
                    f"the folder"
                )
            for file in (self.best, self.last, self.state):
                for left in self.path.glob(f".{file.stem}-*{file.suffix}"):
                    left.unlink(missing_ok=True)
            yield
