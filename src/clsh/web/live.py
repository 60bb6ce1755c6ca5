"""Live updates over a WebSocket: a viewer says what it looks at and hears what changes.

Nothing is queued for anybody: each viewer gets what is newest when it can take it, and one
that cannot take a message for a while is dropped, so that it costs the others nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocketDisconnect

from clsh.web import topics
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from starlette.websockets import WebSocket

    from clsh.monitor.service import Monitor
    from clsh.web.topics import Topic, Wish

_log = logging.getLogger(__name__)

_WISHES, _WISHES_WITHIN_S = 30, 10.0
_PARTING_S = 1.0
_LONGEST_REASON = 120  # a close frame holds 123 bytes
_POLICY, _TRY_LATER = 1008, 1013
_NOTHING = -1


@dataclass(slots=True)
class _Watched:
    """A topic with those who watch it."""

    topic: Topic
    beat: int = -1
    viewers: int = 0
    hurry: ExitStack = field(default_factory=ExitStack)


class _Parted(Exception):  # noqa: N818 - not an error: how a viewer's time ends
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Live:
    """All viewers. `pace_s` is between messages, `slow_s` is how long one may take to send."""

    def __init__(
        self, monitor: Monitor, *, pace_s: float = 1.0, slow_s: float = 5.0, most: int = 500
    ) -> None:
        self._monitor = monitor
        self._pace_s = pace_s
        self._slow_s = slow_s
        self._most = most
        self._watched: dict[Wish, _Watched] = {}
        self._beating: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._version = self._beat = 0
        self.viewers = 0

    async def __call__(self, websocket: WebSocket) -> None:
        """Serve one viewer until it leaves or must leave."""
        await websocket.accept()
        self.viewers += 1
        self._beating = self._beating or asyncio.create_task(self._beats())
        try:
            self._check_room()
            await self._serve(websocket, self._beating)
        except _Parted as parted:
            await _part(websocket, parted)
        finally:
            self.viewers -= 1
            if not self.viewers:
                await _end(self._beating)
                self._beating = None

    def _check_room(self) -> None:
        if self.viewers > self._most:
            raise _Parted(_TRY_LATER, f"there are {self._most} viewers already")

    async def _beats(self) -> None:
        """Let viewers look at what changed, at most once in `pace_s`."""
        while True:
            self._version = await self._monitor.wait(self._version)
            self._beat += 1
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
            await asyncio.sleep(self._pace_s)

    async def _serve(self, websocket: WebSocket, beating: asyncio.Task[None]) -> None:
        """Follow the viewer's wishes; raises _Parted when it must leave."""
        recent: deque[float] = deque(maxlen=_WISHES)
        feeding: asyncio.Task[None] | None = None
        asking = asyncio.create_task(_wish(websocket))
        try:
            while True:
                running: set[asyncio.Task[Any]] = {asking, beating}
                running |= {feeding} if feeding else set()
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {asking}:
                    task.result()  # neither ends by itself but with an exception
                told = asking.result()
                if told is None:
                    return
                self._check_rate(recent)
                await _end(feeding)
                feeding = asyncio.create_task(self._feed(websocket, *told))
                asking = asyncio.create_task(_wish(websocket))
        finally:
            await _end(asking)
            await _end(feeding)

    def _check_rate(self, recent: deque[float]) -> None:
        now = self._monitor.clock.steady()
        if len(recent) == _WISHES and now - recent[0] < _WISHES_WITHIN_S:
            raise _Parted(_POLICY, "too many messages")
        recent.append(now)

    async def _feed(self, websocket: WebSocket, wanted: Wish, seen: int) -> None:
        """Send what is new whenever something is."""
        if not 0 < seen <= self._monitor.grid.version:  # that of another manager, or none
            seen = _NOTHING
        with self._watching(wanted) as newest:
            while True:
                topic = newest()
                if topic.version > seen:
                    text = topic.message(seen)
                    seen = topic.version
                    await self._send(websocket, text)
                else:
                    await self._changed.wait()

    async def _send(self, websocket: WebSocket, text: str) -> None:
        try:
            async with asyncio.timeout(self._slow_s):
                await websocket.send_text(text)
        except TimeoutError:
            _log.info("a viewer took no message for %g s and is dropped", self._slow_s)
            raise _Parted(_TRY_LATER, f"no message was taken for {self._slow_s:g} s") from None
        except (WebSocketDisconnect, RuntimeError) as error:  # RuntimeError: it is closing already
            raise _Parted(_POLICY, "gone") from error

    @contextmanager
    def _watching(self, wanted: Wish) -> Generator[Callable[[], Topic]]:
        """Hold a topic, shared with all who watch the same; raises _Parted when there is none."""
        held = self._watched.get(wanted)
        if held is None:
            try:
                held = _Watched(topics.topic(self._monitor, wanted))
            except RefusedError as error:
                raise _Parted(_POLICY, f"{error}; {error.hint}") from error
            if nodes := held.topic.nodes():
                held.hurry.enter_context(self._monitor.hurry(nodes))
            self._watched[wanted] = held
        held.viewers += 1

        def newest() -> Topic:
            if held.beat != self._beat:
                held.beat = self._beat
                held.topic.refresh()
            return held.topic

        try:
            yield newest
        finally:
            held.viewers -= 1
            if not held.viewers:
                del self._watched[wanted]
                held.hurry.close()


async def _wish(websocket: WebSocket) -> tuple[Wish, int] | None:
    """Return the viewer's next wish, None when it has left; raises _Parted."""
    try:
        return topics.wish(json.loads(await websocket.receive_text()))
    except WebSocketDisconnect:
        return None
    except (ValueError, KeyError, RecursionError) as error:  # KeyError: bytes instead of text
        raise _Parted(_POLICY, "a message must be JSON text") from error
    except RefusedError as error:
        raise _Parted(_POLICY, str(error)) from error


async def _end(task: asyncio.Task[Any] | None) -> None:
    if task:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # whoever waited for it has seen it


async def _part(websocket: WebSocket, parted: _Parted) -> None:
    """Close with a reason; a viewer that does not even take that is broken off."""
    reason = str(parted).encode()[:_LONGEST_REASON].decode(errors="ignore")
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(_PARTING_S):
            await websocket.close(parted.code, reason)
    if abort := websocket.scope.get("state", {}).get("abort"):
        asyncio.get_running_loop().call_later(_PARTING_S, abort)
