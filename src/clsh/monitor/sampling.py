"""Sample one node over a session: what it is asked, and what its answers mean.

sampler = Sampler(session, drop_dir="/var/lib/clsh/metrics.d")
values = await sampler.sample()     # no rates in the first one
...
await sampler.aclose()
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.errors import NodeError
from clsh.monitor.model import Metric
from clsh.monitor.proc import parse, rates
from clsh.monitor.proc.drop import dropped
from clsh.monitor.proc.gpu import gpus
from clsh.monitor.proc.script import COMMAND, script
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from clsh.monitor.model import Value
    from clsh.monitor.proc.parse import Counts, Facts
    from clsh.remote.transport import Exit, Session, Stream

_BEGIN, _READY = b"clsh monitor", b"R"
_MOST_BYTES = 1 << 18
_MOST_WORDS = 500
_DISKS_S = 60.0
_GPUS_S = 30.0
_STALE = 5
_LEAVE_S = 0.3
PROBLEM = Metric("collector_problem", "string", title="What could not be read here", group="system")


class _Aside:
    """What a node finds out in the background, since it may hang: free disk, GPUs.

    It is asked for again when the last answer has come. An answer that gets too old is
    forgotten.
    """

    def __init__(self, name: str, tool: str, every_s: float) -> None:
        self.name = name
        self.lines: list[bytes] = []
        self._tool = tool
        self._every_s = every_s
        self._asked_at = float("-inf")
        self._pending = False
        self._coming: list[bytes] = []

    def ask(self, now: float) -> str:
        """Return what to add to the request."""
        if self._pending or now < self._asked_at + self._every_s:
            return ""
        self._asked_at, self._pending, self._coming = now, True, []
        return f" {self.name}"

    def take(self, line: bytes) -> None:
        """Take a line of the answer."""
        self._coming.append(line)

    def end(self) -> None:
        """Note that the answer is complete."""
        self._pending, self.lines = False, self._coming

    def trouble(self, now: float) -> str:
        """Return in words that no answer comes, "" if it does, and forget the old one."""
        if not self._pending or now < self._asked_at + self._every_s * _STALE:
            return ""
        self.lines = []
        return f"{self._tool} has not answered for {now - self._asked_at:.0f} s"


class Sampler:
    """Samples of the node of `session`, one at a time; `metrics` describes the custom ones.

    `drop_dir` is where the node keeps files of custom metrics. Nothing runs before the first
    sample. It is a Sink: the session writes to it.
    """

    def __init__(self, session: Session, drop_dir: str = "") -> None:
        self.metrics: Mapping[str, Metric] = {}
        self._session = session
        self._drop_dir = drop_dir
        self._requests: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._running: asyncio.Task[Exit] | None = None
        self._held = b""
        self._noise = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._begun = False
        self._facts: Facts | None = None
        self._before: Counts | None = None
        self._number = 0
        self._answer: asyncio.Future[list[bytes]] | None = None
        self._now = asyncio.get_running_loop().time
        self._disks = _Aside("d", "df", _DISKS_S)
        self._gpus = _Aside("g", "nvidia-smi", _GPUS_S)

    @property
    def running(self) -> asyncio.Task[Exit]:
        """What runs on the node: ends when the node is lost, or can be sampled no more."""
        if self._running is None:
            self._requests.put_nowait(script(self._drop_dir))
            run = self._session.run(Command(COMMAND), self, self._feed())
            self._running = asyncio.create_task(run)
            self._running.add_done_callback(self._ended)
        return self._running

    async def sample(self) -> dict[str, Value]:
        """Ask once and return the values; waits as long as the node takes.

        Rates are over the time since the sample before, the first has none; what `df` and
        `nvidia-smi` tell is at most a minute older. Raises NodeLostError, NodeError when
        the node cannot be sampled at all, and FieldError when this one answer cannot be
        read: the next one may be.
        """
        if self.running.done():
            raise self._why()
        if self._facts is None:
            self._facts = parse.facts(await self._next())
        now = self._now()
        self._number += 1
        aside = self._disks.ask(now) + (self._gpus.ask(now) if self._facts.has_gpu else "")
        self._requests.put_nowait(f"{self._number}{aside}\n".encode())
        return self._values(self._facts, await self._next())

    async def aclose(self) -> None:
        """End the script; idempotent, never raises. The session stays open."""
        if self._running is None:
            return
        self._requests.put_nowait(None)
        if not self._running.done():
            await asyncio.wait([self._running], timeout=_LEAVE_S)
        if self._running.cancel():
            await asyncio.wait([self._running])

    def write(self, stream: Stream, data: bytes) -> None:
        """Take what the node wrote; see Sink. Raises NodeError for more than is right."""
        if stream == "stderr" or not self._begun:
            self._noise = (self._noise + data)[-_MOST_WORDS:]
        if stream == "stderr":
            return
        self._size += len(data)
        if self._size > _MOST_BYTES:
            raise NodeError(self._session.node.name, "its answer is too long")
        *lines, self._held = (self._held + data).split(b"\n")
        for line in lines:
            self._line(line.rstrip(b"\r"))

    async def _feed(self) -> AsyncIterator[bytes]:
        while (request := await self._requests.get()) is not None:
            yield request

    async def _next(self) -> list[bytes]:
        self._answer = asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        finally:
            self._answer = None

    def _line(self, line: bytes) -> None:
        letter, _, rest = line.partition(b" ")
        if line == _BEGIN:
            self._begun = True
            self._lines.clear()
        elif not self._begun:
            pass  # what a start-up file of the login shell prints
        elif letter == b"F":
            self._disks.take(rest)
        elif letter == b"G":
            self._gpus.take(rest)
        elif letter == b",":
            (self._disks if rest == b"d" else self._gpus).end()
        elif line == _READY or letter == b".":
            self._complete(line)
        elif letter == b"Z":
            system = parse.text(rest) or "an unknown system"
            raise NodeError(
                self._session.node.name,
                f"it has no /proc ({system}): only Linux can be heard without an agent",
            )
        else:
            self._lines.append(line)

    def _complete(self, line: bytes) -> None:
        lines, self._lines, self._size = self._lines, [], 0
        wanted = _READY if self._facts is None else b". %d" % self._number
        if line == wanted and self._answer is not None and not self._answer.done():
            self._answer.set_result(lines)

    def _ended(self, running: asyncio.Task[Exit]) -> None:
        if not running.cancelled():
            running.exception()  # it is told by `_why`
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(self._why())

    def _why(self) -> BaseException:
        """Return why there is no answer any more."""
        running = self.running
        name = self._session.node.name
        if running.cancelled():
            return NodeError(name, "it is not sampled any more")
        if error := running.exception():
            return error
        said = parse.text(self._noise.strip().rpartition(b"\n")[2], 200)
        return NodeError(
            name,
            f"its shell ended (exit {running.result().code})" + (f": {said}" if said else ""),
            hint="a node needs a POSIX shell as /bin/sh",
        )

    def _values(self, facts: Facts, lines: list[bytes]) -> dict[str, Value]:
        before, self._before = self._before, None  # no rates over an answer that is bad
        now = parse.counts(lines)
        self._before = now
        values: dict[str, Value] = {}
        custom, self.metrics, problem = dropped(line[2:] for line in lines if line[:2] == b"X ")
        at = self._now()
        problems = [self._disks.trouble(at), self._gpus.trouble(at)]
        graphics, trouble = gpus(self._gpus.lines)
        for found in (custom, facts.values, now.values, graphics):
            values.update(found)
        values.update(parse.file_systems(self._disks.lines))
        if before is not None:
            narrow = rates.wraps(str(facts.values.get("machine_type", "")))
            values.update(rates.rates(before, now, narrow=narrow))
        problems += [trouble, problem]
        if said := "; ".join(filter(None, problems)):
            values[PROBLEM.name] = said
            self.metrics = {**self.metrics, PROBLEM.name: PROBLEM}
        return values
