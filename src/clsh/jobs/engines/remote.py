"""Runs attempts on nodes that have only sshd and a POSIX sh, each at most once.

The node decides: an attempt is claimed there by `mkdir`, run by a detached runner, and asked
about by its files. How, and what each crash leaves, is in docs/design/jobs-on-nodes.md.
Refuses root and users of the system, unless the login is that user.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, ConfigError, NodeError, UnreachableError
from clsh.jobs.engine import Report
from clsh.jobs.engines._remote import answers, command
from clsh.jobs.engines._remote.link import Link
from clsh.jobs.model import Slots
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Never

    from clsh.jobs.engine import Engine, EngineContext, Launch, Stream
    from clsh.jobs.engines._remote.answers import Answer
    from clsh.jobs.model import Request
    from clsh.remote.transport import Stream as Channel

_ANSWER_S = 5.0
_START_S = 20.0
_STARTING_S = 3.0
_AGAIN_S = 0.2
_CHECK_S = 30.0
_FORGET_S = 30.0
_LONGEST_S = 6.0
_MOST_ASKED = 250
_FINAL = frozenset({"ended", "lost", "refused"})

_log = logging.getLogger(__name__)


def build(context: EngineContext) -> Engine:
    """Return the engine; raises ConfigError when there is no way to reach nodes."""
    if context.transport is None:
        raise ConfigError("the engine 'remote' needs nodes that can be reached")
    if context.spool and (not context.spool.startswith("/") or "\n" in context.spool):
        raise ConfigError(f"bad spool directory {context.spool!r}", hint="an absolute path")
    return Remote(context)


class Remote:
    """The nodes of the context, each with a link of its own. An Engine."""

    chooses = False

    def __init__(self, context: EngineContext) -> None:
        self._clock = context.clock
        assert context.transport is not None  # noqa: S101 - `build` looks
        transport = context.transport
        self._hosts = {str(node.name): node.host for node in context.nodes}
        self._links = {
            str(node.name): Link(node, transport, context.spool, self._pushed)
            for node in context.nodes
        }
        self._tell: Callable[[Report], None] | None = None
        self._open: dict[str, Launch] = {}
        self._starting: dict[str, list[asyncio.Future[Answer]]] = {}

    async def run(self, tell: Callable[[Report], None]) -> None:
        """Follow every node; see Engine."""
        self._tell = tell
        try:
            async with asyncio.TaskGroup() as group:
                for link in self._links.values():
                    group.create_task(self._follow(link))
                await asyncio.Event().wait()
        finally:
            self._tell = None
            await self.aclose()

    async def aclose(self) -> None:
        """Close what is kept on the nodes; every attempt goes on. Never raises."""
        await asyncio.gather(*(link.aclose() for link in self._links.values()))

    def slots(self) -> Sequence[Slots]:
        """Return what the nodes that answer have; see Engine."""
        return [
            Slots(name, has.cores, has.memory, has.gpus)
            for name, link in self._links.items()
            if (has := link.has) is not None
        ]

    def complaints(self, request: Request) -> Sequence[str]:
        """See Engine."""
        return command.complaints(request)

    async def start(self, launch: Launch) -> Report:
        """Start an attempt; see Engine."""
        command.check_names(launch)
        if found := self.complaints(launch.request):
            return Report(launch.id, "refused", self._clock.unix(), reason="; ".join(found))
        link = self._link(launch)
        for place in launch.places:
            self._known(place.node)
        loop = await link.open()
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def took(said: Answer | NodeError) -> None:
            if answered.done():
                return
            if isinstance(said, NodeError):
                answered.set_exception(said)
            else:
                answered.set_result(said)

        self._open[launch.id] = launch
        self._starting.setdefault(launch.id, []).append(answered)
        number = loop.number(took)
        try:
            loop.send(command.start_call(number, launch, self._hosts))
            patience_s = _START_S + (command.REACH_S if launch.request.kind == "parallel" else 0)
            async with asyncio.timeout(patience_s):
                said = await answered
        except TimeoutError:
            raise NodeError(link.node.name, f"no answer within {_START_S:g} s") from None
        finally:
            loop.done(number)
            self._forget_waiting(launch.id, answered)
        if said.said == "fault":
            raise NodeError(link.node.name, said.words)
        if said.said == "starting":  # somebody else's start is under way
            (said,) = await self._asked(link, [launch])
        return self._report(said, launch)

    async def ask(self, launches: Sequence[Launch]) -> Sequence[Report]:
        """Ask all nodes side by side; see Engine."""
        found: dict[str, Report] = {}
        calls = (self._ask(*one) for one in _by_node(launches).items())
        answered = await asyncio.gather(*calls)
        for reports in answered:
            found.update((report.id, report) for report in reports)
        return [found[launch.id] for launch in launches]

    async def cancel(self, launch: Launch) -> None:
        """End an attempt, or claim it so that it never begins; see Engine."""
        command.check_names(launch)
        link = self._link(launch)
        self._open[launch.id] = launch
        (said,) = await link.call(["cancel", launch.id], [launch.id], _ANSWER_S)
        if said.said in _FINAL:
            self._pushed(said)

    async def read(self, launch: Launch, stream: Stream, offset: int, limit: int) -> bytes:
        """Read part of an output file as its owner; see Engine."""
        command.check_names(launch)
        link = self._link(launch)
        loop = await link.open()
        has = loop.has
        if has is None:
            raise NodeError(link.node.name, "it did not say where its spool is")
        line = command.read_line(launch, stream, offset, limit, by=has.user, spool=has.spool)
        sink = _Kept(limit)
        ended = await loop.session.run(Command(line), sink)
        if ended.code:
            said = sink.errors.decode(errors="replace").strip()[:300]
            raise NodeError(link.node.name, said or f"the output cannot be read ({ended.code})")
        return bytes(sink.data)

    async def forget(self, launches: Sequence[Launch]) -> None:
        """Delete their directories on all nodes side by side; see Engine."""
        by_node = _by_node(launches)
        calls = (self._forget(*one) for one in by_node.items())
        for result in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _follow(self, link: Link) -> Never:
        """Keep the loop of a node, and ask what became of its attempts, whatever happens."""
        failures = 0
        while True:
            try:
                loop = await link.open()
                failures = 0
                while not loop.running.done():
                    await self._check(link)
                    await asyncio.wait([loop.running], timeout=_CHECK_S)
            except NodeError as error:
                _log.info("%s", error)
            except Exception:  # noqa: BLE001 - a fault met by one node stays with it
                _log.exception("%s: a fault of the engine", link.node.name)
            await asyncio.sleep(min(2.0**failures / 4, _LONGEST_S))
            failures = min(failures + 1, 10)

    async def _check(self, link: Link) -> None:
        name = str(link.node.name)
        mine = [one for one in self._open.values() if one.places[0].node == name]
        for said in await self._asked(link, mine):
            if said.said in _FINAL:
                self._pushed(said)

    async def _ask(self, node: str, launches: Sequence[Launch]) -> list[Report]:
        reason = ""
        try:
            async with asyncio.timeout(_ANSWER_S + len(launches) / 500):
                said = await self._asked(self._known(node), launches)
        except TimeoutError:
            reason = f"{node} does not answer"
        except ClshError as error:
            reason = str(error)
        else:
            return [self._report(*one) for one in zip(said, launches, strict=True)]
        now = self._clock.unix()
        for launch in launches:
            self._open[launch.id] = launch
        return [Report(launch.id, "unknown", now, reason=reason) for launch in launches]

    async def _forget(self, node: str, launches: Sequence[Launch]) -> None:
        link = self._known(node)
        ids = [launch.id for launch in launches]
        for at in range(0, len(ids), _MOST_ASKED):
            await link.call(["forget", *ids[at : at + _MOST_ASKED]], ["-"], _FORGET_S)

    async def _asked(self, link: Link, launches: Sequence[Launch]) -> list[Answer]:
        """Ask about attempts of one node; what is about to begin is waited for, then ended."""
        found: dict[str, Answer] = {}
        wanted = [launch.id for launch in launches]
        patience = round(_STARTING_S / _AGAIN_S)
        for turn in range(patience + 1):
            verb = "ask" if turn < patience else "bury"
            size = _MOST_ASKED if verb == "ask" else 1
            for at in range(0, len(wanted), size):
                ids = wanted[at : at + size]
                found.update((one.id, one) for one in await link.call([verb, *ids], ids, 10.0))
            wanted = [one for one in wanted if found[one].said == "starting"]
            if not wanted:
                break
            await asyncio.sleep(_AGAIN_S)
        return [found[launch.id] for launch in launches]

    def _report(self, said: Answer, launch: Launch) -> Report:
        if said.said in {"running", "unknown"}:
            self._open[launch.id] = launch
        else:
            self._open.pop(launch.id, None)
        return answers.report(said, launch, self._clock.unix())

    def _pushed(self, said: Answer) -> None:
        """Take what became of an attempt, and tell of its end."""
        waiting = self._starting.get(said.id, [])
        for answered in waiting:
            if not answered.done():
                answered.set_result(said)
        launch = self._open.get(said.id)
        if said.said not in _FINAL or launch is None:
            return
        del self._open[said.id]
        if self._tell is not None and not (waiting and said.said == "refused"):
            self._tell(answers.report(said, launch, self._clock.unix()))

    def _forget_waiting(self, name: str, answered: asyncio.Future[Answer]) -> None:
        waiting = self._starting[name]
        waiting.remove(answered)
        if not waiting:
            del self._starting[name]

    def _link(self, launch: Launch) -> Link:
        return self._known(launch.places[0].node if launch.places else "")

    def _known(self, node: str) -> Link:
        link = self._links.get(node)
        if link is None:
            raise UnreachableError(node, "it is no node of this engine")
        return link


def _by_node(launches: Sequence[Launch]) -> dict[str, list[Launch]]:
    """Group attempts by the node that has them; raises UsageError for a bad name."""
    found: dict[str, list[Launch]] = {}
    for launch in launches:
        command.check_names(launch)
        found.setdefault(launch.places[0].node, []).append(launch)
    return found


class _Kept:
    """Keeps at most `limit` bytes of output. A Sink."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.errors = b""
        self._limit = limit

    def write(self, stream: Channel, data: bytes) -> None:
        """Keep what there is room for."""
        if stream == "stderr":
            self.errors = (self.errors + data)[:2000]
        else:
            self.data += data[: self._limit - len(self.data)]
