"""Where a manager lives: directories that are its user's alone, and the lock on its state.

The kernel holds the lock and gives it back when the process ends, however it ends: no file
can say that a manager runs when none does. What is written in it is for people.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clsh.base import paths
from clsh.base.errors import ClshError, NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOCK = "manager.lock"
_LOG = "manager.log"
_SOCKET = "manager.sock"
# Who asks whether the lock is free holds it for a moment.
_PATIENCE_S = 0.3


class RunsAlreadyError(ClshError):
    """A manager runs already."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one manager keeps what it knows; that of the demo has a place of its own.

    One socket for both: `cl` speaks to the manager that runs.
    """

    directory: Path
    socket: Path
    demo: bool = False

    @property
    def log(self) -> Path:
        """Where a manager in the background writes what happens."""
        return self.directory / _LOG


@dataclass(frozen=True, slots=True)
class Holder:
    """The manager that has the lock: its pid, and where its page is."""

    pid: int = 0
    address: str = ""


def place(*, demo: bool = False, environ: Mapping[str, str] = os.environ) -> Place:
    """Return where the manager of this user lives; nothing is made."""
    directory = paths.state_dir(environ)
    return Place(
        directory / "demo" if demo else directory, paths.runtime_dir(environ) / _SOCKET, demo
    )


def private(directory: Path, *, passable: bool = False) -> None:
    """Make a directory for its owner alone; raises ClshError when that cannot be.

    A directory of ours that others may enter is closed to them; one of somebody else is
    refused, as is a link. One that is `passable` others may go through, and no more, if they
    could before.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise NotAllowedError(
                f"{directory} is not a directory of yours",
                hint="remove it, or set XDG_STATE_HOME and XDG_RUNTIME_DIR",
            )
        if stat.S_IMODE(found.st_mode) & (0o066 if passable else 0o077):
            directory.chmod(0o700)
    except OSError as error:
        raise ClshError(
            f"cannot use {directory}: {error.strerror}",
            hint="set XDG_STATE_HOME and XDG_RUNTIME_DIR to directories that you may write to",
        ) from error


class Lock:
    """The right to use a state directory, held until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, holder: Holder) -> None:
        """Write who holds the lock, for those who find it taken; a full disk is no matter."""
        text = json.dumps(asdict(holder)).encode()
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text, 0)

    def release(self) -> None:
        """Let another manager use the directory; idempotent."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
        self._descriptor = -1


def lock(directory: Path) -> Lock:
    """Take the lock of a state directory; raises RunsAlreadyError naming the pid."""
    path = directory / _LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ClshError(f"cannot open {path}: {error.strerror}") from error
    try:
        _take(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    taken = Lock(descriptor)
    taken.tell(Holder(os.getpid()))
    return taken


def holder(directory: Path) -> Holder | None:
    """Return the manager that uses a state directory, None when none does."""
    try:
        descriptor = os.open(directory / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    finally:
        os.close(descriptor)
    return None


def _take(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            raise runs_already(_read(descriptor), path.parent) from None
        except OSError as error:
            raise ClshError(f"cannot lock {path}: {error.strerror}") from error
        return


def runs_already(other: Holder, directory: Path) -> RunsAlreadyError:
    """Return the error for a state directory that is in use."""
    who = f" (pid {other.pid})" if other.pid else ""
    where = f", at {other.address}" if other.address else ""
    return RunsAlreadyError(
        f"a manager runs already{who}, with its state in {directory}{where}",
        hint="`cl status` shows it, `cl down` ends it",
    )


def _read(descriptor: int) -> Holder:
    with contextlib.suppress(OSError, ValueError, TypeError):
        told: dict[str, Any] = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(told["pid"]), str(told["address"]))
    return Holder()
