"""One node: the loop kept on its session, calls to it, and what its runners push."""

from __future__ import annotations

import asyncio
import contextlib
from importlib import resources
from typing import TYPE_CHECKING

from clsh.base.errors import NodeError, UnreachableError
from clsh.jobs.engines._remote import answers
from clsh.jobs.engines._remote.starting import Starting
from clsh.remote.quoting import in_sh, sh_words
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from clsh.base.places import Places
    from clsh.jobs.engines._remote.answers import Answer, Hello
    from clsh.nodes.model import Node
    from clsh.remote.transport import Exit, Session, Stream, Transport

_OPEN_S = 8.0
_READY_S = 15.0
_LEAVE_S = 1.0
_MOST_BYTES = 1 << 16
SHELL = "/bin/sh"
_TEXTS = "runner.sh", "calls.sh", "loop.sh"
# A session of its own: what ends the command of a connection ends nothing that was started.
_BEGIN = "exec 3<&0; setsid $1 -s <&3 3<&- & exec 3<&- </dev/null; wait"


def _boot(spool: str) -> bytes:
    """Return what the node's shell reads first."""
    folder = resources.files("clsh.jobs.engines._remote")
    texts = [(folder / name).read_text(encoding="utf-8") for name in _TEXTS]
    return f"spool={sh_words([spool])} sh={sh_words([SHELL])}\n{''.join(texts)}".encode()


class Loop:
    """A loop that runs on a session; `push` gets what no call asked for. A Sink."""

    def __init__(self, session: Session, push: Callable[[Answer], None]) -> None:
        self.session = session
        self.has: Hello | None = None
        self._push = push
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked: dict[int, Callable[[Answer | NodeError], None]] = {}
        self._number = 0
        self._held = b""
        self._fault = ""
        self.starting = Starting(self.number(self._heard), self.send)
        self.running = asyncio.create_task(
            session.run(Command(in_sh(_BEGIN, SHELL)), self, self._feed())
        )
        self.running.add_done_callback(self._ended)

    async def ready(self, boot: bytes) -> None:
        """Send the script and wait until it runs; raises NodeError when it does not."""
        self._queue.put_nowait(boot)
        try:
            async with asyncio.timeout(_READY_S):
                await self._ready
        except TimeoutError:
            raise NodeError(self._name, f"its shell is not ready after {_READY_S:g} s") from None

    def number(self, took: Callable[[Answer | NodeError], None]) -> int:
        """Return the number of a call whose answers, or whose failure, go to `took`."""
        self._number += 1
        self._asked[self._number] = took
        return self._number

    def done(self, number: int) -> None:
        """Forget a call."""
        self._asked.pop(number, None)

    def send(self, data: bytes) -> None:
        """Send lines; those of one moment go together."""
        self._queue.put_nowait(data)

    def write(self, stream: Stream, data: bytes) -> None:
        """Take what the node wrote; see Sink."""
        if stream == "stderr":
            self._fault = self._fault or data[:200].decode(errors="replace").strip()
            return
        *lines, self._held = (self._held + data).split(b"\n")
        if len(self._held) > _MOST_BYTES:
            raise NodeError(self._name, "its answer is too long")
        for line in lines:
            if (said := answers.answer(line)) is not None:
                self._take(said)
            elif line.startswith(b"clsh fault "):
                self._fault = line[11:].decode(errors="replace")

    async def aclose(self) -> None:
        """End the loop; what it started goes on. Never raises."""
        self._queue.put_nowait(None)
        if not self.running.done():
            await asyncio.wait([self.running], timeout=_LEAVE_S)
        if self.running.cancel():
            await asyncio.wait([self.running])
        await self.session.aclose()

    @property
    def _name(self) -> str:
        return self.session.node.name

    async def _feed(self) -> AsyncIterator[bytes]:
        while (data := await self._queue.get()) is not None:
            yield self._together(data)

    def _together(self, data: bytes) -> bytes:
        parts = [data]
        while not self._queue.empty():
            more = self._queue.get_nowait()
            if more is None:
                self._queue.put_nowait(None)
                break
            parts.append(more)
        return b"".join(parts)

    def _take(self, said: Answer) -> None:
        if said.said == "hello":
            self.has = answers.hello(said.words)
            if not self._ready.done():
                self._ready.set_result(None)
        elif said.number is None:
            self.starting.heard(said)
            self._push(said)
        elif (took := self._asked.get(said.number)) is not None:
            took(said)

    def _heard(self, said: Answer | NodeError) -> None:
        self.starting.heard(said)

    def _ended(self, running: asyncio.Task[Exit]) -> None:
        error: NodeError
        if running.cancelled():
            error = NodeError(self._name, "it is not used any more")
        elif isinstance(found := running.exception(), NodeError):
            error = found
        else:
            why = self._fault or (str(found) if found else "its shell ended")
            error = NodeError(self._name, why, hint="a node needs sshd, /proc and a POSIX sh")
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # told to who waits, if anybody does
        for took in list(self._asked.values()):
            took(error)
        self._asked.clear()


class Link:
    """The way to one node; opens it when it is needed."""

    def __init__(
        self,
        node: Node,
        transport: Transport,
        spool: str,
        push: Callable[[Answer], None],
        opening: Places,
    ) -> None:
        self.node = node
        self.spool = spool
        self._transport = transport
        self._push = push
        self._loop: Loop | None = None
        self.ended = asyncio.Event()
        self._places = opening
        self._opening = asyncio.Lock()

    @property
    def has(self) -> Hello | None:
        """What the node has, None while it cannot be used."""
        return self._loop.has if self._loop and not self._loop.running.done() else None

    async def open(self) -> Loop:
        """Return the loop that runs there; raises NodeError."""
        try:
            async with asyncio.timeout(_OPEN_S + _READY_S):
                await self._opening.acquire()
        except TimeoutError:
            raise UnreachableError(self.node.name, "timed out") from None
        try:
            if self._loop is not None and not self._loop.running.done():
                return self._loop
            async with self._places.one():
                self._loop = await self._begin()
            return self._loop
        finally:
            self._opening.release()

    async def _begin(self) -> Loop:
        session = await self._transport.open(self.node, _OPEN_S)
        loop = Loop(session, self._push)
        try:
            await loop.ready(await asyncio.to_thread(_boot, self.spool))
        except BaseException:
            await loop.aclose()
            raise
        return loop

    async def call(self, words: Sequence[str], ids: Sequence[str], within_s: float) -> list[Answer]:
        """Call a function of the loop about `ids`; returns an answer for each, in order."""
        loop = await self.open()
        wanted, got = set(ids), dict[str, "Answer"]()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def took(said: Answer | NodeError) -> None:
            if isinstance(said, NodeError):
                if not done.done():
                    done.set_exception(said)
            elif said.id in wanted:
                got[said.id] = said
                if len(got) == len(wanted) and not done.done():
                    done.set_result(None)

        number = loop.number(took)
        try:
            loop.send((sh_words([words[0], str(number), *words[1:]]) + "\n").encode())
            async with asyncio.timeout(within_s):
                await done
        except TimeoutError:
            raise NodeError(self.node.name, f"no answer within {within_s:g} s") from None
        finally:
            loop.done(number)
        return [got[one] for one in ids]

    async def aclose(self) -> None:
        """Close the loop; never raises."""
        if self._loop is not None:
            with contextlib.suppress(NodeError):
                await self._loop.aclose()
            self._loop = None
