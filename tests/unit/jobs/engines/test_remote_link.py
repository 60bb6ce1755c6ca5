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

    from clsh.jobs.engines._remote.answers import Answer
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


async def test_what_is_said_without_sense_is_passed_over() -> None:
    odd = Odd(b"clsh ended\n", HELLO, b"clsh - x run", b"ning\nclsh 7 x running\n")
    told: list[Answer] = []
    one = Link(N1, odd, "/s", told.append, Places(1))
    await one.open()
    assert [(said.id, said.said) for said in told] == [("x", "running")]
    await one.aclose()
    await one.aclose()


async def test_a_loop_that_says_a_bad_hello_has_nothing() -> None:
    one = link(Odd(b"clsh 0 - hello what\n"))
    loop = await one.open()
    assert (loop.has, one.has) == (None, None)
    assert await one.open() is loop
    await one.aclose()


async def test_no_more_links_open_at_once_than_there_are_places() -> None:
    class Slow(Odd):
        opening = most = 0

        async def open(self, node: Node, deadline_s: float) -> Odd:
            Slow.opening += 1
            Slow.most = max(Slow.most, Slow.opening)
            await asyncio.sleep(0.001)
            Slow.opening -= 1
            return self

    places = Places(4)
    links = [Link(N1, Slow(HELLO), "/s", lambda _: None, places) for _ in range(40)]
    await asyncio.gather(*(one.open() for one in links))
    assert Slow.most == 4
    await asyncio.gather(*(one.aclose() for one in links))


async def test_a_call_answered_for_some_only_is_no_answer() -> None:
    one = link(Odd(HELLO, b"clsh 2 a running\nclsh 2 b running\n"))
    loop = await one.open()
    call = asyncio.create_task(one.call(["ask", "a", "b", "c"], ["a", "b", "c"], 0.2))
    await asyncio.sleep(0)
    for name in ("a", "b", "other", "a"):
        loop.write("stdout", f"clsh 2 {name} running\n".encode())
    with pytest.raises(NodeError, match="no answer within"):
        await call
    loop.write("stdout", b"clsh 2 c running\n")  # too late
    await one.aclose()


async def test_a_call_hears_of_its_last_answer_and_of_the_end_at_once() -> None:
    one = link(Odd(HELLO))
    loop = await one.open()
    call = asyncio.create_task(one.call(["ask", "a"], ["a"], 20))
    await asyncio.sleep(0)
    loop.write("stdout", b"clsh 2 a running\n")
    loop.running.cancel()
    assert [said.said for said in await call] == ["running"]
    await one.aclose()


async def test_what_it_says_on_stderr_comes_first_once() -> None:
    odd = Odd(ends=True, stderr=b"one\n")
    with pytest.raises(NodeError, match="one"):
        await link(odd).open()


async def test_what_waits_to_be_sent_goes_together() -> None:
    one = link(Odd(HELLO))
    loop = await one.open()
    feed = loop._feed()
    for data in (b"a\n", b"b\n"):
        loop.send(data)
    loop._queue.put_nowait(None)
    sent = [data async for data in feed]
    assert b"".join(sent).endswith(b"a\nb\n")
    await one.aclose()
