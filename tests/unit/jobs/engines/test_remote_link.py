"""A node that says nothing, too much or the wrong thing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeError, NodeLostError, UnreachableError
from clsh.base.places import Places
from clsh.jobs.engines._remote import link as link_file
from clsh.jobs.engines._remote.link import Link
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import Exit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clsh.remote.transport import Command, SignalName, Sink

N1 = Node(node_name("n1"), "n1")
HELLO = b"clsh 0 - hello 2 4 0 root /s\n"


class Odd:
    """A transport and its session; says `says`, then waits, or ends."""

    node = N1

    def __init__(self, *says: bytes, ends: bool = False, stderr: bytes = b"") -> None:
        self.says, self.ends, self.stderr = says, ends, stderr

    async def open(self, node: Node, deadline_s: float) -> Odd:
        return self

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        if self.stderr:
            sink.write("stderr", self.stderr)
        for data in self.says:
            sink.write("stdout", data)
        if not self.ends:
            await asyncio.Event().wait()
        return Exit(1)

    async def signal(self, name: SignalName) -> None:
        raise NotImplementedError

    async def lost(self) -> NodeLostError:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def link(odd: Odd) -> Link:
    return Link(N1, odd, "/s", lambda _: None, Places(1))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_file, "_READY_S", 0.2)
    monkeypatch.setattr(link_file, "_OPEN_S", 0.2)
    monkeypatch.setattr(link_file, "_LEAVE_S", 0.05)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (Odd(b"Welcome!\n"), "its shell is not ready"),
        (Odd(b"x" * 70_000), "its answer is too long"),
        (Odd(ends=True), "its shell ended"),
        (Odd(ends=True, stderr=b"sh: not found\n"), "sh: not found"),
        (Odd(b"clsh fault no room\n", ends=True), "no room"),
    ],
)
async def test_a_node_whose_loop_does_not_begin(odd: Odd, why: str) -> None:
    with pytest.raises(NodeError, match=why):
        await link(odd).open()


async def test_a_call_without_an_answer_ends() -> None:
    one = link(Odd(HELLO, b"clsh 9 x running\n"))
    with pytest.raises(NodeError, match="no answer within"):
        await one.call(["ask", "a"], ["a"], 0.1)
    assert one.has is not None
    await one.aclose()
    assert one.has is None


async def test_who_waits_too_long_for_an_opening_is_told() -> None:
    one = link(Odd())
    await one._opening.acquire()
    with pytest.raises(UnreachableError, match="timed out"):
        await one.open()


async def test_a_call_is_told_that_the_loop_ended() -> None:
    one = link(Odd(HELLO))
    call = asyncio.create_task(one.call(["ask", "a"], ["a"], 10))
    loop = await one.open()
    await asyncio.sleep(0.05)
    loop.running.cancel()
    with pytest.raises(NodeError, match="not used any more"):
        await call
