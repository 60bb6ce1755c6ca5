"""Run the demo's nodes as Linux namespaces with OpenSSH's sshd; needs root.

The head's pid 1 holds everything: the nodes run below it, and when it ends the kernel takes
away all processes, links and mounts. Nothing is ever made in this machine's own namespaces.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clsh.base.errors import ClshError
from clsh.demo import layer, processes, scripts
from clsh.demo.launch import launch
from clsh.demo.layer import Reach

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NEW = ("--net", "--uts", "--ipc", "--pid", "--mount")
_TOOLS = ("unshare", "nsenter", "mount", "pivot_root", "ip", "ssh-keygen", "ssh", "sshd")
# Where sshd and ip are, also when an ordinary user's PATH was kept by su or sudo.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_UP_S = 30.0
_GONE_S = 5.0


class Running(NamedTuple):
    """The `unshare` that holds all, the head's pid 1 below it, and the nodes' addresses."""

    holder: processes.Process
    head: processes.Process
    nodes: dict[str, str]


def unavailable() -> str:
    """Return why there can be no namespaces here, in words; empty when there can."""
    if not sys.platform.startswith("linux"):
        return "this is not Linux"
    if os.geteuid() != 0:
        return "you are not root"
    if missing := [tool for tool in _TOOLS if not shutil.which(tool, path=_PATH)]:
        return f"there is no {', '.join(missing)}"
    # The nodes see this machine's root file system without what is mounted on it.
    sshd = Path(shutil.which("sshd", path=_PATH) or "").resolve()
    if mounted := [str(path) for path in sshd.parents[:-1] if path.is_mount()]:
        return f"{mounted[0]} is a file system of its own"
    probe = subprocess.run(
        ["unshare", *_NEW, "--fork", "true"], capture_output=True, text=True, check=False
    )
    return probe.stderr.strip() if probe.returncode else ""


def openssh_version(text: str) -> tuple[int, int]:
    """Return major and minor version from what `ssh -V` says, 0.0 when it says none."""
    found = re.search(r"OpenSSH\w*?_(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class Namespaces:
    """The cluster whose files are in the directory `state`.

    What runs is read from the process table alone, so no file can be out of date.
    """

    def __init__(self, state: Path) -> None:
        self._state = state.resolve()
        self._script = self._state / "head.sh"
        self._log = self._state / "log"
        self._access = self._state / "access"

    def up(self, names: Sequence[str]) -> None:
        """Start head and nodes; raises ClshError, leaving nothing, when one does not start."""
        nodes = layer.addresses(names)
        users = " ".join(f"{user}:{uid}" for user, uid in layer.USERS.items())
        argv = ["unshare", *_NEW, "--fork", "--kill-child", "sh", str(self._script)]
        argv += [str(self._state), users, layer.HEAD_ADDRESS, *_pairs(nodes)]
        try:
            self._write(nodes)
            self._launch(argv, {layer.HEAD})
            self._start(nodes)
        except BaseException:
            self.down()
            raise

    def running(self) -> Running | None:
        """Return what runs, None when nothing does."""
        everyone = processes.everyone()
        for holder in everyone:
            words = processes.words(holder.pid)
            if words[:1] == ["unshare"] and str(self._script) in words:
                pairs = words[words.index(layer.HEAD_ADDRESS) + 1 :]
                nodes = dict(pair.split("=") for pair in pairs)
                for head in everyone:
                    if head.parent == holder.pid:
                        return Running(holder, head, nodes)
        return None

    def down(self) -> None:
        """End everything, commands in the head too, and remove the files; idempotent."""
        if found := self.running():
            stubborn = processes.end(_strangers(found), signal.SIGTERM, 0.5)
            processes.end([*stubborn, found.head], signal.SIGKILL, _GONE_S)
            processes.end([found.holder], signal.SIGKILL, _GONE_S)  # it ends by itself
        for folder in (self._state / "layer", self._access):
            shutil.rmtree(folder, ignore_errors=True)
        # Never by rmtree: were anything still mounted there, it would be emptied.
        with contextlib.suppress(FileNotFoundError):
            (self._state / "root").rmdir()
        for path in (self._script, self._log):
            path.unlink(missing_ok=True)

    def alive(self) -> dict[str, bool]:
        """Return for each node whether it runs."""
        found = self.running()
        inits = _inits(found.head) if found else {}
        return {name: name in inits for name in found.nodes} if found else {}

    def node(self, name: str) -> processes.Process:
        """Return the pid 1 of a node, as seen from outside; raises ClshError when lost."""
        found = self._found()
        if init := _inits(found.head).get(name):
            return init
        raise ClshError(f"{name} does not run", hint=f"cl demo start {name}")

    def kill(self, name: str) -> None:
        """End all that a node runs; its link goes too, its disk is kept for `start`."""
        if init := _inits(self._found().head).get(name):
            processes.end([init], signal.SIGKILL, _GONE_S)

    def start(self, name: str) -> None:
        """Start a killed node again: same address, host key and disk, empty /tmp and /run."""
        found = self._found()
        if name not in _inits(found.head):
            self._start({name: found.nodes[name]})

    def enter(self, argv: Sequence[str], cwd: str) -> list[str]:
        """Return the argv that runs `argv` in the head; what runs it becomes the command.

        The pid namespace stays the caller's, so signals and exit status need no go-between.
        """
        head = str(self._found().head.pid)
        inner = ["sh", "-c", 'cd "$1" 2>/dev/null; shift; exec "$@"', "sh", cwd, *argv]
        return ["nsenter", "--target", head, "--net", "--uts", "--ipc", "--mount", *inner]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a command in the head: its root user, this clsh first."""
        own = str(Path(sys.executable).parent)
        path = os.pathsep.join([own, environ.get("PATH", "/usr/bin:/bin"), "/usr/sbin:/sbin"])
        kept = {name: value for name, value in environ.items() if name != "SSH_AUTH_SOCK"}
        return kept | {"HOME": "/home/root", "USER": "root", "LOGNAME": "root", "PATH": path}

    def reach(self) -> Reach:
        """Return how a command reaches the nodes by the head's network, and nothing else of it."""
        head = str(self._found().head.pid)
        return Reach(["nsenter", "--target", head, "--net", "--"], self._access / "clsh.toml")

    def _found(self) -> Running:
        found = self.running()
        if not found:
            raise ClshError("the demo cluster does not run", hint="cl demo up")
        return found

    def _write(self, nodes: Mapping[str, str]) -> None:
        said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
        texts = layer.files(
            list(nodes),
            Path("/etc/passwd").read_text(),
            Path("/etc/group").read_text(),
            openssh_version(said),
        )
        places = {name: (address, 22) for name, address in nodes.items()}
        laid = {f"layer/{path}": content for path, content in texts.items()}
        for name, (mode, text) in {
            **laid,
            "layer/start.sh": (0o644, scripts.START),
            "layer/node.sh": (0o644, scripts.NODE),
            "head.sh": (0o644, scripts.HEAD),
            "access/ssh_config": (0o644, "# Nothing of your own ssh_config is used.\n"),
            "access/clsh.toml": (0o644, layer.inventory(self._access, "root", places)),
        }.items():
            path = self._state / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode)
            path.write_text(text)
            path.chmod(mode)
        (self._state / "root").mkdir(exist_ok=True)

    def _start(self, nodes: Mapping[str, str]) -> None:
        sshd = shutil.which("sshd", path=_PATH) or "sshd"
        target = ["nsenter", "--target", str(self._found().head.pid), *_NEW]
        script = ["sh", "/.demo/layer/start.sh", sshd, *_pairs(nodes)]
        self._launch([*target, *script], set(nodes))

    def _launch(self, argv: Sequence[str], ready: set[str]) -> None:
        launch(argv, ready, self._log, {"PATH": _PATH, "LC_ALL": "C"}, _UP_S)


def _pairs(nodes: Mapping[str, str]) -> list[str]:
    return [f"{name}={address}" for name, address in nodes.items()]


def _inits(head: processes.Process) -> dict[str, processes.Process]:
    """Return the pid 1 of each node that runs below `head`."""
    everyone = processes.everyone()
    # Its parent is the `unshare ... sh node.sh SSHD NAME ADDRESS` below the head's pid 1.
    named = {
        one.pid: words[-2]
        for one in everyone
        if one.parent == head.pid and (words := processes.words(one.pid)) and words[0] == "unshare"
    }
    return {named[one.parent]: one for one in everyone if one.parent in named}


def _strangers(found: Running) -> list[processes.Process]:
    """Return the commands that `enter` brought into the head, but not the caller's own."""
    caller = processes.ancestors(os.getpid())
    network = processes.network(found.head.pid)
    return [
        one
        for one in processes.everyone()
        if processes.network(one.pid) == network
        and one.pid not in caller
        and found.holder.pid not in processes.ancestors(one.pid)
    ]
