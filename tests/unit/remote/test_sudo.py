"""sudo where the node is a program of ours; the real one is in tests/integration."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeLostError, UsageError
from clsh.nodes.model import Node, node_name
from clsh.remote.sudo import Sudo, SudoError
from clsh.remote.transport import Command, Exit, Stream
from clsh.remote.transports.memory import Call, Memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NODE = Node(node_name("node1"), "node1")


class Nowhere:
    def write(self, stream: Stream, data: bytes) -> None:
        pass


async def silent(call: Call) -> int:
    await asyncio.sleep(10)
    return 0


def mark(call: Call) -> str:
    found = re.search(r" (clsh-[0-9a-f]{32}) ", call.command.line)
    assert found
    return found[1]


async def starting(call: Call) -> int:
    word = mark(call)
    for piece in (word[:9], word[9:], " 4242", "\n"):
        await call.write("stderr", piece.encode())
    return await silent(call)


async def test_the_input_waits_for_the_start_and_the_password_for_the_prompt() -> None:
    """Input that flowed earlier would be taken for a second try of the password."""
    seen = bytearray()

    async def asking(call: Call) -> int:
        prompt = re.search(r"\[clsh-[0-9a-f]{32}\]", call.command.line)
        assert prompt

        async def read() -> None:
            async for data in call.stdin:
                seen.extend(data)

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.02)
        assert not seen
        for piece in (prompt[0][:9], prompt[0][9:]):
            await call.write("stderr", piece.encode())
        await asyncio.sleep(0.02)
        assert seen == b"secret\n"
        await call.write("stderr", f"\n{mark(call)} 4242\nown".encode())
        await reading
        return 0

    async def given() -> AsyncIterator[bytes]:
        yield b"input"

    session = await Sudo(Memory(default=asking), "secret").open(NODE, 1)
    assert await session.run(Command("id"), Nowhere(), given()) == Exit(0)
    assert seen == b"secret\ninput"


async def test_a_signal_before_the_start_goes_to_sudo_itself() -> None:
    session = await Sudo(Memory(default=silent), None).open(NODE, 1)
    running = asyncio.create_task(session.run(Command("id"), Nowhere()))
    await asyncio.sleep(0.01)
    await session.signal("TERM")
    with pytest.raises(SudoError, match="sudo ended with 143"):
        await running


async def test_a_signal_on_a_dying_connection_is_no_error() -> None:
    memory = Memory(default=starting)
    sudo = Sudo(memory, None)
    session = await sudo.open(NODE, 1)
    running = asyncio.create_task(session.run(Command("id"), Nowhere()))
    await asyncio.sleep(0.01)
    signalling = asyncio.create_task(session.signal("TERM"))
    await asyncio.sleep(0.01)
    assert "shift; " in memory.ran[1][1]
    assert "TERM 4242" in memory.ran[1][1]
    next(iter(memory.sessions)).lose("cut")
    await signalling
    with pytest.raises(NodeLostError, match="cut"):
        await running
    assert (await session.lost()).reason == "cut"


async def test_closing_waits_a_little_for_signals_on_their_way() -> None:
    memory = Memory(default=starting)
    sudo = Sudo(memory, None)
    session = await sudo.open(NODE, 1)
    running = asyncio.create_task(session.run(Command("id"), Nowhere()))
    await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    began = loop.time()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(memory.ran) == 2, "the KILL has been sent"
    await session.aclose()
    assert 0.5 < loop.time() - began < 1.5
    assert not memory.sessions
    await sudo.aclose()


async def test_nothing_runs_no_signal() -> None:
    memory = Memory()
    session = await Sudo(memory, None).open(NODE, 1)
    await session.signal("KILL")
    assert not memory.ran
    assert session.node is NODE


@pytest.mark.parametrize(
    ("password", "user"),
    [("a\nb", "root"), ("a\r", "root"), ("\0", "root"), ("a", "-x"), ("a", "ro ot"), ("a", "")],
)
def test_what_is_no_password_and_no_user(password: str, user: str) -> None:
    with pytest.raises(UsageError):
        Sudo(Memory(), password, user)


async def test_an_exit_in_silence_is_told_by_its_status() -> None:
    async def fails(call: Call) -> int:
        return 9

    session = await Sudo(Memory(default=fails), "secret").open(NODE, 1)
    with pytest.raises(SudoError, match="sudo ended with 9") as caught:
        await session.run(Command("id"), Nowhere())
    assert caught.value.exit_code == 11
