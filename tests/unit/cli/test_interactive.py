"""Whole talks with nodes whose shells are real: what is printed, and the exit status."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import UsageError
from clsh.cli.interactive import Interaction, interact
from clsh.nodes.model import Node, node_name
from clsh.remote.fanout import Plan
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from clsh.remote.transports.memory import Faults, Memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from clsh.cli.running import Ended
    from clsh.remote.transport import Exit, Stream
    from clsh.remote.transports.memory import Call

PLAN = Plan(connect_timeout_s=5)
NODES = [Node(node_name(name), name) for name in ("node1", "node2")]


class _Through:
    def __init__(self, call: Call) -> None:
        self._call = call

    def write(self, stream: Stream, data: bytes) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._call.write(stream, data))


_running: set[asyncio.Task[Exit]] = set()


async def real(call: Call) -> int:
    """Run the command of a memory node on this machine, so that it can be lost."""
    session = await local.build(TransportOptions()).open(call.node, 5)
    doing = asyncio.create_task(session.run(call.command, _Through(call), call.stdin))
    _running.add(doing)
    doing.add_done_callback(_running.discard)
    try:
        return (await asyncio.shield(doing)).code
    finally:
        doing.cancel()  # once, however often we are


class Talk:
    """A running interactive mode; `out` and `err` are what it has written so far."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.out = b""
        self.err = b""
        self.ended: asyncio.Task[Ended]
        self._pipes: list[int] = []

    async def send(self, *lines: str) -> None:
        for line in lines:
            os.write(self._pipes[1], line.encode() + b"\n")

    async def sees(self, text: str) -> None:
        """Wait until `text`, a regular expression, has been written; forget all up to it."""
        for _ in range(1000):
            for name in ("out", "err"):
                written = getattr(self, name)
                if found := re.search(text.encode(), written, re.MULTILINE):
                    setattr(self, name, written[found.end() :])
                    return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{text!r} is neither in {self.out!r} nor in {self.err!r}")

    async def sees_all(self, *texts: str) -> None:
        """Wait until stdout has all of these, in any order."""
        await until(lambda: all(text.encode() in self.out for text in texts))

    async def code(self) -> int:
        return (await asyncio.wait_for(asyncio.shield(self.ended), 10)).code

    async def says(self, *lines: str) -> str:
        """Send lines and quit; return all of stdout."""
        await self.send(*lines, "quit")
        await self.code()
        return self.out.decode()

    def open(self, interaction: Callable[[int, int, int], Interaction]) -> None:
        self._pipes = [fd for _ in range(3) for fd in os.pipe()]
        stdin, _, out, stdout, err, stderr = self._pipes
        loop = asyncio.get_running_loop()
        for fd in (out, err):
            os.set_blocking(fd, False)
        loop.add_reader(out, self._read, out, "out")
        loop.add_reader(err, self._read, err, "err")
        self.ended = asyncio.create_task(interact(interaction(stdin, stdout, stderr)))

    def _read(self, fd: int, name: str) -> None:
        setattr(self, name, getattr(self, name) + os.read(fd, 65536))

    async def close(self) -> None:
        if not self.ended.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait([self.ended], timeout=10)
        loop = asyncio.get_running_loop()
        for fd in (self._pipes[2], self._pipes[4]):
            loop.remove_reader(fd)
        for fd in self._pipes:
            os.close(fd)
        assert not self.memory.sessions
        if _running:
            await asyncio.wait(_running)


@asynccontextmanager
async def talk(
    state: Path,
    *,
    faults: Mapping[str, Faults] | None = None,
    plan: Plan = PLAN,
    nodes: Sequence[Node] = NODES,
    lookup: Callable[[str], Sequence[Node]] | None = None,
    folds: bool = False,
    setup: str = "",
    redirected: bool = False,
) -> AsyncIterator[Talk]:
    memory = Memory(faults=faults or {}, default=real)

    def interaction(stdin: int, stdout: int, stderr: int) -> Interaction:
        return Interaction(
            nodes=nodes,
            plan=plan,
            transport=lambda: memory,
            state=state,
            lookup=lookup,
            folds=folds,
            setup=setup,
            redirected=redirected,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    talking = Talk(memory)
    talking.open(interaction)
    try:
        yield talking
    finally:
        await talking.close()


@pytest.fixture(autouse=True)
def plain_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")


def ordered(text: str) -> str:
    """Put the answers between two rules in order: they come as they arrive."""
    lines = text.splitlines(keepends=True)
    inside, block, result = False, list[str](), list[str]()
    for line in lines:
        if line == "-----\n":
            result += [*sorted(block), line]
            block = []
            inside = not inside
        elif inside:
            block.append(line)
        else:
            result.append(line)
    return "".join([*result, *block])


async def test_the_transcript_of_the_specification(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        said = await t.says("uname", "!echo Darwin")
        assert await t.code() == 0
        assert t.err == b""
    assert ordered(said) == (
        "Enter 'quit' to leave this interactive mode\n"
        "Working with nodes: node1, node2\n"
        "clsh> uname\n"
        "-----\n"
        "node1: Linux\n"
        "node2: Linux\n"
        "-----\n"
        "clsh> !echo Darwin\n"
        "-----\n"
        "LOCAL: Darwin\n"
        "-----\n"
        "clsh> quit\n"
    )


@pytest.mark.parametrize("end", ["exit\n", " quit \n", "", "quit"])
async def test_ways_to_leave(tmp_path: Path, end: str) -> None:
    async with talk(tmp_path) as t:
        await t.sees("clsh> ")
        os.write(t._pipes[1], end.encode())
        os.close(t._pipes[1])
        t._pipes[1] = os.open(os.devnull, os.O_RDONLY)
        assert await t.code() == 0
        assert t.out.endswith(b"\n")


async def test_what_a_line_changes_lasts(tmp_path: Path) -> None:
    async with talk(tmp_path, setup="umask 027; export GREETING='it is'") as t:
        said = await t.says("cd /usr; x=5", "pwd; echo $GREETING $x", "umask", "", "!cd /", "!pwd")
    for node in ("node1", "node2"):
        assert f"{node}:\n" in said
        assert f"{node}: /usr\n{node}: it is 5\n" in said
        assert f"{node}: 0027\n" in said
    assert "LOCAL: /\n" in said


async def test_failures_are_summed_up(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        said = await t.says("exit 0 || :; false", ":status", "true", ":status", ":")
        assert await t.code() == 0
        assert b"its shell ended (exit 0); a new one has been started" in t.err
    async with talk(tmp_path) as t:
        said = await t.says("echo x >&2; false", ":status", "true", ":status", ":", ": word")
        assert b"node1: x\n" in t.err
        assert b"clsh: 2 of 2 failed: node[1-2] (exit 1)\n" in t.err
    assert "clsh> :status\nnode1, node2: exit 1\nclsh> true\n" in said
    assert "clsh> :status\nnode1, node2: exit 0\n" in said
    assert said.count("node1:\n") == 3  # false, `:` and `: word` are the shell's own


async def test_some_nodes_for_one_line_or_for_all_that_follow(tmp_path: Path) -> None:
    def lookup(group: str) -> Sequence[Node]:
        if group != "web":
            raise UsageError(f"there is no group '{group}'")
        return NODES[1:]

    async with talk(tmp_path, lookup=lookup) as t:
        said = await t.says(
            "@node1 echo a", ":only node2", "echo b", ":nodes", ":all", "@web echo c",
            ":only @web", "@node[1-2] echo d", ":only node9", "@ x", ":only", "@node1", "@@db x",
            "!", ":fold up", ":wrong", "echo e",
        )  # fmt: skip
        errors = t.err.decode()
    answers = re.findall(r"^node\d: .$", said, re.MULTILINE)
    assert sorted(answers) == sorted(
        ["node1: a", "node2: b", "node2: c", "node1: d", "node2: d", "node2: e"]
    )
    assert "Working with nodes: node2\nLeft out by :only: node1\n" in said
    assert [line for line in errors.splitlines() if line.startswith("clsh:")] == [
        "clsh: there is no group 'node9'",
        "clsh: no command was given",
        "clsh: no nodes were given",
        "clsh: no command was given",
        "clsh: there is no group 'db'",
        "clsh: no command was given",
        "clsh: it is on or off",
        "clsh: there is no ':wrong'",
    ]
    assert ":help :nodes :only :all :fold :status :reconnect" in errors


async def test_unknown_nodes_are_named(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.says(":only node[1-4]")
        assert b"clsh: not among the nodes: node[3-4]\n  :nodes shows them\n" in t.err


async def test_help_names_every_word(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        said = await t.says(":help")
    for word in (":only", ":all", ":nodes", ":status", ":fold", ":reconnect", "quit", "!", "@"):
        assert word in said


async def test_equal_answers_can_be_folded(tmp_path: Path) -> None:
    async with talk(tmp_path, folds=True) as t:
        said = await t.says("echo same", ":fold off", "echo each", ":fold on", "echo again")
    assert "node[1-2] (2)\n---------------\nsame\n-----\n" in said
    assert "node1: each\n" in said
    assert "node[1-2] (2)\n---------------\nagain\n" in said


async def test_what_cannot_be_reached_is_named(tmp_path: Path) -> None:
    async with talk(tmp_path, faults={"node2": Faults(refuse="no route to host")}) as t:
        await t.sees("^ERROR: node2 unreachable: no route to host$")
        await t.sees("^Working with nodes: node1$")
        await t.send("@node2 true", ":nodes", ":reconnect")
        await t.sees("clsh: none of these nodes is connected")
        await t.sees("Working with nodes: node1\nNot connected: node2")
        await t.sees("ERROR: node2 unreachable")
        t.memory.faults.clear()
        await t.send(":reconnect", "echo back")
        await t.sees("Working with nodes: node1, node2\nclsh> ")
        await t.sees("node2: back")
        await t.says()
        assert await t.code() == 0


async def test_nobody_reached_is_the_end(tmp_path: Path) -> None:
    away = Faults(refuse="away")
    async with talk(tmp_path, faults={"node1": away, "node2": away}) as t:
        assert await t.code() == 13
        assert b"clsh>" not in t.out


async def test_a_node_without_a_shell_is_unreachable(tmp_path: Path) -> None:
    async with talk(tmp_path, plan=Plan(connect_timeout_s=0.2)) as t:
        await t.sees("clsh> ")
        t.memory.default = never
        t.memory.sessions.copy().pop().lose()
        await t.sees("^ERROR: node. connection lost$")
        await t.send(":reconnect")
        await t.sees("^ERROR: node. unreachable: no shell within 0.2 s$")


async def never(call: Call) -> int:
    await asyncio.sleep(1000)
    return 0


async def test_a_lost_node_is_named_at_once_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.sees("clsh> ")
        lose(t, "node2")
        await t.sees("^ERROR: node2 connection lost$")
        assert b"node2" not in t.err
        await t.send("echo on")
        await t.sees("-----\nnode1: on\n-----\nclsh> ")
        await t.says()
        assert await t.code() == 12


async def test_a_node_lost_in_the_middle_of_a_line(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.send("echo begun; sleep 0.5; echo done")
        await t.sees("node2: begun")
        lose(t, "node2")
        await t.sees(
            r"^ERROR: node2 connection lost \(after .* 1 line kept\): the connection ended$"
        )
        await t.sees("^node1: done\n-----\n")
        await t.sees(r"clsh: 1 of 2 failed: node2 \(connection lost\)")
        assert b"ERROR" not in t.err
        await t.send(":status")
        await t.sees("node1: exit 0\nnode2: lost")
        await t.says()
        assert await t.code() == 12


@pytest.mark.parametrize("line", ["", "sleep 1000"])
async def test_with_on_lost_stop_all_end(tmp_path: Path, line: str) -> None:
    async with talk(tmp_path, plan=Plan(on_lost="stop")) as t:
        await t.sees("clsh> ")
        await t.send(line)
        await t.sees("clsh> |-----")
        lose(t, "node2")
        assert await t.code() == 12
        await t.sees("ERROR: node2 connection lost")


async def test_interrupt_returns_to_the_prompt(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.send("x=1; echo begun; sleep 1031; echo after")
        await t.sees_all("node1: begun", "node2: begun")
        os.kill(os.getpid(), signal.SIGINT)
        await t.sees("-----\nclsh> ")
        await t.send("echo $x")
        await t.sees("node1: 1")
        await t.send("!echo here; sleep 1031")
        await t.sees("LOCAL: here")
        os.kill(os.getpid(), signal.SIGINT)
        await t.sees("-----\nclsh> ")
        assert "after" not in await t.says()


async def test_a_second_interrupt_kills(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.send("trap '' INT TERM; echo begun; sleep 1032")
        await t.sees_all("node1: begun", "node2: begun")
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.1)
        await t.sees(r"node1: its shell ended \(exit 137\); a new one has been started")
        await t.sees("clsh> $")
        await t.send("echo on")
        await t.sees("node1: on")


async def test_a_limit_interrupts(tmp_path: Path) -> None:
    async with talk(tmp_path, plan=Plan(timeout_s=0.3)) as t:
        await t.send("true", "sleep 1033")
        await t.sees("ERROR: node1 timed out")
        await t.sees("-----\nclsh> ")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP])
@pytest.mark.parametrize("line", ["", "sleep 1034", "!sleep 1034"])
async def test_other_signals_end_all(tmp_path: Path, signum: int, line: str) -> None:
    async with talk(tmp_path) as t:
        await t.sees("clsh> ")
        await t.send(line)
        await t.sees("clsh> |-----")
        os.kill(os.getpid(), signum)
        assert await t.code() == 128 + signum


async def test_an_interrupt_ends_a_script_that_waits(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.sees("clsh> ")
        os.kill(os.getpid(), signal.SIGINT)
        assert await t.code() == 130


@pytest.mark.parametrize(("slow", "code"), [(["node2"], 0), (["node1", "node2"], 130)])
async def test_interrupt_while_connecting(tmp_path: Path, slow: list[str], code: int) -> None:
    faults = {name: Faults(open_s=100) for name in slow}
    async with talk(tmp_path, faults=faults, plan=Plan(connect_timeout_s=100)) as t:
        await t.sees("Enter 'quit'")
        await asyncio.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        if code == 0:
            await t.sees("Working with nodes: node1\nclsh> ")
            await t.says()
        assert await t.code() == code


async def test_a_signal_while_connecting(tmp_path: Path) -> None:
    faults = {"node2": Faults(open_s=100)}
    async with talk(tmp_path, faults=faults, plan=Plan(connect_timeout_s=100)) as t:
        await t.sees("Enter 'quit'")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await t.code() == 143


async def test_what_comes_between_the_lines_is_shown(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.send("@node1 (sleep 0.2; echo late; echo err >&2) &")
        await t.sees("clsh> $")
        await t.sees("node1: late")
        await t.sees("node1: err")


async def test_a_shell_that_died_unseen_is_replaced(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.send("(sleep 0.1; kill -9 $$) &")
        await t.sees("clsh> $")
        await asyncio.sleep(0.4)
        await t.send("echo on")
        await t.sees(r"node1: its shell ended \(exit 137\); a new one has been started")
        await t.sees("node1: on")


async def test_redirections_are_said_not_to_count(tmp_path: Path) -> None:
    async with talk(tmp_path, redirected=True) as t:
        await t.says()
        assert t.err == b"Note: --out and --err are not used in interactive mode\n"


async def test_many_nodes_are_named_folded(tmp_path: Path) -> None:
    nodes = [Node(node_name(f"n{i}"), "x") for i in range(1, 21)]
    async with talk(tmp_path, nodes=nodes) as t:
        await t.sees(r"^Working with nodes: n\[1-20\]$")


async def test_a_closed_stdout_ends_quietly(tmp_path: Path) -> None:
    async with talk(tmp_path) as t:
        await t.sees("clsh> ")
        asyncio.get_running_loop().remove_reader(t._pipes[2])
        os.close(t._pipes[2])
        t._pipes[2] = os.open(os.devnull, os.O_RDONLY)
        await t.send("echo x")
        assert await t.code() == 141
        assert t.err == b""


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not come about in time")


def lose(t: Talk, name: str) -> None:
    next(session for session in t.memory.sessions if session.node.name == name).lose()
