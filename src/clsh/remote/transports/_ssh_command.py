"""The command line of an ssh master, and the sense of what it says when it fails. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.nodes.model import host_address, port_number, user_name

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from clsh.nodes.model import Node
    from clsh.remote.ssh_config import Directive
    from clsh.remote.transport import TransportOptions

_QUICK_KEX = ("mlkem768x25519-sha256", "curve25519-sha256")
_SLOW_KEX = "sntrup761x25519-sha512@openssh.com"
_CHECKING = {"strict": "yes", "accept-new": "accept-new", "off": "no"}


def key_exchange(known: Sequence[str]) -> str | None:
    """Return clsh's KexAlgorithms for an ssh that knows `known` (`ssh -Q kex`), None for ssh's.

    sntrup761, first in OpenSSH 9.0 to 9.9, costs each side nine times as much as the rest of
    a connection. An ssh that does not know it begins with curve25519 anyway.
    """
    quick = [name for name in _QUICK_KEX if name in known]
    return "^" + ",".join(quick) if quick and _SLOW_KEX in known else None


def master(
    node: Node,
    options: TransportOptions,
    control_path: str,
    *,
    deadline_s: float,
    named: Container[str] = (),
    kex: str | None = None,
) -> list[str]:
    """Return the argv of the ssh that opens the connection to `node` and listens for us.

    `named` tells which directives (lower case) the user's ssh_config has for this host: the
    choices that clsh would only suggest are left to it. Raises UsageError for a host or a
    jump that could be read as anything else.
    """
    argv = ["ssh", "-N", "-T", "-o", "ControlMaster=yes", "-o", f"ControlPath={control_path}"]
    settings = {
        "ControlPersist": "no",
        "ClearAllForwardings": "yes",
        "LogLevel": "ERROR",
        "ServerAliveInterval": str(max(1, round(options.keepalive_s))),
        "ServerAliveCountMax": str(options.keepalive_count),
        "ConnectTimeout": str(max(1, math.ceil(deadline_s))),
        "BatchMode": "yes",
        **dict(_host_keys(node, options, named)),
    }
    if options.password is not None:
        settings.update(BatchMode="no", NumberOfPasswordPrompts="1")
    if "forkafterauthentication" in named:  # an older ssh knows no such word
        settings["ForkAfterAuthentication"] = "no"
    if options.kex or (kex and "kexalgorithms" not in named):
        settings["KexAlgorithms"] = options.kex or kex or ""
    for name, value in settings.items():
        argv += ["-o", f"{name}={value}"]
    for path in _identities(node, options):
        argv += ["-o", f"IdentityFile={_quoted(path)}"]
    return [*argv, *_way(node, options), "--", host_address(node.host)]


def _host_keys(
    node: Node, options: TransportOptions, named: Container[str]
) -> Iterator[tuple[str, str]]:
    # An own StrictHostKeyChecking, perhaps stricter, outweighs clsh's default.
    if options.host_keys != "accept-new" or "stricthostkeychecking" not in named:
        yield "StrictHostKeyChecking", _CHECKING[options.host_keys]
    if options.host_keys == "off":
        yield "UserKnownHostsFile", "/dev/null"
        yield "GlobalKnownHostsFile", "/dev/null"
    elif path := node.options.get("known_hosts") or options.known_hosts:
        yield "UserKnownHostsFile", _quoted(path)


def _identities(node: Node, options: TransportOptions) -> list[str]:
    own = node.options.get("identity")
    return [*([own] if own else []), *options.identities]


def _way(node: Node, options: TransportOptions) -> list[str]:
    words: list[str] = []
    if path := node.options.get("config") or options.ssh_config:
        words += ["-F", path]
    if node.user:
        words += ["-l", user_name(node.user)]
    if node.port:
        words += ["-p", str(node.port)]
    if node.jump:
        words += ["-J", jump(node.jump)]
    return words


def jump(text: str) -> str:
    """Return `text`, a ProxyJump value, when each hop is `[user@]host[:port]`; else UsageError.

    ssh makes a command line of it for a shell, and expands `%` in it.
    """
    for hop in text.split(","):
        user, at, rest = hop.rpartition("@")
        match = re.fullmatch(r"\[([^\]]*)\](?::(\d+))?|([^:]*)(?::(\d+))?", rest)
        if at:
            user_name(user)
        if match is None or "%" in hop or "\\" in hop:
            raise UsageError(f"bad jump host {hop!r}", hint="write [user@]host[:port]")
        host_address(match[1] or match[3] or "")
        if port := match[2] or match[4]:
            port_number(port)
    return text


def _quoted(path: str) -> str:
    """Write a path as a value of ssh_config: no token in it is expanded."""
    text = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


@dataclass(frozen=True, slots=True)
class PerChannel:
    """What ssh_config asks of each command: variables, and the agent."""

    variables: tuple[tuple[str, str], ...] = ()
    agent: bool = False


def per_channel(directives: Iterable[Directive], environ: Mapping[str, str]) -> PerChannel:
    """Return what SendEnv, SetEnv and ForwardAgent ask for.

    The master asks its own ForwardAgent again when the node uses the agent.
    """
    sent: dict[str, str] = {}
    first: dict[str, str] = {}
    for directive in directives:
        if directive.name == "sendenv":
            patterns = [word for word in directive.value.split() if not word.startswith("-")]
            sent |= {
                name: value
                for name, value in environ.items()
                if any(fnmatchcase(name, pattern) for pattern in patterns)
            }
        first.setdefault(directive.name, directive.value)
    pairs = (word.partition("=") for word in first.get("setenv", "").replace('"', "").split())
    sent.update({name: value for name, _, value in pairs})
    agent = first.get("forwardagent", "no").lower() not in {"no", "false"}
    return PerChannel(tuple(sent.items()), agent)


CHANGED = "REMOTE HOST IDENTIFICATION HAS CHANGED"
# What ssh says -> how clsh words it. Anything else is given as ssh said it.
_WORDS = (
    (CHANGED, CHANGED),
    (r"No \S+ host key is known for|Host key verification failed", "host key not known"),
    (r"Could not resolve hostname \S+: (.*)", r"name not known (\1)"),
    (r"connect to host \S+ port \d+: (.*)", r"\1"),
    (r"(?:.*: )?(Permission denied) \((.*)\)\.?", r"permission denied (\2)"),
    (r"Connection to \S+ closed by remote host\.?", "closed by the node"),
)
_NOISE = re.compile(r"Warning: Permanently added|\*\* |@|\s*$|debug\d:")
_OFFENDING = re.compile(r"Offending .*key in (\S+:\d+)")


def reason(stderr: str) -> str:
    """Return why ssh ended, in one line, from what it wrote to stderr; "" when it was silent."""
    stderr = stderr.replace("\r", "")
    for pattern, words in _WORDS:
        if match := re.search(pattern, stderr):
            text = match.expand(words)
            where = _OFFENDING.search(stderr)
            if words == CHANGED:
                return f"{text} ({where[1]})" if where else text
            return text[:1].lower() + text[1:]
    lines = [line.strip() for line in stderr.splitlines() if not _NOISE.match(line)]
    return "; ".join(dict.fromkeys(lines))[:300]
