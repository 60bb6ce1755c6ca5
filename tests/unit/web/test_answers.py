from __future__ import annotations

import asyncio
import gzip
import json
import math

import pytest

from clsh.web.answers import (
    Answers,
    Kept,
    Made,
    has,
    number,
    reply,
    to_json,
    to_long_json,
    wants_gzip,
)


class Hand:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def unix(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.now


class Maker:
    def __init__(self, clock: Hand, cost_s: float = 0.0, size: int = 3) -> None:
        self.clock, self.cost_s, self.size = clock, cost_s, size
        self.calls = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> Made:
        self.calls += 1
        await self.go.wait()
        self.clock.now += self.cost_s
        return Made(f"{self.calls}".encode() * self.size)


async def test_one_version_is_made_once_whatever_the_number_of_readers() -> None:
    clock = Hand()
    answers, make = Answers(clock), Maker(clock)
    make.go.clear()
    readers = [asyncio.create_task(answers.get("/", 7, make)) for _ in range(50)]
    await asyncio.sleep(0)
    make.go.set()
    kept = await asyncio.gather(*readers)
    assert make.calls == 1
    assert len({id(one) for one in kept}) == 1
    await answers.get("/", 7, make)
    assert make.calls == 1
    await answers.get("/", 8, make)
    await answers.get("/other", 8, make)
    assert make.calls == 3


async def test_the_first_reader_may_leave() -> None:
    clock = Hand()
    answers, make = Answers(clock), Maker(clock)
    make.go.clear()
    first = asyncio.create_task(answers.get("/", 1, make))
    await asyncio.sleep(0)
    second = asyncio.create_task(answers.get("/", 1, make))
    await asyncio.sleep(0)
    first.cancel()
    make.go.set()
    assert (await second).made.body == b"111"
    assert make.calls == 1


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    answers = Answers(Hand())

    async def fail() -> Made:
        await asyncio.sleep(0)
        raise ValueError("no")

    readers = [asyncio.create_task(answers.get("/", 1, fail)) for _ in range(3)]
    for told in await asyncio.gather(*readers, return_exceptions=True):
        assert isinstance(told, ValueError)
    clock = Hand()
    assert (await answers.get("/", 1, Maker(clock))).made.body == b"111"


async def test_what_takes_long_is_served_for_ten_times_as_long() -> None:
    clock = Hand()
    answers, make = Answers(clock), Maker(clock, cost_s=0.05)
    await answers.get("/", 1, make)
    clock.now += 0.49
    await answers.get("/", 2, make)
    assert make.calls == 1
    clock.now += 0.02
    await answers.get("/", 2, make)
    assert make.calls == 2
    make.cost_s = 5.0
    await answers.get("/slow", 1, make)
    clock.now += 1.01
    await answers.get("/slow", 2, make)
    assert make.calls == 4


async def test_what_was_changed_by_the_reader_is_seen_at_once() -> None:
    clock = Hand()
    answers, make = Answers(clock), Maker(clock, cost_s=0.05)
    await answers.get("/", 1, make)
    answers.forget()
    await answers.get("/", 1, make)
    assert make.calls == 2


async def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clsh.web.answers._BYTES_KEPT", 32 * 2**10)
    clock = Hand()
    answers = Answers(clock)
    large = Maker(clock, size=5 * 2**10)
    for place in range(8):
        await answers.get(f"/{place}", 1, large)
    assert large.calls == 8
    await answers.get("/7", 1, large)
    assert large.calls == 8
    await answers.get("/0", 1, large)
    assert large.calls == 9
    small = Maker(clock)
    for place in range(600):
        await answers.get(f"/s{place}", 1, small)
    await answers.get("/s599", 1, small)
    assert small.calls == 600
    await answers.get("/s0", 1, small)
    assert small.calls == 601


@pytest.mark.parametrize("size", [5_000, 200_000])
async def test_a_large_answer_is_packed_once(size: int) -> None:
    kept = Kept(Made(b"x" * size))
    got = await reply(kept, {"accept-encoding": "br, gzip;q=0.5"})
    assert got.headers["content-encoding"] == "gzip"
    assert gzip.decompress(bytes(got.body)) == b"x" * size
    assert kept.size == size + len(got.body)
    assert (await reply(kept, {})).body == b"x" * size
    again = await reply(kept, {"accept-encoding": "gzip"})
    assert again.body == got.body
    assert again.headers["etag"] == (await reply(kept, {})).headers["etag"]


async def test_a_client_that_has_it_gets_no_body() -> None:
    kept = Kept(Made(b"x" * 5000))
    got = await reply(kept, {"if-none-match": f'"other", {kept.tag}'})
    assert (got.status_code, got.body) == (304, b"")
    assert got.headers["etag"] == kept.tag
    assert (await reply(kept, {"if-none-match": '"other"'})).status_code == 200
    assert Kept(Made(b"x")).tag != Kept(Made(b"x", "text/plain")).tag


async def test_what_is_private_is_stored_by_nobody() -> None:
    kept = Kept(Made(b"{}"))
    got = await reply(kept, {"if-none-match": kept.tag}, status=202, private=True)
    assert got.status_code == 202
    assert got.headers["cache-control"] == "no-store"
    assert "etag" not in got.headers


def test_tags_are_compared_as_weak_ones() -> None:
    assert has('"a"', 'W/"a"')
    assert has("*", 'W/"a"')
    assert not has("", 'W/"a"')


@pytest.mark.parametrize(
    ("header", "wanted"),
    [("gzip", True), ("br;q=1, GZIP", True), ("gzip;q=0", False), ("gzip; q=0.0", False),
     ("gzip;q=0.1", True), ("br", False), ("", False)],
)  # fmt: skip
def test_who_wants_gzip(header: str, wanted: bool) -> None:
    assert wants_gzip(header) is wanted


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
async def test_a_long_list_in_slices_is_the_same_json(count: int) -> None:
    rows = [{"n": n, "x": [math.nan, "é,]"]} for n in range(count)]
    made = await to_long_json({"total": count}, "rows", iter(rows), at_once=2)
    assert made.body == to_json({"total": count, "rows": rows})


def test_what_is_not_a_finite_number_becomes_null() -> None:
    value = {"a": [1.5, math.nan, (math.inf, "x")], "b": {"c": -math.inf}}
    assert json.loads(to_json(value)) == {"a": [1.5, None, [None, "x"]], "b": {"c": None}}
    assert to_json({"a": 1}) == b'{"a":1}'
    assert number(math.nan) is number("1") is number(None) is None
    assert number(0) == 0
