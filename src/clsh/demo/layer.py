"""Say what differs on the demo's nodes from this machine: addresses, users, sshd. Pure.

Every node shows this machine's own file system with the files made here laid over it
(`clsh.demo.scripts` mounts them), so the users and passwords below exist only there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from clsh.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

MOST_NODES = 250
HEAD = "head"
CONTROL = "control"  # the socket of our own servers
HEAD_ADDRESS = "10.77.255.1"
PASSWORD = "demo-password"  # noqa: S105 - that of alice and carol, who exist in the demo only
_HASH = (
    "$6$clshdemo$Z4ldCoCc2ceqYhQJLxfpK2ZMh9FOyIkc1FZrRKMIIOjwEHCv"
    "/wNuBzdX2yodx/0LvlY4ZIx13mdXq3o0nRYCO."
)
USERS = {"alice": 61001, "bob": 61002, "carol": 61003}
_SHADOW = {"root": "*", "alice": _HASH, "bob": "*", "carol": _HASH}

_SSHD = """\
# The demo's nodes: keys for root, alice and bob, a password for carol.
UsePAM no
KbdInteractiveAuthentication no
PasswordAuthentication no
PermitRootLogin prohibit-password
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
MaxSessions 10
MaxStartups 1000
UseDNS no
PrintMotd no
PrintLastLog no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
{more}Match User carol
    PasswordAuthentication yes
"""


class Reach(NamedTuple):
    """How the nodes are reached: words before a command, and the configuration that names them.

    The command keeps this machine's files; only its network is that of the nodes.
    """

    before: list[str]
    config: Path


def node_names(count: int) -> list[str]:
    """Return `node1` to `node<count>`; raises UsageError when there are too many or none."""
    if not 1 <= count <= MOST_NODES:
        raise UsageError(f"a demo cluster has 1 to {MOST_NODES} nodes, not {count}")
    return [f"node{number}" for number in range(1, count + 1)]


def addresses(names: Sequence[str]) -> dict[str, str]:
    """Return the address of each node, in their order."""
    return {name: f"10.77.0.{number}" for number, name in enumerate(names, 1)}


def files(
    names: Sequence[str], passwd: str, group: str, openssh: tuple[int, int]
) -> Mapping[str, tuple[int, str]]:
    """Return mode and text of each file, by its path below the layers `node/` and `head/`.

    `passwd` and `group` are the texts of this machine's files: its system users stay (sshd
    needs its own). `openssh` is the version of its sshd.
    """
    users = [f"{user}:x:{uid}:{uid}::/home/{user}:/bin/sh" for user, uid in USERS.items()]
    kept = _without(passwd, {"root", *USERS})
    node = ["root:x:0:0:root:/root:/bin/sh", *kept, *users]
    # The head shows this machine's own /root, so its root lives elsewhere: no start-up file
    # or key of this machine's root is read, and none is written.
    head = ["root:x:0:0:root:/home/root:/bin/sh", *kept, *users]
    groups = [*_without(group, set(USERS)), *(f"{user}:x:{USERS[user]}:" for user in USERS)]
    hosts = {HEAD: HEAD_ADDRESS, **addresses(names)}
    # From OpenSSH 9.8 on, one wrong password would keep the head out for seconds.
    more = "PerSourcePenalties no\n" if openssh >= (9, 8) else ""
    return {
        "node/etc/passwd": (0o644, _lines(node)),
        "head/etc/passwd": (0o644, _lines(head)),
        "node/etc/group": (0o644, _lines(groups)),
        "node/etc/shadow": (
            0o600,
            _lines(f"{user}:{secret}:20000::::::" for user, secret in _SHADOW.items()),
        ),
        "node/etc/nsswitch.conf": (
            0o644,
            _lines(f"{table}: files" for table in ("passwd", "group", "shadow", "hosts")),
        ),
        "node/etc/hosts": (
            0o644,
            _lines(["127.0.0.1 localhost", *(f"{at} {name}" for name, at in hosts.items())]),
        ),
        "node/etc/ssh/sshd_config": (0o600, _SSHD.format(more=more)),
        "node/etc/ssh/ssh_config": (0o644, "# The demo needs none: keys are where ssh looks.\n"),
        "node/etc/sudoers.d/clsh-demo": (0o440, "alice ALL=(ALL:ALL) ALL\n"),
    }


def inventory(folder: Path, user: str, nodes: Mapping[str, tuple[str, int]]) -> str:
    """Return the configuration that tells clsh how nodes at these ports are reached.

    `folder` has `id_ed25519`, `known_hosts` and an `ssh_config`.
    """
    files = {"identity": "id_ed25519", "known_hosts": "known_hosts", "config": "ssh_config"}
    # A JSON string is a TOML string.
    lines = ["[defaults]", f"user = {json.dumps(user)}"]
    lines += [f"{key} = {json.dumps(str(folder / name))}" for key, name in files.items()]
    lines += ["", "[clusters.demo]", f"nodes = {json.dumps(list(nodes))}"]
    for name, (address, port) in nodes.items():
        lines += ["", f"[nodes.{name}]", f'address = "{address}"', f"port = {port}"]
    return _lines(lines)


def _without(table: str, names: set[str]) -> list[str]:
    return [line for line in table.splitlines() if line.partition(":")[0] not in names]


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
