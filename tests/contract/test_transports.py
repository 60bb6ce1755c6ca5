"""What clsh.remote.transport promises, shown for every transport against a real peer."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeLostError
from clsh.remote.transport import Command, Exit
from tests.contract import programs
from tests.contract.conftest import sleepers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clsh.remote.transport import Session, Stream
    from tests.contract.conftest import Reach

_numbers = itertools.count(random.randrange(10**6, 10**8) * 10)

# What a busy machine may add to the 0.3 s of a cancel.
SLACK_S = 2.0


def number() -> str:
    return str(next(_numbers))


class Kept:
    """A sink that keeps all; `wait` waits until some bytes were seen."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.news = asyncio.Event()

    def write(self, stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            self.out += data
        else:
            self.err += data
        self.news.set()

    async def wait(self, wanted: bytes) -> None:
        async with asyncio.timeout(10):
            while wanted not in self.out:
                self.news.clear()
                await self.news.wait()


class Stuck:
    """A sink that takes one write and has no room for more until `room` is set."""

    def __init__(self) -> None:
        self.taken = 0
        self.room = asyncio.Event()

    def write(self, stream: Stream, data: bytes) -> Awaitable[None]:
        self.taken += len(data)
        return self._wait()

    async def _wait(self) -> None:
        await self.room.wait()


async def feed(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"line\n" * 1000


async def until(check: Callable[[], bool], within_s: float = 3) -> bool:
    ends = time.monotonic() + within_s
    while not check():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(0.02)
    return True


async def run(session: Session, line: str) -> tuple[Exit, Kept]:
    kept = Kept()
    return await session.run(Command(line), kept), kept


async def test_output_is_exact_and_its_streams_apart(reach: Reach) -> None:
    session = await reach.open()
    how, kept = await run(session, programs.BOTH)
    assert (how.code, kept.out, kept.err) == (0, b"a\xff\0b", b"c\1")


async def test_much_output_without_a_last_newline(reach: Reach) -> None:
    session = await reach.open()
    how, kept = await run(session, programs.BIG)
    assert how.code == 0
    assert kept.out == bytes(5_000_000)
    assert kept.err == b"end"


async def test_stdin_is_delivered_to_its_end(reach: Reach) -> None:
    session = await reach.open()
    sent = [random.randbytes(100_000) for _ in range(50)]
    kept = Kept()
    how = await session.run(Command(programs.CAT), kept, feed(*sent))
    assert how.code == 0
    assert kept.out == b"".join(sent)
    kept = Kept()
    await session.run(Command(programs.CAT_TO_STDERR), kept, feed(b"x\x10\x11", b"", b"\0"))
    assert (kept.out, kept.err) == (b"", b"x\x10\x11\0")


async def test_without_stdin_the_input_is_empty(reach: Reach) -> None:
    session = await reach.open()
    async with asyncio.timeout(5):
        how, kept = await run(session, programs.CAT)
    assert (how.code, kept.out) == (0, b"")


@pytest.mark.parametrize("line", [programs.FIRST_LINE, programs.TRUE])
async def test_a_command_may_close_its_input_early(reach: Reach, line: str) -> None:
    session = await reach.open()
    kept = Kept()
    async with asyncio.timeout(5):
        how = await session.run(Command(line), kept, endless())
    assert how.code == 0
    assert kept.out == (b"line\n" if line == programs.FIRST_LINE else b"")
    assert (await run(session, programs.BOTH))[1].err == b"c\1"


async def test_a_command_may_end_while_stdin_says_nothing(reach: Reach) -> None:
    session = await reach.open()

    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async with asyncio.timeout(5):
        how = await session.run(Command(programs.TRUE), Kept(), silent())
    assert how.code == 0


async def test_how_commands_end(reach: Reach) -> None:
    session = await reach.open()
    for status in (0, 1, 255):
        how, _ = await run(session, programs.EXIT.format(n=status))
        assert how == Exit(status=status)
    how, _ = await run(session, programs.KILLED)
    assert how.code == 143


async def test_commands_run_side_by_side(reach: Reach) -> None:
    session = await reach.open()
    done = await asyncio.gather(*(run(session, programs.SLOW_ECHO.format(n=n)) for n in range(25)))
    assert [kept.out for _, kept in done] == [b"%d\n" % n for n in range(25)]


async def test_a_full_sink_stops_the_node(reach: Reach) -> None:
    session = await reach.open()
    n = number()
    sink = Stuck()
    running = asyncio.create_task(session.run(Command(programs.ENDLESS.format(n=n)), sink))
    await asyncio.sleep(0.8)

    async def produced() -> int:
        return int((await run(session, programs.COUNT.format(n=n)))[1].out)

    first = await produced()
    await asyncio.sleep(0.3)
    assert 0 < await produced() == first < 200  # of 64 KiB each
    assert sink.taken < 300_000
    sink.room.set()
    assert await until(lambda: sink.taken > 3_000_000, 15)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await run(session, programs.REMOVE.format(n=n))


async def test_all_output_is_written_before_the_end(reach: Reach) -> None:
    session = await reach.open()
    sink = Stuck()
    running = asyncio.create_task(session.run(Command(programs.BOTH), sink))
    await asyncio.sleep(0.5)
    assert not running.done()
    sink.room.set()
    assert (await running).code == 0
    assert sink.taken == 6


async def test_a_cancel_kills_the_process_group(reach: Reach) -> None:
    session = await reach.open()
    n, kept = number(), Kept()
    command = Command(programs.STUBBORN.format(n=n))
    running = asyncio.create_task(session.run(command, kept))
    await kept.wait(b"ready")
    assert await until(lambda: reach.alive(n) > 0)
    begun = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - begun < 0.3 + SLACK_S
    assert await until(lambda: reach.alive(n) == 0)
    assert (await run(session, programs.BOTH))[1].out == b"a\xff\0b"


async def test_a_cancel_ends_one_command_of_several(reach: Reach) -> None:
    session = await reach.open()
    numbers = [number() for _ in range(4)]
    sinks = [Kept() for _ in numbers]
    tasks = [
        asyncio.create_task(session.run(Command(programs.STUBBORN.format(n=n)), sink))
        for n, sink in zip(numbers, sinks, strict=True)
    ]
    await asyncio.gather(*(sink.wait(b"ready") for sink in sinks))
    for which in (2, 0):
        tasks[which].cancel()
        await asyncio.wait([tasks[which]])
        assert await until(lambda: reach.alive(numbers[which]) == 0)  # noqa: B023 - used at once
    assert [reach.alive(n) > 0 for n in numbers] == [False, True, False, True]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert await until(lambda: not any(map(reach.alive, numbers)))


async def test_a_cancel_at_any_time_leaves_nothing(reach: Reach) -> None:
    session = await reach.open()
    numbers: list[str] = []
    for after_s in (0, 0.001, 0.005, 0.02, 0.1):
        batch = [number() for _ in range(2)]
        tasks = [
            asyncio.create_task(session.run(Command(programs.STUBBORN.format(n=n)), Kept()))
            for n in batch
        ]
        await asyncio.sleep(after_s)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        numbers += batch
    await asyncio.sleep(0.5)  # what was about to start would have by now
    assert await until(lambda: not any(map(reach.alive, numbers)))
    assert (await run(session, programs.BOTH))[1].out == b"a\xff\0b"


async def test_what_was_detached_goes_on(reach: Reach) -> None:
    session = await reach.open()
    n, kept = number(), Kept()
    running = asyncio.create_task(session.run(Command(programs.DETACHING.format(n=n)), kept))
    await kept.wait(b"ready")
    assert await until(lambda: reach.alive(n) > 0 and reach.alive(f"{n}1") > 0)
    running.cancel()
    await asyncio.wait([running])
    assert await until(lambda: reach.alive(f"{n}1") == 0)
    assert reach.alive(n) == 1
    for pid in sleepers(n):
        os.kill(pid, signal.SIGKILL)


async def test_a_signal_reaches_what_runs(reach: Reach) -> None:
    session = await reach.open()
    await session.signal("INT")  # to nothing
    sinks = [Kept(), Kept()]
    tasks = [
        asyncio.create_task(session.run(Command(programs.CATCHES_INT), sink)) for sink in sinks
    ]
    await asyncio.gather(*(sink.wait(b"ready\n") for sink in sinks))
    await session.signal("INT")
    async with asyncio.timeout(5):
        assert await asyncio.gather(*tasks) == [Exit(status=7)] * 2
    assert [sink.out for sink in sinks] == [b"ready\ncaught\n"] * 2


async def test_a_signal_ends_what_does_not_catch_it(reach: Reach) -> None:
    session = await reach.open()
    n, kept = number(), Kept()
    running = asyncio.create_task(session.run(Command(programs.STUBBORN.format(n=n)), kept))
    await kept.wait(b"ready")
    await session.signal("KILL")
    async with asyncio.timeout(5):
        assert (await running).code == 137
    assert await until(lambda: reach.alive(n) == 0)


async def test_a_terminal(reach: Reach) -> None:
    session = await reach.open()
    kept = Kept()
    command = Command(programs.TERMINAL, tty=True, columns=101, rows=33)
    how = await session.run(command, kept)
    assert (how.code, kept.out, kept.err) == (0, b"33 101\r\noops\r\n", b"")


async def test_a_failing_sink_ends_the_command(reach: Reach) -> None:
    session = await reach.open()
    n = number()

    class Failing:
        def write(self, stream: Stream, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    class FailingLate:
        async def write(self, stream: Stream, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    for sink in (Failing(), FailingLate()):
        with pytest.raises(OSError, match="No space left"):
            await session.run(Command(programs.STUBBORN.format(n=n)), sink)
        assert await until(lambda: reach.alive(n) == 0)
    assert (await run(session, programs.EXIT.format(n=0)))[0].code == 0


async def test_a_failing_stdin_ends_the_command(reach: Reach) -> None:
    session = await reach.open()
    n, kept = number(), Kept()

    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        await kept.wait(b"ready")
        raise ValueError("cannot be read")

    with pytest.raises(ValueError, match="cannot be read"):
        await session.run(Command(programs.STUBBORN.format(n=n)), kept, failing())
    assert await until(lambda: reach.alive(n) == 0)


async def test_closing_is_idempotent_and_final(reach: Reach) -> None:
    session = await reach.open()
    assert session.node == reach.node
    begun = time.monotonic()
    await session.aclose()
    await session.aclose()
    assert time.monotonic() - begun < 1 + SLACK_S
    assert (await session.lost()).node == reach.node.name
    with pytest.raises(NodeLostError):
        await run(session, programs.TRUE)
    await session.signal("TERM")


async def test_closing_under_a_command_tells_of_the_loss(reach: Reach) -> None:
    session = await reach.open()
    kept = Kept()
    running = asyncio.create_task(session.run(Command(programs.TALK), kept))
    await kept.wait(b"line\n")
    await session.aclose()
    with pytest.raises(NodeLostError):
        async with asyncio.timeout(2):
            await running
