"""`cl unit`: print the systemd unit that runs the manager as the user who asks."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base import paths
from clsh.base.messages import tr
from clsh.cli.render import say, talk

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

HELP = "print a systemd unit for the manager"

_KEPT = ("CLSH_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME")

_UNIT = """\
# {how}
[Unit]
Description=clsh manager: watches the nodes and serves the web page
Documentation=man:cl(1)
{after}
[Service]
Type=notify
NotifyAccess=main
ExecStart={command} up --foreground
Restart=on-failure
RestartSec=2
TimeoutStopSec=10
LimitNOFILE=65536
UMask=0077
{more}
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy={target}
"""
# The keys for SSH are read from home directories; nodes may be containers of this machine.
_SYSTEM = """\
StateDirectory=clsh
StateDirectoryMode=0700
RuntimeDirectory=clsh
RuntimeDirectoryMode=0700
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take nothing."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print the unit to stdout, and where it belongs to stderr."""
    del args
    root = os.geteuid() == 0
    say(unit(os.environ, root=root, command=_command()).rstrip("\n"))
    if root:
        where, control = "/etc/systemd/system/clsh.service", "systemctl"
    else:
        where, control = "~/.config/systemd/user/clsh.service", "systemctl --user"
    talk(tr("Write it to {file}, then: {command}", file=where, command=f"{control} daemon-reload"))
    talk(f"  {control} enable --now clsh")
    return 0


def unit(environ: Mapping[str, str], *, root: bool, command: str) -> str:
    """Return the unit: of the system for root, else one of the user's own."""
    state = paths.state_dir(environ)
    more = [
        f"Environment={_quoted(f'{name}={_absolute(environ[name])}')}"
        for name in _KEPT
        if environ.get(name)
    ]
    if root:
        more.append(_SYSTEM)
        if state != Path("/var/lib/clsh"):
            more.append(f"ReadWritePaths={_quoted(f'-{state}')}")
    after = "Wants=network-online.target\nAfter=network-online.target\n" if root else ""
    return _UNIT.format(
        how="Made by `cl unit`; see systemd.exec(5) for what each line allows.",
        after=after,
        command=_quoted(command),
        more="\n".join(more),
        target="multi-user.target" if root else "default.target",
    ).replace("\n\nNoNewPrivileges", "\nNoNewPrivileges")


def _command() -> str:
    return str(Path(sys.argv[0]).absolute())


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def _quoted(text: str) -> str:
    """Return one word of a unit: `%` and `$` would be replaced, a space would end it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    escaped = escaped.replace("$", "$$")
    return escaped if escaped == text and " " not in text else f'"{escaped}"'
