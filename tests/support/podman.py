"""A podman with a store of its own and one tiny image (busybox), where podman can run."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_APPLETS = (
    "cat echo env false grep head id kill ps sed seq setsid sh sleep sort stty tr true tty wc yes"
)
_CONFIG = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
lock_type = "file"
events_logger = "file"
"""


def available() -> bool:
    """Whether containers can be made here: root, podman, runc and a static busybox."""
    return os.geteuid() == 0 and all(map(shutil.which, ("podman", "runc", "busybox")))


@dataclass
class Podman:
    """`folder/bin` holds the `podman` to put on PATH."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "bin").mkdir(parents=True)
        config = self.folder / "containers.conf"
        config.write_text(_CONFIG)
        self.command = self.folder / "bin/podman"
        self.command.write_text(
            f"#!/bin/sh\nexport CONTAINERS_CONF={config}\nexec {shutil.which('podman')} "
            f"--root {self.folder}/root --runroot {self.folder}/run --storage-driver vfs "
            '"$@"\n'
        )
        self.command.chmod(0o755)

    def __call__(self, *words: str) -> None:
        subprocess.run([self.command, *words], check=True, capture_output=True)

    def make_image(self) -> None:
        tree = self.folder / "image"
        for name in ("bin", "proc", "dev", "tmp", "etc"):
            (tree / name).mkdir(parents=True)
        shutil.copy2(str(shutil.which("busybox")), tree / "bin/busybox")
        for name in _APPLETS.split():
            (tree / "bin" / name).symlink_to("busybox")
        (tree / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nguest:x:7:7::/tmp:/bin/sh\n")
        with tarfile.open(self.folder / "image.tar", "w") as tar:
            tar.add(tree, ".")
        self("import", str(self.folder / "image.tar"), "clsh-test:1")

    def run(self, name: str) -> None:
        forever = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done")
        self("run", "-d", "--rm", "--name", name, "--network", "none", "clsh-test:1", *forever)

    def remove(self, name: str) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self("rm", "-f", "-t", "0", name)


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    # podman refuses a runroot of more than 50 characters, as that of a test's own directory.
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as folder:
        engine = Podman(Path(folder))
        engine.make_image()
        yield engine
        subprocess.run([engine.command, "rm", "-fa", "-t", "0"], check=False, capture_output=True)
