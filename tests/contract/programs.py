"""The command lines of the transport contract, each with its twin for nodes in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsh.remote.transport import SignalName
    from clsh.remote.transports.memory import Call

BOTH = r"printf 'a\377\0b'; printf 'c\1' >&2"
CAT = "cat"
CAT_TO_STDERR = "cat >&2"
BIG = "head -c 5000000 /dev/zero; printf end >&2"
FIRST_LINE = "head -n 1"
TRUE = "true"
TERMINAL = "tty >/dev/null && stty size; echo oops >&2"
KILLED = "kill -TERM $$"
CATCHES_INT = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM INT HUP; sleep {n} & echo ready; sleep {n}; sleep {n}; wait"
DETACHING = "setsid sleep {n} >/dev/null 2>&1 </dev/null & echo ready; sleep {n}1"
ENDLESS = "while :; do head -c 65536 /dev/zero; echo x >>/tmp/clsh-contract-{n}; done"
COUNT = "wc -l </tmp/clsh-contract-{n}"
REMOVE = "rm -f /tmp/clsh-contract-{n}"
SLOW_ECHO = "sleep 0.3; echo {n}"
EXIT = "exit {n}"
TALK = "while :; do echo line; sleep 0.05; done"


class Twins:
    """The Program of a node in memory that does what these lines do; `lives` as processes do."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.lives: set[str] = set()

    async def __call__(self, call: Call) -> int:
        line = call.command.line
        if call.command.tty:
            await call.write("stdout", b"%d %d\r\n" % (call.command.rows, call.command.columns))
            await call.write("stdout", b"oops\r\n")
            return 0
        word, _, last = line.partition(" ")
        match word:
            case "printf":
                await call.write("stdout", b"a\xff\0b")
                await call.write("stderr", b"c\1")
            case "cat":
                async for data in call.stdin:
                    await call.write("stderr" if ">&2" in line else "stdout", data)
            case "head":
                return await self._head(call)
            case "exit":
                return int(last)
            case "kill":
                return 143
            case "wc":
                await call.write("stdout", b"%d\n" % self.counts[_number(line)])
            case "trap" | "setsid" | "while" | "sleep":
                return await self._long(call, line)
            case _:
                pass
        return 0

    async def _head(self, call: Call) -> int:
        if call.command.line == BIG:
            await call.write("stdout", bytes(5_000_000))
            await call.write("stderr", b"end")
            return 0
        async for data in call.stdin:
            await call.write("stdout", data.partition(b"\n")[0] + b"\n")
            break
        return 0

    async def _long(self, call: Call, line: str) -> int:
        if line == CATCHES_INT:
            caught = asyncio.Event()

            def catch(name: SignalName) -> None:
                if name == "INT":
                    caught.set()

            call.catch = catch
            await call.write("stdout", b"ready\n")
            await caught.wait()
            await call.write("stdout", b"caught\n")
            return 7
        if line.startswith("sleep"):
            await asyncio.sleep(0.3)
            await call.write("stdout", line.rpartition(" ")[2].encode() + b"\n")
            return 0
        return await self._forever(call, line)

    async def _forever(self, call: Call, line: str) -> int:
        number = _number(line)
        if line.startswith("trap"):
            call.catch = lambda _: None
        self.lives.add(number)
        if line.startswith("setsid"):
            self.lives.add(number + "1")
        try:
            if line.startswith(("trap", "setsid")):
                await call.write("stdout", b"ready\n")
                async for _ in call.stdin:
                    pass
                await asyncio.Event().wait()
            while True:
                if line == TALK:
                    await call.write("stdout", b"line\n")
                    await asyncio.sleep(0.05)
                else:
                    self.counts[number] = self.counts.get(number, 0) + 1
                    await call.write("stdout", bytes(65536))
                    await asyncio.sleep(0)
        finally:
            if line.startswith("setsid"):
                self.lives.discard(number + "1")
            else:
                self.lives.discard(number)


def _number(line: str) -> str:
    words = line.replace(";", " ").replace("-", " ").split()
    return next((word for word in words if word.isdigit() and len(word) > 5), "")
