"""Starts on one loop: what goes at once, what waits, and what becomes of both."""

from __future__ import annotations

import asyncio
import shlex

import pytest

from clsh.base.errors import NodeError
from clsh.jobs.engines._remote.answers import Answer
from clsh.jobs.engines._remote.command import Start
from clsh.jobs.engines._remote.starting import Starting

DONE = Answer(4, "-", "done")
PATIENCE_S = 30.0


def start(name: str, owner: str = "alice") -> Start:
    return Start(name, owner, "-", "0 0 x")


class Sent:
    """What was sent, as the names of each call."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.starting = Starting(4, self._send)

    def _send(self, line: bytes) -> None:
        self.calls.append(shlex.split(line.decode())[4].split())

    async def begin(self, *starts: Start) -> list[asyncio.Task[Answer | None]]:
        tasks = [asyncio.create_task(self.starting.start(one, PATIENCE_S)) for one in starts]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks


async def test_those_of_one_moment_are_one_call() -> None:
    sent = Sent()
    one, two = await sent.begin(start("a"), start("b"))
    assert sent.calls == [["a", "b"]]
    sent.starting.heard(Answer(None, "b", "running"))
    sent.starting.heard(Answer(4, "a", "refused"))
    answers = [await one, await two]
    assert [answer.said for answer in answers if answer] == ["refused", "running"]


async def test_what_comes_while_the_loop_is_busy_is_the_next_call() -> None:
    sent = Sent()
    await sent.begin(start("a"))
    later = await sent.begin(start("b"), start("c"), start("d", "bob"))
    assert sent.calls == [["a"]]
    sent.starting.heard(DONE)
    sent.starting.heard(DONE)
    sent.starting.heard(DONE)
    assert sent.calls == [["a"], ["b", "c"], ["d"]]
    await sent.begin(start("e"))  # it has nothing to do again
    assert sent.calls[-1] == ["e"]
    sent.starting.heard(NodeError("n1", "gone"))
    for task in later:
        with pytest.raises(NodeError, match="gone"):
            await task


async def test_one_that_is_on_its_way_is_not_sent_again() -> None:
    sent = Sent()
    one, two = await sent.begin(start("a"), start("a"))
    (three,) = await sent.begin(start("a"))
    assert sent.calls == [["a"]]
    sent.starting.heard(Answer(None, "a", "running"))
    for task in (one, two, three):
        answer = await task
        assert answer is not None
        assert answer.said == "running"
    sent.starting.heard(Answer(None, "a", "ended"))  # nobody waits for it any more


async def test_a_cancel_leaves_it_on_its_way_for_others() -> None:
    sent = Sent()
    one, two = await sent.begin(start("a"), start("a"))
    one.cancel()
    await asyncio.wait([one])
    sent.starting.heard(Answer(None, "a", "running"))
    assert await two is not None
    (three,) = await sent.begin(start("b"))
    three.cancel()
    await asyncio.wait([three])
    sent.starting.heard(NodeError("n1", "gone"))  # nobody is left to hear of it


async def test_a_loop_that_is_busy_for_ever_gets_the_next_call_all_the_same() -> None:
    sent = Sent()
    await sent.begin(start("a"))
    await sent.begin(start("c"))
    assert await sent.starting.start(start("b"), 0.01) is None
    assert sent.calls == [["a"], ["c"]]
    await sent.begin(start("b"))  # it was never sent, and is not sent twice now
    sent.starting.heard(DONE)
    assert sent.calls == [["a"], ["c"], ["b"]]


async def test_no_answer_is_none_and_the_next_start_is_sent_again() -> None:
    sent = Sent()
    assert await sent.starting.start(start("a"), 0.01) is None
    sent.starting.heard(DONE)
    await sent.begin(start("a"))
    assert sent.calls == [["a"], ["a"]]
