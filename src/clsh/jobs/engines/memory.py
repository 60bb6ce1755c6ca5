"""An engine without nodes: tasks live in memory, and can be told to fail in every way.

`sleep 2` runs for two seconds, `exit 3` ends with status 3, `sleep 2 exit 3` does both, and
any other command ends at once with status 0. It stands in for nodes in tests: it outlives the
manager that uses it, and counts how often each attempt was really started.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clsh.base.clock import SystemClock
from clsh.base.errors import NodeLostError, UnreachableError
from clsh.jobs.engine import Report
from clsh.jobs.model import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clsh.base.clock import Clock
    from clsh.jobs.engine import Engine, EngineContext, Launch, Phase, Stream
    from clsh.jobs.model import Kind, Request

_SLOTS = 4
_MEMORY = 8 << 30


def build(context: EngineContext) -> Engine:
    """Make an engine with the nodes of the context."""
    return MemoryEngine(context.clock, [str(node.name) for node in context.nodes])


@dataclass(slots=True)
class _Attempt:
    """What a node knows of an attempt that was claimed."""

    launch: Launch
    phase: Phase = "running"
    at: float = 0.0
    begun: float = 0.0
    status: int | None = None
    signal: str = ""
    reason: str = ""
    timer: asyncio.TimerHandle | None = None
    output: dict[Stream, bytes] = field(default_factory=dict["Stream", bytes])


class MemoryEngine:
    """See `clsh.jobs.engine.Engine`.

    Nodes in `away` cannot be asked, those in `stalled` do not answer; `unheard` is how many of
    the next starts lose their acknowledgement, `refuse` why starts are refused. `delay_s` is
    the time between the claim of an attempt and the acknowledgement. Without `claims` a node
    knows an attempt only from then on, so that a second start of it runs it twice. `started`
    counts what was really started, by attempt. `deaf` loses what `run` would tell; `grumbles`
    are complaints by kind of job.
    """

    chooses = False

    def __init__(self, clock: Clock | None = None, nodes: Sequence[str] = ()) -> None:
        self.clock: Clock = clock or SystemClock()
        self.nodes: dict[str, Slots] = {
            name: Slots(name, _SLOTS, _MEMORY) for name in nodes or ("node1", "node2")
        }
        self.away: set[str] = set()
        self.stalled: set[str] = set()
        self.started: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()
        self.unheard = 0
        self.refuse = ""
        self.delay_s = 0.0
        self.claims = True
        self.deaf = False
        self.grumbles: dict[Kind, tuple[str, ...]] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._tell: Callable[[Report], None] | None = None

    async def run(self, tell: Callable[[Report], None]) -> None:
        """See Engine.run."""
        self._tell = tell
        try:
            await asyncio.Event().wait()
        finally:
            if self._tell == tell:
                self._tell = None

    def slots(self) -> Sequence[Slots]:
        """See Engine.slots."""
        return [has for name, has in self.nodes.items() if name not in self.away]

    def complaints(self, request: Request) -> Sequence[str]:
        """See Engine.complaints."""
        return self.grumbles.get(request.kind, ())

    async def start(self, launch: Launch) -> Report:
        """See Engine.start."""
        await self._reach(launch)
        known = self._attempts.get(launch.id)
        if known is not None and self.claims:
            return self._report(launch.id)
        if self.refuse:
            attempt = _Attempt(launch, "refused", self.clock.unix(), reason=self.refuse)
            self._attempts[launch.id] = attempt
            return self._report(launch.id)
        if self.claims:
            self._attempts[launch.id] = self._new(launch)
        self.started[launch.id] += 1
        self._go(launch)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.unheard > 0:
            self.unheard -= 1
            raise NodeLostError(_node(launch), "the acknowledgement was lost")
        await self._reach(launch)
        return self._report(launch.id)

    async def ask(self, launches: Sequence[Launch]) -> Sequence[Report]:
        """See Engine.ask."""
        for launch in launches:
            if _node(launch) in self.stalled:
                await asyncio.Event().wait()
        return [
            Report(one.id, "unknown", self.clock.unix(), reason="the node is away")
            if _node(one) in self.away
            else self._report(one.id)
            for one in launches
        ]

    async def cancel(self, launch: Launch) -> None:
        """See Engine.cancel."""
        await self._reach(launch)
        self.cancelled[launch.id] += 1
        attempt = self._attempts.setdefault(launch.id, self._new(launch))
        if attempt.phase == "running":
            self.end(launch.id, signal="TERM")

    async def read(self, launch: Launch, stream: Stream, offset: int, limit: int) -> bytes:
        """See Engine.read."""
        await self._reach(launch)
        attempt = self._attempts.get(launch.id)
        text = attempt.output.get(stream, b"") if attempt else b""
        at = max(0, len(text) + offset) if offset < 0 else offset
        return text[at : at + limit]

    async def forget(self, launches: Sequence[Launch]) -> None:
        """See Engine.forget."""
        for launch in launches:
            attempt = self._attempts.get(launch.id)
            is_over = attempt is not None and attempt.phase != "running"
            if is_over and _node(launch) not in self.away:
                del self._attempts[launch.id]
        for launch in launches:
            await self._reach(launch)

    def write(self, attempt: str, stream: Stream, data: bytes) -> None:
        """Let a task write."""
        output = self._attempts[attempt].output
        output[stream] = output.get(stream, b"") + data

    def running(self) -> list[str]:
        """Return the attempts that run."""
        return [name for name, one in self._attempts.items() if one.phase == "running"]

    def end(
        self, attempt: str, status: int | None = None, signal: str = "", reason: str = ""
    ) -> None:
        """End a task with a status or a signal."""
        self._finish(attempt, "ended", status, signal, reason)

    def lose(self, attempt: str) -> None:
        """Let a task vanish without a status."""
        self._finish(attempt, "lost")

    def wipe(self, node: str) -> None:
        """Let a node lose everything: it knows no attempt any more."""
        for name in [name for name, one in self._attempts.items() if _node(one.launch) == node]:
            if (timer := self._attempts.pop(name).timer) is not None:
                timer.cancel()

    def fall(self, node: str) -> None:
        """Let a node be away; what runs there goes on."""
        self.away.add(node)
        for name in self.running():
            if _node(self._attempts[name].launch) == node:
                self._say(Report(name, "unknown", self.clock.unix(), reason="the node is away"))

    def come_back(self, node: str) -> None:
        """Let a node be there again, with all that happened meanwhile."""
        self.away.discard(node)
        self.stalled.discard(node)

    def _go(self, launch: Launch) -> None:
        words = launch.request.argv
        seconds = _after(words, "sleep")
        status = int(_after(words, "exit"))
        if not self.claims:
            seconds += self.delay_s
        loop = asyncio.get_running_loop()
        if not self.claims and self.delay_s:
            loop.call_later(self.delay_s, self._know, launch)
        else:
            self._know(launch)
        timer = loop.call_later(seconds, self._finish, launch.id, "ended", status)
        if launch.id in self._attempts:
            self._attempts[launch.id].timer = timer

    def _know(self, launch: Launch) -> None:
        self._attempts.setdefault(launch.id, self._new(launch))

    def _finish(
        self,
        name: str,
        phase: Phase,
        status: int | None = None,
        signal: str = "",
        reason: str = "",
    ) -> None:
        attempt = self._attempts.get(name)
        if attempt is None or attempt.phase != "running":
            return
        if attempt.timer is not None:
            attempt.timer.cancel()
        attempt.phase = phase
        attempt.at = self.clock.unix()
        attempt.status, attempt.signal, attempt.reason = status, signal, reason
        if _node(attempt.launch) not in self.away:
            self._say(self._report(name))

    def _say(self, report: Report) -> None:
        if self._tell is not None and not self.deaf:
            self._tell(report)

    def _report(self, name: str) -> Report:
        attempt = self._attempts.get(name)
        if attempt is None:
            return Report(name, "absent", self.clock.unix())
        ran_s = self.clock.steady() - attempt.begun if attempt.phase == "running" else 0.0
        return Report(
            name, attempt.phase, attempt.at, attempt.status, attempt.signal, attempt.reason,
            ran_s=ran_s,
        )  # fmt: skip

    def _new(self, launch: Launch) -> _Attempt:
        return _Attempt(launch, at=self.clock.unix(), begun=self.clock.steady())

    async def _reach(self, launch: Launch) -> None:
        node = _node(launch)
        if node in self.stalled:
            await asyncio.Event().wait()
        if node in self.away:
            raise UnreachableError(node, "the node is away")


def _node(launch: Launch) -> str:
    return launch.places[0].node if launch.places else ""


def _after(words: Sequence[str], name: str) -> float:
    """Return the number that follows a word, 0 when there is none."""
    at = words.index(name) + 1 if name in words else len(words)
    return float(words[at]) if at < len(words) else 0.0
