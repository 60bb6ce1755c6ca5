"""The built wheel, installed by pip alone, against OpenSSH's sshd in the demo cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clsh.demo import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.demo import Demo

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the installing, which waits for a package index, out of the first test's time."""
    for item in items:
        if item.path.parent == HERE and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(func_only=True))


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
    venv.create(folder)
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", folder / "bin/python"]
    # No source distribution: what the wheel needs must install where there is no compiler.
    _call(*pip, "install", "--quiet", "--only-binary=:all:", wheel)
    return folder / "bin"


@dataclass
class Shell:
    """A person at the head of the demo cluster, in the directory `cwd`, with this clsh."""

    demo: Demo
    bin: Path
    cwd: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

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

    def running(self, *words: str) -> list[str]:
        """Return the nodes on which a process with this beginning of its command line runs."""
        found = []
        for name in self.demo.names:
            for one in self.demo.processes(name, words[0]):
                if processes.words(one.pid)[: len(words)] == list(words):
                    found.append(name)
                    break
        return found

    def wait_running(self, count: int, *words: str, limit_s: float = 10) -> float:
        """Wait until it runs on `count` nodes; returns how long that took."""
        begun = time.monotonic()
        while len(now := self.running(*words)) != count:
            assert time.monotonic() - begun < limit_s, f"{words} on {now} after {limit_s} s"
            time.sleep(0.02)
        return time.monotonic() - begun

    def popen(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        process = self.demo.popen(
            str(self.bin / "clsh"),
            *argv,
            env=self._environment(None),
            cwd=str(self.cwd),
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            | more,
        )
        self.started.append(process)
        return process

    def end_started(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            if process.stdin is not None and process.stdin.closed:
                process.stdin = None
            process.communicate()


@pytest.fixture
def shell(demo4: Demo, installed: Path, tmp_path: Path) -> Iterator[Shell]:
    person = Shell(demo4, installed, tmp_path)
    yield person
    person.end_started()
