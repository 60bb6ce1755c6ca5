"""A cluster on this machine, to try clsh on: chooses how, and says what runs.

As root on Linux with OpenSSH's sshd the nodes are namespaces (`clsh.demo.namespaces`),
otherwise SSH servers of our own on loopback (`clsh.demo.servers`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from clsh.base import paths
from clsh.base.errors import ClshError, NotAllowedError, UsageError
from clsh.demo import layer, namespaces
from clsh.demo.loopback import Loopback
from clsh.demo.namespaces import Namespaces
from clsh.nodes.nodeset import fold

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from clsh.demo.layer import Reach


class Flavour(Protocol):
    """One way to run the nodes; all but `up` and `down` need it to be up."""

    def up(self, names: Sequence[str]) -> None:
        """Start the nodes; raises ClshError, leaving nothing, when one does not start."""
        ...

    def down(self) -> None:
        """End the nodes and all they run, and remove the files; idempotent."""
        ...

    def alive(self) -> dict[str, bool]:
        """Return for each node whether it runs; nothing when the cluster is not up."""
        ...

    def kill(self, name: str) -> None:
        """Make the node lost: its connections end, nothing listens any more; idempotent."""
        ...

    def start(self, name: str) -> None:
        """Start a killed node again, with the same host key; idempotent."""
        ...

    def enter(self, argv: Sequence[str], cwd: str) -> list[str]:
        """Return the argv that runs `argv` where the names of the nodes are known."""
        ...

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment for that."""
        ...

    def reach(self) -> Reach:
        """Return how a command reaches the nodes that otherwise stays where it is."""
        ...


class Status(NamedTuple):
    """What runs: `namespaces` or `servers`, and for each node whether it is up."""

    flavour: str
    nodes: dict[str, bool]


class Cluster:
    """The cluster whose files are below `state`, by default in the user's runtime directory."""

    def __init__(self, state: Path | None = None) -> None:
        self._state = state or paths.runtime_dir() / "demo"
        self._flavours: dict[str, Flavour] = {
            "namespaces": Namespaces(self._state),
            "servers": Loopback(self._state),
        }

    def up(self, count: int, *, servers: bool = False) -> Status:
        """Start `count` nodes, as servers of our own when asked; as many that run are kept.

        Raises ClshError when another cluster runs here, or this one does not start.
        """
        names = layer.node_names(count)
        with self._locked():
            if status := self.status():
                if list(status.nodes) != names or (servers and status.flavour != "servers"):
                    raise ClshError(
                        f"a demo cluster of {len(status.nodes)} nodes ({status.flavour}) runs",
                        hint="cl demo down",
                    )
                for name in names:
                    self._flavours[status.flavour].start(name)
            else:
                self._clean()  # what a crash has left
                self._state.mkdir(mode=0o700)
                chosen = "servers" if servers or namespaces.unavailable() else "namespaces"
                self._flavours[chosen].up(names)
        return self.running()

    def down(self) -> bool:
        """End the cluster and remove what it had; tells whether one ran."""
        with self._locked():
            ran = self.status() is not None
            self._clean()
        return ran

    def status(self) -> Status | None:
        """Return what runs, None when nothing does."""
        for name, flavour in self._flavours.items():
            if nodes := flavour.alive():
                return Status(name, nodes)
        return None

    def kill(self, name: str) -> None:
        """Make a node lost; raises UsageError for a name that there is not."""
        with self._locked():
            self._of(name).kill(name)

    def start(self, name: str) -> None:
        """Bring a lost node back; one that is up stays as it is."""
        with self._locked():
            self._of(name).start(name)

    def exec(self, argv: Sequence[str]) -> NoReturn:
        """Become the command `argv`, run where the nodes' names are known."""
        entered, environ = self.entered(argv)
        try:
            os.execvpe(entered[0], entered, environ)  # noqa: S606 - the caller's own command
        except OSError as error:
            raise ClshError(f"cannot run {argv[0]!r}: {error.strerror}") from error

    def entered(self, argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return argv and environment that run `argv` there; raises ClshError when none run."""
        flavour = self._flavours[self.running().flavour]
        return flavour.enter(argv, str(Path.cwd())), flavour.environment(os.environ)

    def running(self) -> Status:
        """Return what runs; raises ClshError when nothing does."""
        if status := self.status():
            return status
        raise ClshError("the demo cluster does not run", hint="cl demo up")

    def reach(self) -> Reach:
        """Return how the nodes are reached from this machine; raises ClshError when none run."""
        return self._flavours[self.running().flavour].reach()

    def _of(self, name: str) -> Flavour:
        status = self.running()
        if name not in status.nodes:
            raise UsageError(
                f"the demo cluster has no node {name!r}", hint=f"its nodes: {fold(status.nodes)}"
            )
        return self._flavours[status.flavour]

    def _clean(self) -> None:
        for flavour in self._flavours.values():
            flavour.down()
        with contextlib.suppress(FileNotFoundError):
            self._state.rmdir()

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """Let one caller at a time change the cluster; refuse a directory others can change."""
        folder = self._state.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refused = NotAllowedError(
            f"{folder} is not yours alone", hint="set XDG_RUNTIME_DIR to a directory that is"
        )
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except NotADirectoryError as error:
            raise refused from error
        try:
            found = os.fstat(handle)
            if found.st_uid != os.geteuid() or found.st_mode & 0o022:
                raise refused
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
