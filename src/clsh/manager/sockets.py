"""The sockets of the manager: handed over by who started it, or opened here.

systemd hands sockets over as descriptors from 3 on (sd_listen_fds(3)); so does `cl up --demo`,
because a socket stays in the network in which it was made, wherever its owner goes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, ConfigError
from clsh.base.paths import for_socket
from clsh.manager.state import RunsAlreadyError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence
    from pathlib import Path

HTTP = "http"
CONTROL = "control"

_FIRST = 3  # SD_LISTEN_FDS_START
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
_BACKLOG = 1024
_MORE_PORTS = 20


class PortBusyError(ClshError):
    """A port is in use."""


def handed_over(environ: MutableMapping[str, str] = os.environ) -> dict[str, socket.socket]:
    """Return the sockets that this process was started with, by their names.

    A socket without a name that we know is HTTP's, a Unix socket `cl`'s. What told of them is
    taken out of `environ`: it is not for our children.
    """
    told = [environ.pop(name, "") for name in VARIABLES]
    if told[0] != str(os.getpid()) or not told[1].isdigit():
        return {}
    names = told[2].split(":")
    found: dict[str, socket.socket] = {}
    for number in range(min(int(told[1]), 64)):
        os.set_inheritable(_FIRST + number, False)
        try:
            one = socket.socket(fileno=_FIRST + number)
        except OSError as error:
            raise ClshError(f"descriptor {_FIRST + number} is no socket") from error
        one.setblocking(False)
        name = names[number] if number < len(names) else ""
        if one.family == socket.AF_UNIX:
            name = CONTROL
        elif name in {"", "unknown", "stored"} or name.endswith(".socket"):
            name = HTTP
        found[name] = one
    return found


def names(opened: Mapping[str, socket.socket]) -> dict[str, str]:
    """Return the variables that hand sockets over; LISTEN_PID is for the new process to set."""
    return {"LISTEN_FDS": str(len(opened)), "LISTEN_FDNAMES": ":".join(opened)}


def hand_over(opened: Sequence[int]) -> None:
    """Put descriptors where the next program looks for them, open across its start."""
    # Out of the way first: one may lie where another has to go.
    away = [above(one, len(opened)) for one in opened]
    for number, descriptor in enumerate(away):
        os.dup2(descriptor, _FIRST + number, inheritable=True)


def above(descriptor: int, count: int) -> int:
    """Return a copy of a descriptor above the places of `count` that are handed over."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST + count)


def listening(host: str, port: int, *, others: bool = False) -> socket.socket:
    """Return a socket that listens there; raises PortBusyError naming the remedy.

    With `others` the next ports are tried when this one is busy; port 0 is any that is free.
    """
    for one in range(port, min(port + (_MORE_PORTS if others and port else 1), 65536)):
        with contextlib.suppress(PortBusyError):
            return _bound(host, one)
    raise PortBusyError(
        f"port {port} on {host} is in use by another program",
        hint=f"`ss -ltnp sport = :{port}` tells which; "
        'name another port in clsh.toml: [manager] listen = "127.0.0.1:8660"',
    )


def spelled(one: socket.socket) -> str:
    """Return `host:port` of a socket, as a URL has it."""
    host, port = one.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bound(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"[manager] listen: there is no address {host!r} here",
            hint='for example "127.0.0.1:8650"',
        ) from error
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusyError from error
        raise ClshError(
            f"cannot listen at {host}:{port}: {error.strerror}",
            hint="[manager] listen in clsh.toml says where",
        ) from error
    made.setblocking(False)
    return made


def control(path: Path) -> socket.socket:
    """Return the Unix socket that `cl` speaks to, for its owner alone.

    One that a dead manager has left is replaced. Raises RunsAlreadyError when somebody
    listens there. The state's lock must be held: it keeps two of us from doing this at once.
    """
    for_socket(path)
    made = socket.socket(socket.AF_UNIX)
    try:
        if os.path.lexists(path):
            _refuse_live(path)
            path.unlink(missing_ok=True)
        old = os.umask(0o177)
        try:
            made.bind(str(path))
        finally:
            os.umask(old)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise ClshError(f"cannot listen at {path}: {error.strerror or error}") from error
    except BaseException:
        made.close()
        raise
    made.setblocking(False)
    return made


def open_to(path: Path, *, everybody: bool) -> None:
    """Let all users of this machine speak to a socket, or its owner alone.

    The kernel tells who they are. They may go through its directory, and not look into it.
    """
    try:
        path.parent.chmod(0o711 if everybody else 0o700)
        path.chmod(0o666 if everybody else 0o600)
    except FileNotFoundError:
        return  # one that was handed over lies elsewhere, and is as its unit says
    except OSError as error:
        raise ClshError(f"cannot open {path} to others: {error.strerror}") from error


def _refuse_live(path: Path) -> None:
    who = ""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
            who = _listener(probe)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except (BlockingIOError, TimeoutError):
            pass  # its queue is full: somebody is there
    raise RunsAlreadyError(
        f"a manager{who} listens at {path} already",
        hint="`cl status` shows it, `cl down` ends it",
    )


def _listener(connected: socket.socket) -> str:
    """Return in words which process listens at the other end, where the kernel tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return ""
    held = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return f" (pid {struct.unpack('3i', held)[0]})"
