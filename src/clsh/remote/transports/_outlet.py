"""From the callbacks of a connection to a Sink that may be full: pausing what delivers."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clsh.remote.transport import Sink, Stream


class Outlet:
    """Writes to `sink` in order; calls `flow(False)` when it is full and `flow(True)` after.

    What comes in spite of a pause is held. `settled` is called when nothing is held any
    more and when the sink has failed; then `error` is set, and nothing more is written.
    """

    def __init__(
        self, sink: Sink, flow: Callable[[bool], None], settled: Callable[[], None]
    ) -> None:
        self._sink = sink
        self._flow = flow
        self._settled = settled
        self._full: asyncio.Future[None] | None = None
        self._held: deque[tuple[Stream, bytes]] = deque()
        self.error: BaseException | None = None

    @property
    def empty(self) -> bool:
        """Whether the sink has taken all."""
        return self._full is None

    def put(self, stream: Stream, data: bytes) -> None:
        """Write `data`, or hold it while the sink is full."""
        if self._full is not None:
            self._held.append((stream, data))
        elif self.error is None:
            self._write(stream, data)

    def fail(self, error: BaseException) -> None:
        """Write nothing more, because of `error`."""
        self.error = self.error or error
        self._held.clear()
        if self._full is not None:
            self._full.cancel()
        self._settled()

    def _write(self, stream: Stream, data: bytes) -> None:
        try:
            room = self._sink.write(stream, data)
        except Exception as error:  # noqa: BLE001 - Session.run raises it
            self.fail(error)
            return
        if room is not None:
            # What is cancelled is never the sink's own future: others may wait for it too.
            waiting = room if asyncio.iscoroutine(room) else _wait(room)
            self._full = asyncio.ensure_future(waiting)
            self._full.add_done_callback(self._has_room)
            self._flow(False)

    def _has_room(self, full: asyncio.Future[None]) -> None:
        self._full = None
        error = asyncio.CancelledError() if full.cancelled() else full.exception()
        if error is not None:
            self.fail(error)
            return
        while self._held and self._full is None and self.error is None:
            self._write(*self._held.popleft())
        if self._full is None and self.error is None:
            self._flow(True)
            self._settled()


async def _wait(room: Awaitable[None]) -> None:
    await asyncio.shield(asyncio.ensure_future(room))
