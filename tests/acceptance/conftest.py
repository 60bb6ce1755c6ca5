"""The built wheel, installed by pip alone, against OpenSSH's sshd in the demo cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.demo import Demo

PROJECT = Path(__file__).parents[2]


def _call(*argv: str | Path) -> None:
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    _call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target)
    (built,) = target.glob("clsh-*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that holds the `clsh` and `cl` of the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    # No source distribution: what the wheel needs must install where there is no compiler.
    _call(folder / "bin/pip", "install", "--quiet", "--only-binary=:all:", wheel)
    return folder / "bin"


@dataclass
class Shell:
    """A person at the head of the demo cluster, in the directory `cwd`, with this clsh."""

    demo: Demo
    bin: Path
    cwd: Path

    def _environment(self, env: dict[str, str] | None) -> dict[str, str]:
        path = f"{self.bin}:{os.environ['PATH']}"
        return {"XDG_STATE_HOME": str(self.cwd / "state"), "PATH": path, **(env or {})}

    def clsh(
        self, *argv: str, stdin: str = "", env: dict[str, str] | None = None, timeout: float = 50
    ) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / "clsh"), *argv]
        return self.demo.run(
            *command, stdin=stdin, env=self._environment(env), cwd=str(self.cwd), timeout=timeout
        )

    def sh(self, line: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a line as it would be typed, with `clsh` on the PATH."""
        line = f'PATH="{self.bin}:$PATH"; {line}'
        return self.demo.run("sh", "-c", line, env=self._environment(env), cwd=str(self.cwd))

    def popen(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        return self.demo.popen(
            str(self.bin / "clsh"),
            *argv,
            env=self._environment(None),
            cwd=str(self.cwd),
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            | more,
        )


@pytest.fixture
def shell(demo4: Demo, installed: Path, tmp_path: Path) -> Shell:
    return Shell(demo4, installed, tmp_path)
