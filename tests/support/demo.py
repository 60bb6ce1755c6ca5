"""A demo cluster of four nodes in namespaces for tests, and the faults to put on it.

    def test_x(demo4):                       # the whole session's; leave it as you found it
        demo4.run("clsh", "-h", "node[1-4]", "uname")
        with demo4.frozen("node2"): ...

Every fault is a context manager that undoes itself; `kill` is undone by `start`. From an
async test call them through `asyncio.to_thread`: they block.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from clsh.demo import namespaces, processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from clsh.demo.processes import Process


class Demo:
    """A running cluster; `names` are its nodes, `seconds` the time that its start took.

    One that `runs` already is somebody else's, who ends it.
    """

    def __init__(self, state: Path, names: list[str], *, runs: bool = False) -> None:
        self.names = names
        self.cluster = namespaces.Namespaces(state)
        began = time.monotonic()
        if not runs:
            self.cluster.up(names)
        self.seconds = time.monotonic() - began

    def head(self, *argv: str, cwd: str | None = None) -> list[str]:
        """Return the argv that runs `argv` in the head; give it `env=environment()`."""
        return self.cluster.enter(argv, cwd or os.getcwd())  # noqa: PTH109 - as a shell says it

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        return self.cluster.environment({**os.environ, **(env or {})})

    def run(
        self,
        *argv: str,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float = 50,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the head, the clsh under test first in its PATH, to its end."""
        return subprocess.run(
            self.head(*argv, cwd=cwd),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(env),
            timeout=timeout,
        )

    def popen(
        self, *argv: str, env: Mapping[str, str] | None = None, cwd: str | None = None, **more: Any
    ) -> subprocess.Popen[str]:
        """Start a command in the head; the pid is the command's own, so signals reach it."""
        return subprocess.Popen(
            self.head(*argv, cwd=cwd), text=True, env=self.environment(env), **more
        )

    def on(self, name: str, line: str, *, check: bool = True) -> str:
        """Run a line of shell on a node as root, past its sshd, and return its output."""
        target = ["nsenter", "--target", str(self.cluster.node(name).pid)]
        return subprocess.run(
            [*target, "--net", "--uts", "--ipc", "--pid", "--mount", "sh", "-c", line],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
        ).stdout

    def head_pid(self) -> int:
        """Return the pid 1 of the head."""
        found = self.cluster.running()
        assert found
        return found.head.pid

    def processes(self, name: str, argv0: str) -> list[Process]:
        """Return the processes of a node whose command line begins with `argv0`."""
        init = self.cluster.node(name).pid
        return [
            one
            for one in processes.everyone()
            if (words := processes.words(one.pid))
            and words[0].startswith(argv0)
            and init in processes.ancestors(one.pid)
        ]

    def kill(self, name: str) -> None:
        """The node vanishes, as if its power had failed."""
        self.cluster.kill(name)

    def start(self, name: str) -> None:
        self.cluster.start(name)

    @contextlib.contextmanager
    def killed(self, name: str) -> Iterator[None]:
        self.kill(name)
        try:
            yield
        finally:
            self.start(name)

    @contextlib.contextmanager
    def without_sshd(self, name: str) -> Iterator[None]:
        """All sshd of the node end, the rest of the node goes on."""
        sshd = self._sshd(name)
        assert not processes.end(sshd, signal.SIGKILL, 5)
        try:
            yield
        finally:
            self.kill(name)
            self.start(name)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """All sshd of the node stop (SIGSTOP): its kernel still answers, nothing else does."""
        sshd = self._sshd(name)
        for one in sshd:
            os.kill(one.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in sshd:
                os.kill(one.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def unlinked(self, name: str) -> Iterator[None]:
        """The node's link is down."""
        self._must("ip", "link", "set", f"v{name}", "down")
        try:
            yield
        finally:
            self._must("ip", "link", "set", f"v{name}", "up")

    @contextlib.contextmanager
    def dropping(self, name: str) -> Iterator[None]:
        """All packets to and from the node are dropped without a word."""
        self.on(name, "iptables -I INPUT -i eth0 -j DROP; iptables -I OUTPUT -o eth0 -j DROP")
        try:
            yield
        finally:
            self.on(name, "iptables -F INPUT; iptables -F OUTPUT")

    @contextlib.contextmanager
    def slowed(self, name: str, rate: str = "64kbit") -> Iterator[None]:
        """What the head sends to the node, and the node to the head, passes at `rate`."""
        shape = f"root tbf rate {rate} burst 3000 latency 2s"
        self._must("tc", "qdisc", "add", "dev", f"v{name}", *shape.split())
        self.on(name, f"tc qdisc add dev eth0 {shape}")
        try:
            yield
        finally:
            self._must("tc", "qdisc", "delete", "dev", f"v{name}", "root")
            self.on(name, "tc qdisc delete dev eth0 root")

    def _sshd(self, name: str) -> list[Process]:
        found = [*self.processes(name, "sshd"), *self.processes(name, "/usr/sbin/sshd")]
        assert found, f"{name} runs no sshd"
        return found

    def _must(self, *argv: str) -> None:
        done = self.run(*argv)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def demo4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Four nodes, node1 to node4, in namespaces; the head is where `run` runs."""
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    demo = Demo(tmp_path_factory.mktemp("demo"), ["node1", "node2", "node3", "node4"])
    try:
        yield demo
    finally:
        demo.cluster.down()
