"""An engine that builds the Dockerfiles here: buildah, on a base image made with debootstrap."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from release.picture import write_picture

import hexdet

ROOT = Path(hexdet.__file__).parent
DEBIAN = "http://deb.debian.org/debian"
BASE = "localhost/base:test"
LIMIT_S = 3600


class Engine:
    """buildah with a store of its own.

    It mounts in a namespace that ends with the process which holds it, and that one with these
    tests: however they end, this machine's mounts stay as they are. Its containers see this
    machine's pip settings, and nothing of that is committed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mounts = pip_settings(folder)
        # cat ends when its input does: when this process ends, in whatever way.
        holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", "echo; cat"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        assert holder.stdout is not None
        holder.stdout.readline()
        self._holder = holder
        self._enter = ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", f"--wd={ROOT}")

    def close(self) -> None:
        """Let go of all mounts."""
        self._holder.communicate()

    def call(self, *arguments: str | Path) -> str:
        """Return what buildah printed; it must end well."""
        store = [f"--root={self._folder}/store", f"--runroot={self._folder}/run"]
        driver = f"--storage-driver={os.environ.get('STORAGE_DRIVER', 'overlay')}"
        command = [*self._enter, "buildah", *store, driver, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S,
            env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
        return done.stdout

    def make_base(self, suite: str) -> None:
        """Make the base image: what the pinned one of Docker's library is made of, too."""
        tree = self._folder / "tree"
        done = subprocess.run(
            [*self._enter, "debootstrap", "--variant=minbase", suite, str(tree), DEBIAN],
            capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        container = self.call("from", "scratch").strip()
        self.call("add", "--quiet", container, tree, "/")
        self.call("commit", "--quiet", container, BASE)
        self.call("rm", container)
        shutil.rmtree(tree)

    def build(self, dockerfile: str, *arguments: str) -> str:
        """Build a Dockerfile of docker/ and return the name of a container of its image."""
        tag = dockerfile.partition(".")[0]
        given = [part for text in arguments for part in ("--build-arg", text)]
        self.call(
            "build", "--quiet", "--layers", "--format=docker", "--pull-never",
            f"--build-arg=BASE={BASE}", *given, *self._mounts,
            "--tag", tag, "--file", f"docker/{dockerfile}", ".",
        )  # fmt: skip
        return self.call("from", "--pull-never", f"localhost/{tag}").strip()

    def run(self, container: str, *command: str, volumes: Sequence[str] = ()) -> str:
        """Run a command in a container, as its user, and return what it printed."""
        mounts = [f"--volume={volume}" for volume in volumes]
        return self.call("run", *mounts, container, "--", *command)


def pip_settings(folder: Path) -> list[str]:
    """Return the mounts that give a build this machine's pip settings, and what those name."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='?(.*?)'?$", listed.stdout, re.M))
    mounts = []
    if certificate := settings.pop("cert", None):
        mounts.append(f"{certificate}:/run/host-ca.crt")
        settings["cert"] = "/run/host-ca.crt"
    for value in settings.values():
        for word in shlex.split(value.replace("\\n", " ")):
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.is_dir():
                # An index of files links to its neighbours.
                place = path.parent if path.name == "simple" else path
                mounts.append(f"{place}:{place}")
    written = folder / "pip.conf"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    written.write_text("\n".join(["[global]", *lines, ""]).replace("\\n", " "))
    mounts.append(f"{written}:/etc/pip.conf")
    return [f"--volume={mount}:ro" for mount in dict.fromkeys(mounts)]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Yield an engine with the base image; skip, and say so, where none can work."""
    if os.geteuid() != 0:
        pytest.skip("building images here needs root")
    for tool in ("buildah", "debootstrap", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}: apt install buildah debootstrap")
    folder = tmp_path_factory.mktemp("engine")
    made = Engine(folder)
    try:
        text = (ROOT / "docker" / "runtime.Dockerfile").read_text()
        tag = re.search(r"^ARG BASE=\S+/debian:(\w+)-", text, re.MULTILINE)
        assert tag is not None
        made.make_base(tag[1])
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one picture."""
    folder = tmp_path_factory.mktemp("pictures")
    folder.chmod(0o755)  # pytest gives it to root alone, and the container's user is another
    write_picture(folder)
    return folder
