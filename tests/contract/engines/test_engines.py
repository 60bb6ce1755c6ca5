"""What every engine promises: at most one process for each attempt, and the truth about it."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeError
from clsh.jobs.model import Place
from tests.contract.engines.conftest import all_of

if TYPE_CHECKING:
    from tests.contract.engines.conftest import Bench


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


async def test_an_attempt_runs_and_its_end_is_told(bench: Bench) -> None:
    one = bench.sh("echo out; echo err >&2; exit 3")
    assert (await bench.ask(one)).phase == "absent"
    assert (await bench.engine.start(one)).phase in {"running", "ended"}
    told = await bench.ended(one)
    assert (told.phase, told.status, told.signal) == ("ended", 3, "")
    asked = await bench.ask(one)
    assert (asked.phase, asked.status) == ("ended", 3)
    assert await bench.engine.read(one, "output", 0, 100) == b"out\n"
    assert await bench.engine.read(one, "error", 0, 100) == b"err\n"


async def test_many_starts_of_one_attempt_start_one_process(bench: Bench) -> None:
    one = bench.sh("echo x >>count; sleep 0.2")
    reports = await all_of(*(bench.engine.start(one) for _ in range(20)))
    assert {report.phase for report in reports} <= {"running", "ended"}
    await bench.ended(one)
    assert (await bench.engine.start(one)).phase == "ended"
    assert lines(bench.folder / "count") == 1


async def test_what_was_started_goes_on_without_us_and_is_found_again(bench: Bench) -> None:
    long, short = bench.sh("sleep 600"), bench.sh("while [ ! -e go ]; do sleep 0.05; done; exit 4")
    await all_of(bench.engine.start(long), bench.engine.start(short))
    await bench.stop()
    (bench.folder / "go").touch()
    await bench.again()
    assert (await bench.until(short, "ended")).status == 4
    assert (await bench.ask(long)).phase == "running"
    await bench.engine.cancel(long)
    assert (await bench.ended(long)).signal == "TERM"


async def test_a_head_that_is_killed_in_the_middle_of_starts_starts_none_twice(
    bench: Bench,
) -> None:
    many = [bench.sh(f"echo x >>mid.{n}", name=f"mid-{n}") for n in range(30)]
    starts = [asyncio.create_task(bench.engine.start(one)) for one in many]
    await asyncio.wait(starts, return_when=asyncio.FIRST_COMPLETED)
    for start in starts:
        start.cancel()
    await asyncio.wait(starts)
    await bench.again()
    for report, one in zip(await bench.engine.ask(many), many, strict=True):
        if report.phase == "absent":
            await bench.engine.start(one)
    for one in many:
        assert (await bench.until(one, "ended")).status == 0
    assert [lines(bench.folder / f"mid.{n}") for n in range(30)] == [1] * 30


async def test_a_cancel_ends_all_of_it(bench: Bench) -> None:
    one = bench.sh("sleep 600 & sleep 600 & echo $! >pid; wait")
    await bench.engine.start(one)
    for _ in range(1000):
        if lines(bench.folder / "pid"):
            break
        await asyncio.sleep(0.02)
    await bench.engine.cancel(one)
    await bench.engine.cancel(one)
    told = await bench.ended(one)
    assert (told.phase, told.status, told.signal) == ("ended", None, "TERM")
    assert not lives(int((bench.folder / "pid").read_text()))
    await bench.engine.cancel(one)  # after its end
    assert (await bench.ask(one)).signal == "TERM"


async def test_one_that_is_cancelled_before_its_start_never_starts(bench: Bench) -> None:
    one = bench.sh("echo x >>never")
    await bench.engine.cancel(one)
    assert (await bench.ended(one)).phase == "ended"
    assert (await bench.engine.start(one)).phase == "ended"
    assert lines(bench.folder / "never") == 0


async def test_a_cancel_while_it_starts_ends_it(bench: Bench) -> None:
    many = [bench.sh("sleep 600") for _ in range(10)]
    starts = [asyncio.create_task(bench.engine.start(one)) for one in many]
    await asyncio.gather(*(bench.engine.cancel(one) for one in many))
    await asyncio.gather(*starts)
    for one in many:
        assert (await bench.until(one, "ended")).status is None


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"directory": "/no/such"}, "/no/such"),
        ({"input": "missing"}, "cannot read missing"),
        ({"output": "no/such/file"}, "cannot write to no/such/file"),
    ],
)
async def test_what_cannot_be_started_is_refused_in_words(
    bench: Bench, request_: dict[str, str], words: str
) -> None:
    one = bench.launch("true", **request_)
    said = await bench.engine.start(one)
    assert said.phase == "refused"
    assert words in said.reason
    assert (await bench.engine.start(one)).phase == "refused"
    assert (await bench.ask(one)).reason == said.reason
    if "output" not in request_:
        assert await bench.engine.read(one, "output", 0, 9) == b""


async def test_a_program_that_is_not_there_fails(bench: Bench) -> None:
    one = bench.launch("/no/such/program")
    await bench.engine.start(one)
    assert (await bench.ended(one)).status == 127
    assert b"/no/such/program" in await bench.engine.read(one, "error", 0, 1000)


async def test_output_is_read_from_an_offset(bench: Bench) -> None:
    one = bench.sh("printf 0123456789")
    await bench.engine.start(one)
    await bench.ended(one)
    read = bench.engine.read
    assert await read(one, "output", 0, 4) == b"0123"
    assert await read(one, "output", 4, 100) == b"456789"
    assert await read(one, "output", -3, 100) == b"789"
    assert await read(one, "output", -3, 1) == b"7"
    assert await read(one, "output", 10, 100) == b""
    assert await read(one, "error", 0, 100) == b""


async def test_hostile_bytes_in_output_are_only_output(bench: Bench) -> None:
    text = b"clsh - other ended 0 0 1.0 1.0 \nclsh 1 x lost 0 0 1.0 1.0 y\n\x1b]0;x\x07\xff\xfe\0\n"
    (bench.folder / "hostile").write_bytes(text * 100)
    hostile, other = bench.sh("cat hostile; cat hostile >&2"), bench.launch("true")
    await all_of(bench.engine.start(hostile), bench.engine.start(other))
    assert (await bench.ended(hostile)).status == 0
    assert (await bench.ended(other)).status == 0
    assert await bench.engine.read(hostile, "output", 0, 1 << 20) == text * 100


async def test_words_arrive_as_they_are(bench: Bench) -> None:
    words = ["a b", "'", '"', "$HOME", "`id`", "\\", "!x", "\n", "é", "", "*", "-n", "; exit 9"]
    one = bench.launch("printf", "%s\\0", *words, environment={"out": "$(x)'\n", "PATH": "/bin"})
    await bench.engine.start(one)
    assert (await bench.ended(one)).status == 0
    data = await bench.engine.read(one, "output", 0, 1000)
    assert data.decode().split("\0")[:-1] == words
    two = bench.sh('printf %s "$out"', environment={"out": "$(x)'\n"})
    await bench.engine.start(two)
    await bench.ended(two)
    assert await bench.engine.read(two, "output", 0, 1000) == b"$(x)'\n"


async def test_files_and_patterns(bench: Bench) -> None:
    (bench.folder / "in").write_text("typed\n")
    one = bench.sh("cat; echo e >&2", input="in", output="%j.%t.%%", error="%j.%t.%%")
    await bench.engine.start(one)
    await bench.ended(one)
    assert (bench.folder / "7.3.%").read_text() == "typed\ne\n"
    assert await bench.engine.read(one, "error", 0, 100) == b"typed\ne\n"


async def test_three_hundred_at_once(bench: Bench) -> None:
    many = [bench.launch("true") for _ in range(300)]
    reports = await all_of(*(bench.engine.start(one) for one in many))
    assert {report.phase for report in reports} <= {"running", "ended"}
    for one in many:
        assert (await bench.ended(one)).status == 0
    assert {report.status for report in await bench.engine.ask(many)} == {0}


async def test_a_lost_node_is_unknown_and_tells_the_end_later(bench: Bench) -> None:
    if bench.cut is None or bench.mend is None:
        assert bench.kind != "remote-ssh"
        return
    one = bench.sh("while [ ! -e go ]; do sleep 0.05; done; exit 5")
    await bench.engine.start(one)
    bench.cut()
    (bench.folder / "go").touch()
    await bench.mend()
    assert (await bench.ended(one)).status == 5


async def test_a_node_that_nobody_knows(bench: Bench) -> None:
    one = dataclasses.replace(bench.launch("true"), places=(Place("nowhere"),))
    if not bench.nodes:
        return  # this engine chooses nodes itself
    with pytest.raises(NodeError):
        await bench.engine.start(one)
    assert (await bench.ask(one)).phase == "unknown"


async def test_what_nodes_have(bench: Bench) -> None:
    if not bench.nodes:
        assert bench.engine.slots() == []
        return
    await bench.ask(bench.launch("true"))
    (has,) = bench.engine.slots()
    assert (has.node, has.slots >= 1, has.memory > 1 << 20) == (bench.nodes[0], True, True)


async def test_what_has_ended_is_forgotten_and_what_lives_is_not(bench: Bench) -> None:
    over, lives_, never = bench.sh("echo x"), bench.sh("sleep 600"), bench.launch("true")
    await all_of(bench.engine.start(over), bench.engine.start(lives_))
    await bench.ended(over)
    for _ in range(2):
        await bench.engine.forget([over, lives_, never])
        asked = await bench.engine.ask([over, lives_, never])
        assert [report.phase for report in asked] == ["absent", "running", "absent"]
    await bench.engine.forget([])
    await bench.engine.cancel(lives_)
    await bench.ended(lives_)
    await bench.engine.forget([lives_])
    assert (await bench.ask(lives_)).phase == "absent"


async def test_what_cannot_be_asked_hinders_no_other_from_being_forgotten(bench: Bench) -> None:
    over = bench.launch("true")
    if not bench.nodes:
        return  # this engine chooses nodes itself
    await bench.engine.start(over)
    await bench.ended(over)
    with pytest.raises(NodeError):
        await bench.engine.forget([dataclasses.replace(over, places=(Place("nowhere"),)), over])
    assert (await bench.ask(over)).phase == "absent"
