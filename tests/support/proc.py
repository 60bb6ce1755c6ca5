"""A node in a folder: its /proc, its df and nvidia-smi, and the shells that run our script.

And one that is only played, for `transports.memory`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.monitor.proc.script import script

if TYPE_CHECKING:
    from typing import Self

    from clsh.remote.transports.memory import Call

DATA = Path(__file__).parents[1] / "data/proc"
SHELLS = [name for name in ("dash", "bash", "zsh", "mksh", "ksh93") if shutil.which(name)]
if shutil.which("busybox"):
    SHELLS.append("ash")
DF = """Filesystem 1024-blocks Used Available Capacity Mounted on
/dev/mapper/vg-root 1000000 400000 550000 43% /
tank/home 3000000 100000 2900000 4% /tank/home
/dev/sda1 2000000 1800000 100000 95% /srv/big data
"""


class FakeNode:
    """Files for the script; `tool` puts a program of the node first in its PATH."""

    def __init__(self, folder: Path, kind: str = "server") -> None:
        self.folder = folder
        self.proc = folder / "proc"
        self.drop = folder / "it's dropped"
        shutil.copytree(DATA / kind, self.proc)
        (folder / "bin").mkdir()
        self.tool("uname", 'echo "Linux 6.1.0-18-amd64 x86_64"')
        self.tool("df", f'printf "%s\\n" "$@" >"{folder}/asked"\ncat <<\\END\n{DF}END')

    def tool(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def asked(self) -> list[str]:
        """The words that df was called with."""
        return (self.folder / "asked").read_text().splitlines()

    def script(self) -> bytes:
        return script(str(self.drop)).replace(b"/proc/", f"{self.proc}/".encode())

    def start(self, shell: str = "dash") -> Running:
        return Running(self, shell)


class Running:
    """The script in a shell; an answer is all lines up to and with its last one."""

    def __init__(self, node: FakeNode, shell: str) -> None:
        argv = ["busybox", "ash"] if shell == "ash" else [shell]
        argv += ["--emulate", "sh"] if shell == "zsh" else []
        path = f"{node.folder}/bin:{os.environ['PATH']}"
        self.process = subprocess.Popen(
            [*argv, "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": path},
            start_new_session=True,
        )
        self._send(node.script())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.stdout.close()
        self.process.wait(10)

    def _send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def until(self, *ends: bytes) -> list[bytes]:
        """Return lines until each of `ends` has come."""
        assert self.process.stdout is not None
        lines: list[bytes] = []
        missing = set(ends)
        while missing:
            line = self.process.stdout.readline()
            assert line, f"ended before {missing}: {lines}"
            lines.append(line.rstrip(b"\n"))
            missing.discard(lines[-1])
        return lines

    def greeting(self) -> list[bytes]:
        return self.until(b"R")

    def ask(self, what: str = "", *, wait: bool = True) -> list[bytes]:
        """Ask for a sample, and for what `what` names; `wait` for that too."""
        self._send(f"7 {what}\n".encode())
        aside = [f", {one}".encode() for one in what.split()] if wait else []
        return self.until(b". 7", *aside)

    def end(self) -> int:
        """Close the input and return the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10)


class Played:
    """A node for `transports.memory`: answers as the script does, and can be told to fail.

    `hangs` lets it answer nothing, `load` is what it says of its load. `asked` counts the
    requests; each adds a second to its uptime and 1,000 bytes to what it received.
    """

    def __init__(self) -> None:
        self.hangs = False
        self.load = "0.50 0.40 0.30 2/120 999"
        self.asked = 0

    async def __call__(self, call: Call) -> int:
        pieces = aiter(call.stdin)
        assert (await anext(pieces)).startswith(b"{\n")
        await call.write("stdout", b"clsh monitor\nB 1700000000\nP 4\nI Linux 6.1.0 x86_64\nR\n")
        async for request in pieces:
            self.asked += 1
            if self.hangs:
                await asyncio.Event().wait()
            number = request.split()[0].decode()
            aside = "F /dev/sda1 1000 400 600 40% /\n, d\n" if b" d" in request else ""
            answer = (
                f"S cpu  {self.asked} 0 0 {self.asked * 3} 0 0 0 0\nL {self.load}\n"
                f"U {1000 + self.asked}.00\nM MemTotal: 8000\nM MemFree: 2000\n"
                f"N eth0 {self.asked * 1000} 1 1 1\n{aside}. {number}\n"
            )
            await call.write("stdout", answer.encode())
        return 0
