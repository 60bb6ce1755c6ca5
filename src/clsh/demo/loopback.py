"""Run the demo's nodes as SSH servers of our own on loopback: one process behind a socket.

The socket is the only thing asked whether they run, so no file can be out of date.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError
from clsh.base.paths import for_socket
from clsh.demo.launch import launch
from clsh.demo.layer import CONTROL, Reach

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UP_S = 30.0
_ANSWER_S = 10.0
_GONE_S = 5.0


class Loopback:
    """The cluster whose files are in the directory `state`."""

    def __init__(self, state: Path) -> None:
        self._folder = state.resolve() / "servers"

    def up(self, names: Sequence[str]) -> None:
        """Start the servers; raises ClshError, leaving nothing, when they do not start."""
        for_socket(self._folder / CONTROL)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            argv = [sys.executable, "-P", "-m", "clsh.demo.servers", str(self._folder), *names]
            launch(argv, {"ready"}, self._folder / "log", os.environ, _UP_S)
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End the servers and what they run, and remove the files; idempotent."""
        if self._ask("down") is not None:
            _wait_for_end(self._folder / "held")
        shutil.rmtree(self._folder, ignore_errors=True)

    def alive(self) -> dict[str, bool]:
        """Return for each node whether it runs, nothing when the servers do not."""
        pairs = (pair.rpartition("=") for pair in (self._ask("alive") or "").split())
        return {name: up == "1" for name, _, up in pairs}

    def kill(self, name: str) -> None:
        """Drop a node's connections, end all it runs and listen no more."""
        self._must(f"kill {name}")

    def start(self, name: str) -> None:
        """Start a killed node again: same port, host key and home."""
        self._must(f"start {name}")

    def enter(self, argv: Sequence[str], cwd: str) -> list[str]:  # noqa: ARG002 - of every flavour
        """Return `argv`: the nodes are reached from here as from anywhere on this machine."""
        return list(argv)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment in which clsh knows the nodes, this clsh first."""
        own = str(Path(sys.executable).parent)
        path = os.pathsep.join([own, environ.get("PATH", os.defpath)])
        return {**environ, "PATH": path, "CLSH_CONFIG": str(self._folder / "clsh.toml")}

    def reach(self) -> Reach:
        """Return that a command reaches the nodes from here by their configuration."""
        return Reach([], self._folder / "clsh.toml")

    def _must(self, line: str) -> None:
        if reason := self._ask(line):
            raise ClshError(reason)

    def _ask(self, line: str) -> str | None:
        """Return the answer to a line, None when nobody is there."""
        path = self._folder / CONTROL
        if not path.exists():
            return None
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(_ANSWER_S)
            try:
                control.connect(str(path))
                control.sendall(f"{line}\n".encode())
                return b"".join(iter(lambda: control.recv(65536), b"")).decode()
            except ConnectionRefusedError:
                return None
            except OSError as error:
                raise ClshError(f"the demo's servers do not answer: {error}") from error


def _wait_for_end(held: Path) -> None:
    """Wait until the process that locked the file is gone, for a limited time."""
    deadline = time.monotonic() + _GONE_S
    with held.open("rb") as file:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
            else:
                return
