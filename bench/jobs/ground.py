"""Where jobs run: a demo cluster of four nodes in namespaces, with nothing else on them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.demo import layer, namespaces, processes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NODES = 4
SLOTS = 4
"""Of each node, for all schedulers alike; all nodes share the cores of this machine."""

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_NAMESPACES = ("--net", "--uts", "--ipc", "--pid", "--mount")


class Ground:
    """The nodes, while the context of `ground` lasts; `folder` is on a disk."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.names = layer.node_names(NODES)
        self.access = root / "demo/access"
        self.cluster = namespaces.Namespaces(root / "demo")

    @property
    def before(self) -> list[str]:
        """The words before a command that is to reach the nodes."""
        return self.cluster.reach().before

    @property
    def shared(self) -> Path:
        """The nodes' `/shared`, seen from this machine."""
        return Path(f"/proc/{self.head_pid()}/root/shared")

    def head_pid(self) -> int:
        """Return the pid 1 of the head."""
        running = self.cluster.running()
        if running is None:
            raise SystemExit("bench: the demo cluster is gone")
        return running.head.pid

    def on(self, name: str, line: str, *, check: bool = True) -> str:
        """Run a line of shell on a node as root, past its sshd."""
        target = ["nsenter", "--target", str(self.cluster.node(name).pid), *_NAMESPACES]
        done = subprocess.run(
            [*target, "sh", "-c", line],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
        )
        return done.stdout

    def cpu_s(self) -> float:
        """Return the CPU seconds of all that the head and the nodes run or ran."""
        return cpu_s(below(self.head_pid()))


@contextlib.contextmanager
def ground(root: Path) -> Iterator[Ground]:
    """Start the nodes, and end them with all they run."""
    # A disk: /tmp may be memory, where a commit costs nothing.
    folder = Path.cwd() / f"build/bench-jobs-{os.getpid()}"
    found = Ground(root, folder)
    try:
        folder.mkdir(parents=True)
        (root / "demo").mkdir(exist_ok=True)
        found.cluster.up(found.names)
        yield found
    finally:
        found.cluster.down()
        _remove(folder)


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds of processes and of those of their children that were waited for."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # ended meanwhile
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(ticks) for ticks in fields[11:15])
    return total * _TICK_S


def below(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for one in processes.everyone():
        children.setdefault(one.parent, []).append(one.pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _remove(folder: Path) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)
