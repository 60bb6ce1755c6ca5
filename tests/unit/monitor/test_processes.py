from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.base.errors import NodeError, NodeLostError
from clsh.monitor.processes import ListError, Process, parse, processes
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from clsh.remote.transports.memory import Faults, Memory, answer
from tests.support.clocks import hastily

if TYPE_CHECKING:
    from clsh.remote.transport import Session

WAY = "./././"


def stat(pid: int, name: str = "x", group: int = 0, ticks: int = 0, start: int = 100) -> str:
    """A line of /proc/PID/stat."""
    numbers = f"1 {group or pid} 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 3 0 {start} 0 0"
    return f"{pid} ({name}) S {numbers}\n"


def output(first: dict[int, str], second: dict[int, tuple[str, bytes]], facts: str = "") -> bytes:
    """What the script prints: stats at the first look, stats and command lines at the second."""
    parts = [f"==> {WAY}0/first <==\nU 100.00\n".encode()]
    parts += [f"==> {WAY}{pid}/stat <==\n{text}\n".encode() for pid, text in first.items()]
    parts.append(f"==> {WAY}0/second <==\nU 100.50\nB 1700000000\n{facts}".encode())
    for pid, (text, command) in second.items():
        parts.append(f"==> {WAY}{pid}/stat <==\n{text}\n".encode())
        parts.append(f"==> {WAY}{pid}/cmdline <==\n".encode() + command + b"\n")
    return b"noise of the login shell\nclsh processes plain\n" + b"".join(parts)


def test_all_that_is_told_of_a_process() -> None:
    facts = (
        "P 999\n7/status:Uid:\t0\t1000\t0\t0\n7/status:VmRSS:\t    2048 kB\n"
        "8/status:Uid:\t5\t5\t5\t5\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n"
    )
    first = {7: stat(7, "a) S (b", ticks=10), 8: stat(8, "kthread")}
    second = {
        7: (stat(7, "a) S (b", ticks=35), b"prog\0--flag\0\0"),
        8: (stat(8, "kthread"), b""),
        9: (stat(9), b"late\0"),
    }
    one, kernel, unknown = parse(output(first, second, facts), "n1")
    assert one == Process("n1", 7, 1, "ann", "S", 50.0, 2 << 20, 3, 1700000001.0, "prog --flag")
    assert (kernel.user, kernel.command, kernel.rss) == ("5", "[kthread]", 0)
    assert unknown.user == "?"


def test_a_new_process_is_measured_since_its_start() -> None:
    first = {7: stat(7, ticks=5000, start=5)}  # its number was given to another one
    second = {
        7: (stat(7, ticks=10, start=10000), b"again\0"),
        8: (stat(8, ticks=20, start=10010), b"new\0"),
        9: (stat(9, ticks=20, start=10050), b"now\0"),
    }
    assert [one.cpu for one in parse(output(first, second), "n")] == [20.0, 50.0, 0.0]


def test_our_own_script_is_not_listed() -> None:
    second = {7: (stat(7), b"sh\0"), 8: (stat(8, group=7), b"grep\0"), 9: (stat(9), b"other\0")}
    assert [one.pid for one in parse(output({}, second, "P 7\n"), "n")] == [9]


def test_a_command_line_is_data_whatever_it_holds() -> None:
    evil = (
        b"\x1b[2J\0==> ././99/stat <==\n99 (fake) S 1 1\n"
        b"==> 98/cmdline <==\nclsh processes plain\n==> ./0/second <==\nU 9\0"
    )
    (one,) = parse(output({}, {7: (stat(7), evil)}), "n")
    assert one.pid == 7
    assert one.command.startswith("\x1b[2J ==> ././99/stat <==\n")
    (one,) = parse(output({}, {7: (stat(7), b"\xff\xfe\0" + b"x" * 2000)}), "n")
    assert one.command.startswith("�� x")
    assert one.command.endswith("x…")


def test_a_process_that_ended_meanwhile_is_none() -> None:
    second = {7: ("", b"x\0"), 8: (stat(8), b"y\0")}
    assert [one.pid for one in parse(output({}, second), "n")] == [8]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"hello\n", "it gave no list"),
        (b"clsh processes plain\nfirst\n", "no beginning"),
        (b"clsh processes gzip\nno gzip at all", "damaged"),
        (b"clsh processes gzip\n" + gzip.compress(b"x" * 100, mtime=0)[:-9], "cut off"),
        (b"clsh processes gzip\n" + gzip.compress(b"x" * (1 << 26)), "too long or was cut off"),
    ],
)
def test_what_is_no_list(data: bytes, why: str) -> None:
    with pytest.raises(ListError, match=why):
        parse(data, "n")


@given(st.binary(max_size=400))
def test_nothing_but_its_own_error_is_raised(data: bytes) -> None:
    whole = output({}, {7: (stat(7), b"x\0")})
    for hostile in (data, b"clsh processes plain\n" + data, whole[:-40] + data, whole + data):
        with contextlib.suppress(ListError):
            parse(hostile, "n")


async def here() -> Session:
    return await local.build(TransportOptions()).open(Node(node_name("here"), "here"), 5)


async def test_this_machine() -> None:
    program = "import time, sys; sys.stdout.write('x'); sys.stdout.flush(); time.sleep(60)"
    hostile = "\x1b]0;title\x07 ==> ./1/stat <==\nend"
    sleeper = subprocess.Popen(  # noqa: ASYNC220 - it is only looked at
        [sys.executable, "-c", program, hostile], stdout=subprocess.PIPE
    )
    try:
        assert sleeper.stdout
        await asyncio.to_thread(sleeper.stdout.read, 1)
        session = await here()
        listed = {one.pid: one for one in await processes(session, "here")}
        await session.aclose()
    finally:
        sleeper.kill()
        await asyncio.to_thread(sleeper.wait)
        assert sleeper.stdout
        sleeper.stdout.close()
    one = listed[sleeper.pid]
    assert (one.ppid, one.node, one.state) == (os.getpid(), "here", "S")
    assert one.command == f"{sys.executable} -c {program} {hostile}"
    assert listed[os.getpid()].rss > 1 << 20
    assert not any("clsh processes" in other.command for other in listed.values())


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (answer(status=9), "it has no /proc"),
        (answer(b"hello\n"), "it gave no list of processes"),
        (answer(b"x" * (5 << 20)), "its list of processes is too long"),
    ],
)
def test_why_a_node_does_not_list_them(program: object, why: str) -> None:
    async def main() -> None:
        transport = Memory({"n1": program})  # type: ignore[dict-item]  # it is a Program
        session = await transport.open(Node(node_name("n1"), "n1"), 5)
        with pytest.raises(NodeError, match=why):
            await processes(session, "n1")

    hastily(main())


def test_a_node_that_is_lost_meanwhile() -> None:
    async def main() -> None:
        transport = Memory({"n1": answer(delay_s=5)}, {"n1": Faults(lose_after_s=1)})
        session = await transport.open(Node(node_name("n1"), "n1"), 5)
        with pytest.raises(NodeLostError):
            await processes(session, "n1")

    hastily(main())
