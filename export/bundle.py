"""The bundle's manifest: what each stage read and wrote, so that an unchanged stage is skipped."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import ArtifactError
from ..recipe import Recipe, parse_recipe
from ..runtime.files import sha256_of, write_text
from ..runtime.locks import held

FILE_NAME = "manifest.json"
SCHEMA_VERSION = 1
UNFINISHED = "unfinished"
"""In the place of the hash of what a stage read: it began again and did not come to its end."""
PACKAGES = (
    "torch",
    "onnx",
    "onnxsim",
    "onnxruntime",
    "onnxruntime-qnn",
    "numpy",
    "opencv-python-headless",
)


@contextmanager
def writing(folder: Path, *, make: bool = False) -> Iterator[None]:
    """Keep other processes that write into a bundle out of it.

    make: begin a new one where there is none. Raises ArtifactError where another is writing.
    """
    if not make and not folder.is_dir():
        yield  # who asks for the bundle says how to make one
        return
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise ArtifactError(f"cannot write {folder}: it is read-only")
    refusal = (
        f"another hexdet is writing into {folder}: wait until it has ended, or give another folder"
    )
    with held(folder, refusal):
        yield


class Bundle:
    """A folder of artifacts with its manifest.

    stages: the fixed order. A stage with another name comes after all of them.
    """

    def __init__(self, folder: Path, stages: Sequence[str]) -> None:
        self.folder = folder
        self._stages = tuple(stages)
        self._content = self._read()

    def run(
        self,
        stage: str,
        inputs: dict[str, Any],
        outputs: Sequence[str],
        work: Callable[[], None],
    ) -> bool:
        """Run a stage unless its inputs and its outputs are what the manifest remembers.

        inputs: plain JSON that decides the result (hashes, settings); the versions of the tools
            are added here. Returns whether it ran. A stage that runs makes the later ones stale.
        """
        digest = _digest({"versions": versions(), **inputs})
        if self._is_current(stage, digest, outputs):
            return False
        before = self._content["stages"].get(stage)
        for later in self._after(stage):
            stale = self._content["stages"].pop(later, None)
            if stale and later not in self._stages and later != stage:
                # Nobody will make it again unasked: it must not be taken for a part of the bundle.
                self._drop(stale["outputs"])
        if before is not None:
            # Should the work fail, its old files stay, and what they were is still known.
            self._content["stages"][stage] = {**before, "inputs": UNFINISHED}
        if self._content["stages"] or self._content["files"]:
            self._write()
        work()
        if before is not None:
            self._drop(set(before["outputs"]) - set(outputs))
        self._content["stages"][stage] = {"inputs": digest, "outputs": list(outputs)}
        for name in outputs:
            self._content["files"][name] = sha256_of(self.folder / name)
        self._write()
        return True

    def describe(self, recipe: Recipe, sources: dict[str, str]) -> None:
        """Record the resolved recipe, the sha256 of the inputs and the versions of the tools."""
        self._content |= {
            "recipe": recipe.model_dump(mode="json"),
            "sources": sources,
            "versions": versions(),
        }
        self._write()

    def note(self, key: str, value: Any) -> None:
        """Record something that was measured while the bundle was made."""
        self._content[key] = value
        self._write()

    def outputs(self, prefix: str) -> list[str]:
        """Return the files that the stages whose name starts with `prefix` have written."""
        stages = self._content["stages"]
        return [
            name
            for stage, known in stages.items()
            if stage.startswith(prefix) and known["inputs"] != UNFINISHED
            for name in known["outputs"]
        ]

    @property
    def sources(self) -> dict[str, str]:
        """Return the sha256 of the inputs that the bundle was made from, by what they are."""
        return dict(self._content.get("sources", {}))

    def recipe(self) -> Recipe:
        """Return the recipe that the bundle was made with; ArtifactError where there is none."""
        if "recipe" not in self._content:
            raise ArtifactError(
                f"{self.folder} is not a bundle: make one with `hexdet export RECIPE`"
            )
        return parse_recipe(self._content["recipe"], f"{self.folder}/{FILE_NAME}")

    def _drop(self, names: Iterable[str]) -> None:
        """Delete files that are no part of the bundle any more."""
        for name in names:
            self._content["files"].pop(name, None)
            (self.folder / name).unlink(missing_ok=True)

    def _after(self, stage: str) -> list[str]:
        """Return the stage and those that depend on it; one outside the order depends on all."""
        if stage not in self._stages:
            return [stage]
        fixed = self._stages[self._stages.index(stage) :]
        return [*fixed, *(s for s in self._content["stages"] if s not in self._stages)]

    def _is_current(self, stage: str, digest: str, outputs: Sequence[str]) -> bool:
        known = self._content["stages"].get(stage)
        if known is None or known["inputs"] != digest:
            return False
        paths = {name: self.folder / name for name in outputs}
        return all(
            path.is_file() and sha256_of(path) == self._content["files"].get(name)
            for name, path in paths.items()
        )

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"schema": SCHEMA_VERSION, "stages": {}, "files": {}}
        try:
            content = json.loads((self.folder / FILE_NAME).read_text(encoding="utf-8"))
            fits = content["schema"] == SCHEMA_VERSION and self._is_plain(content)
            return {**empty, **content} if fits else empty
        except FileNotFoundError:
            return empty
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # A damaged manifest only means that nothing can be skipped.
            return empty

    def _is_plain(self, content: dict[str, Any]) -> bool:
        """Tell whether a manifest holds what it should, and names no file outside the bundle.

        A bundle may come from elsewhere, and what a stage does not write any more is deleted.
        """
        files, stages = content.get("files", {}), content["stages"]
        if not isinstance(files, dict) or not all(
            isinstance(v["inputs"], str) for v in stages.values()
        ):
            return False
        names = [*files, *(name for known in stages.values() for name in known["outputs"])]
        place = self.folder.resolve()
        return all((place / name).parent.resolve().is_relative_to(place) for name in names)

    def _write(self) -> None:
        write_text(self.folder / FILE_NAME, json.dumps(self._content, indent=1) + "\n")


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of hexdet, Python and packages: else of all that shape an artifact."""
    found = {"hexdet": __version__, "python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def _digest(inputs: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
