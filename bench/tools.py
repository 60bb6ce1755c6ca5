"""The tools that are measured: the argv with which each runs a command on hosts.

All have the same window (64), key, known hosts and key exchange.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.server import Server

WINDOW = "64"
_BIN = Path(sys.executable).parent
_PSSH = "parallel-ssh"  # Debian's name for it


class Tools:
    """Makes the jobs; `names` are the tools to measure, clsh first.

    `only` are those that were asked for, none when nobody did.
    """

    def __init__(self, server: Server, only: Sequence[str] = ()) -> None:
        self.server = server
        self.only = only
        self._makers: dict[str, Callable[[Path, Path | None, str], Job]] = {
            "clsh": self._clsh,
            "clush": self._clush,
            "pdsh": self._pdsh,
            "pssh": self._pssh,
            "ssh": self._ssh,
        }
        self.names = list(only or self._makers)

    def host_file(self, hosts: Sequence[str]) -> Path:
        """Write `hosts` into a file, one a line."""
        path = self.server.root / f"hosts.{len(hosts)}"
        path.write_text("".join(f"{host}\n" for host in hosts))
        return path

    def job(self, name: str, hosts: Path, command: str, out: Path | None = None) -> Job:
        """Return what runs `command` on `hosts`; output to files below `out`, or to nowhere."""
        return self._makers[name](hosts, out, command)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of every tool: nothing of the user's but the PATH."""
        home = {"HOME": str(self.server.root / "home"), "LC_ALL": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], **home, **more}

    def _clsh(self, hosts: Path, out: Path | None, command: str) -> Job:
        options = ["--out", f"{out}/"] if out else []
        argv: list[str | Path] = [
            _BIN / "clsh",
            "--hostfile",
            hosts,
            "-f",
            WINDOW,
            "-n",
            *options,
            command,
        ]
        return Job(argv, self.environment(CLSH_CONFIG=str(self.server.root / "clsh.toml")))

    def _clush(self, hosts: Path, out: Path | None, command: str) -> Job:
        options = ["-o", f"-F {self.server.config}"] + (["--outdir", str(out)] if out else [])
        argv: list[str | Path] = [
            _BIN / "clush",
            "-f",
            WINDOW,
            "-n",
            "--hostfile",
            hosts,
            *options,
            command,
        ]
        return Job(argv, self.environment())

    def _pdsh(self, hosts: Path, out: Path | None, command: str) -> Job:
        env = self.environment(PDSH_SSH_ARGS_APPEND=f"-F {self.server.config}")
        argv = ["pdsh", "-R", "ssh", "-f", WINDOW, "-w", f"^{hosts}", command]
        # pdsh has no files for each host: all its output goes into one.
        return Job(argv, env, out / "all" if out else Path(os.devnull))

    def _pssh(self, hosts: Path, out: Path | None, command: str) -> Job:
        options = ["-x", f"-F {self.server.config}"] + (["-o", str(out)] if out else [])
        argv: list[str | Path] = [_PSSH, "-h", hosts, "-p", WINDOW, "-t", "0", *options, command]
        return Job(argv, self.environment())

    def _ssh(self, hosts: Path, out: Path | None, command: str) -> Job:
        """Plain ssh, 64 side by side, each with its output on a file of its own."""
        target = '"$2/$3"' if out else "/dev/null"
        line = f'exec ssh -n -F "$0" "$3" "$1" >{target}'
        argv: list[str | Path] = ["xargs", "-a", hosts, "-P", WINDOW, "-I{}", "sh", "-c", line]
        argv += [self.server.config, command, out or "-", "{}"]
        return Job(argv, self.environment())
