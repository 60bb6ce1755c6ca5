"""Look at the machine of the manager: its ports, directories, limits and programs."""

from __future__ import annotations

import resource
import shutil
import socket
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from clsh.access import pam
from clsh.access import settings as access_settings
from clsh.base.errors import ClshError
from clsh.manager import sockets, state
from clsh.manager.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from clsh.base.config import Config
    from clsh.manager.state import Place
    from clsh.monitor.settings import Settings

_LITTLE = 200 * 2**20
_FILES = 256  # what the manager opens itself: sockets, the store, viewers of the page
_FILES_A_NODE = 2
_MB = 2**20


def manager(text: str) -> Finding:
    """Return that something of the manager is well."""
    return Finding("manager", "ok", text)


def bad(text: str, mend: str) -> Finding:
    """Return that something of the manager is not well."""
    return Finding("manager", "bad", text, mend)


def _note(text: str, mend: str) -> Finding:
    return Finding("manager", "note", text, mend)


def look(settings: Settings, place: Place, nodes: int, *, runs: bool) -> Iterator[Finding]:
    """Look at everything that needs no manager; with `runs` its ports are rightly in use."""
    yield manager(f"Python {sys.version.split()[0]}")
    yield programs()
    yield from directories(place, settings.store_limit)
    yield limits(nodes)
    if not runs:
        yield from ports(settings)


def logins(config: Config) -> Finding:
    """Look whether the users of this machine can log in by their passwords."""
    wanted = access_settings.load(config)
    if wanted.pam == "off":
        return manager("local users log in by password; PAM is off")
    missing = pam.why_not(wanted.pam_service)
    if missing is None:
        return manager(f"users log in by password as PAM's service {wanted.pam_service} has it")
    text = f"only local users log in by password: {missing}"
    return bad(text, missing.hint) if wanted.pam == "on" else _note(text, missing.hint)


def programs() -> Finding:
    """Look for the programs that some nodes need."""
    if shutil.which("ssh"):
        return manager("OpenSSH's client is there")
    return Finding(
        "manager",
        "note",
        "there is no ssh: nodes that need one of its special options cannot be reached",
        "install OpenSSH's client (Debian: apt install openssh-client)",
    )


def directories(place: Place, limit: int) -> Iterator[Finding]:
    """Look whether the state can be written, and how much room there is."""
    for directory in (place.directory, place.socket.parent):
        try:
            state.private(directory, passable=directory == place.socket.parent)
            with tempfile.TemporaryFile(dir=directory) as probe:
                probe.write(b"x" * 4096)
                probe.flush()
        except (ClshError, OSError) as error:
            hint = error.hint if isinstance(error, ClshError) else ""
            yield bad(f"cannot write in {directory}: {error}", hint or f"ls -ld {directory}; df -h")
            return
    yield room(place.directory, limit)


def room(directory: Path, limit: int) -> Finding:
    """Look how much the disk of the store can still take, against what the store may grow to."""
    free = shutil.disk_usage(directory).free
    told = f"{free // _MB} MB are free for {directory}"
    if free < _LITTLE:
        return bad(told, f"du -xh --max-depth=2 {directory} and its file system; remove some")
    used = sum(file.stat().st_size for file in directory.glob("*") if file.is_file())
    if free < limit - used:
        return Finding(
            "manager",
            "note",
            f"{told}, less than the store may take ({limit // _MB} MB)",
            f'[monitor] store_limit = "{max(10, (free + used) // 2 // _MB)}M" in clsh.toml',
        )
    return manager(told)


def limits(nodes: int) -> Finding:
    """Look whether as many files may be open as the nodes need."""
    needed = _FILES + _FILES_A_NODE * nodes
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most == resource.RLIM_INFINITY or most >= needed:
        return manager(f"{most} open files are allowed, {needed} are enough")
    return bad(
        f"{most} open files are allowed, {needed} are needed for {nodes} nodes",
        f"ulimit -Hn {needed} as root, or LimitNOFILE={needed} in the systemd unit",
    )


def ports(settings: Settings) -> Iterator[Finding]:
    """Look whether the ports that the manager wants are free."""
    try:
        sockets.listening(*settings.listen).close()
    except ClshError as error:
        yield bad(str(error), error.hint)
    else:
        yield manager(f"the page's address {settings.listen} is free")
    for key in ("gmond_port", "gmetad_port", "gmetad_query_port"):
        port: int = getattr(settings, key)
        if port and (why := _refused(settings.ganglia_listen, port)):
            yield Finding(
                "manager",
                "note",
                f"Ganglia's clients cannot be served on port {port}: {why}",
                f"end what uses it (ss -ltnp sport = :{port}), or [monitor] {key} = 0",
            )


def _refused(host: str, port: int) -> str:
    """Return why a port cannot be listened on, "" when it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def running(told: Mapping[str, Any]) -> Iterator[Finding]:
    """Look at what a manager that runs says of itself."""
    facts: dict[str, str] = told["facts"]
    address = facts.get("address") or f"http://{told['listen']}/"
    yield manager(f"the manager runs (pid {told['pid']}) at {address}")
    if trouble := told["store"]["trouble"]:
        yield bad(f"the store: {trouble}", f"ls -l {facts['state']}; df -h {facts['state']}")
    for source in told["sources"]:
        if not source["ok"] and source["source"] != "store":
            yield bad(f"source {source['source']}: {source['reason']}", "see [[monitor.sources]]")
    if trouble := facts.get("jobs"):
        yield bad(f"the jobs: {trouble}", f"ls -l {facts['state']}; df -h {facts['state']}")
    if why := facts.get("ganglia"):
        yield Finding("manager", "note", f"Ganglia's ports: {why}", f"less {facts['state']}/*.log")


def stopped(place: Place) -> Finding:
    """Return what to say when no manager answers."""
    if holder := state.holder(place.directory):
        return bad(
            f"the manager (pid {holder.pid}) does not answer", f"kill -9 {holder.pid}; cl up"
        )
    return Finding("manager", "note", "no manager runs", "cl up")


def clock(skews: Mapping[str, float]) -> Finding | None:
    """Return that this machine's own clock is wrong, when most nodes agree on that."""
    ahead = sorted(skews.values())
    if len(ahead) < 3:
        return None
    middle = ahead[len(ahead) // 2]
    agree = [one for one in ahead if abs(one - middle) <= 2]
    if abs(middle) <= 2 or len(agree) * 2 <= len(ahead):
        return None
    side = "behind" if middle > 0 else "ahead of"
    return bad(
        f"the clock of this machine is {abs(middle):.0f} s {side} that of most nodes",
        "timedatectl set-ntp true, or start chronyd",
    )
