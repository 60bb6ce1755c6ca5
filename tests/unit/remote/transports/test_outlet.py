"""The outlet between callbacks and a sink."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.remote.transports._outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from clsh.remote.transport import Stream


class Slow:
    """Has room again when `room` is set; fails when `error` is."""

    def __init__(self) -> None:
        self.data = b""
        self.room = asyncio.Event()
        self.error: Exception | None = None

    def write(self, stream: Stream, data: bytes) -> Awaitable[None] | None:
        self.data += data
        return None if self.room.is_set() else self._wait()

    async def _wait(self) -> None:
        await self.room.wait()
        if self.error:
            raise self.error


async def test_what_comes_in_spite_of_a_pause_is_held() -> None:
    sink, flows, settled = Slow(), list[bool](), list[int]()
    outlet = Outlet(sink, flows.append, lambda: settled.append(1))
    for data in (b"a", b"b", b"c"):
        outlet.put("stdout", data)
    assert (sink.data, flows, outlet.empty) == (b"a", [False], False)
    sink.room.set()
    await asyncio.sleep(0.01)
    assert (sink.data, flows, outlet.empty) == (b"abc", [False, True], True)
    assert settled


async def test_a_failing_sink_gets_no_more() -> None:
    sink = Slow()
    sink.error = OSError("full")
    outlet = Outlet(sink, lambda _: None, lambda: None)
    outlet.put("stdout", b"a")
    outlet.put("stdout", b"b")
    sink.room.set()
    await asyncio.sleep(0.01)
    outlet.put("stdout", b"c")
    assert sink.data == b"a"
    assert outlet.error is sink.error


async def test_failing_from_outside_cancels_the_wait() -> None:
    sink = Slow()
    outlet = Outlet(sink, lambda _: None, lambda: None)
    outlet.put("stdout", b"a")
    error = ValueError("stdin")
    outlet.fail(error)
    outlet.fail(OSError("later"))
    await asyncio.sleep(0.01)
    assert outlet.empty
    assert outlet.error is error


async def test_the_future_of_a_sink_is_not_cancelled() -> None:
    room: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Shared:
        def write(self, stream: Stream, data: bytes) -> asyncio.Future[None]:
            return room

    outlet = Outlet(Shared(), lambda _: None, lambda: None)
    outlet.put("stdout", b"a")
    await asyncio.sleep(0)
    outlet.fail(OSError("no"))
    await asyncio.sleep(0.01)
    assert not room.cancelled()
    outlet = Outlet(Shared(), lambda _: None, lambda: None)
    outlet.put("stdout", b"a")
    room.cancel()
    await asyncio.sleep(0.01)
    assert isinstance(outlet.error, asyncio.CancelledError)


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
async def test_an_error_at_once(kind: type[Exception]) -> None:
    class Broken:
        def write(self, stream: Stream, data: bytes) -> None:
            raise kind("no")

    settled: list[int] = []
    outlet = Outlet(Broken(), lambda _: None, lambda: settled.append(1))
    outlet.put("stderr", b"a")
    assert isinstance(outlet.error, kind)
    assert settled == [1]
