"""clsh from Python: results by node, streams, kept sessions, with and without a loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

import clsh
from clsh import Cluster, Output, Result, Results, cluster
from clsh.base.errors import (
    DeadlineError,
    NodeError,
    NodeLostError,
    SomeFailedError,
    UnreachableError,
    UsageError,
)
from clsh.nodes.model import Node, node_name
from clsh.remote.transports.memory import Call, Faults, Memory, answer

if TYPE_CHECKING:
    from pathlib import Path

    from blockbuster import BlockBuster

NODES = [Node(node_name(f"n{i}"), f"n{i}") for i in range(4)]


async def cat(call: Call) -> int:
    async for data in call.stdin:
        await call.write("stdout", data)
    return 0


async def sleeps(call: Call) -> int:
    await call.write("stdout", b"begun\n")
    await asyncio.sleep(1000)
    return 0


async def test_results_by_node() -> None:
    memory = Memory({"n1": answer(b"out\n\n", b"err", status=3)})
    async with Cluster(NODES, transport=memory) as nodes:
        results = await nodes.run("uname")
        assert list(results) == ["n0", "n1", "n2", "n3"]
        assert len(results) == 4
        assert results["n0"].ok
        assert results["n0"].stdout == b"uname\n"
        assert results["n0"].text == "uname"
        one = results["n1"]
        assert (one.status, one.stdout, one.stderr, one.text) == (3, b"out\n\n", b"err", "out")
        assert 0 <= one.seconds < 5
        assert (one.ok, results.ok, results.failed) == (False, False, ["n1"])
        assert "n1" in repr(results)
    assert not memory.sessions


async def test_sessions_are_kept() -> None:
    memory = Memory()
    async with Cluster(NODES, transport=memory) as nodes:
        for _ in range(3):
            assert (await nodes.run("true")).ok
        await asyncio.gather(nodes.run("a"), nodes.run("b"))
        assert memory.opened == 4
        next(iter(memory.sessions)).lose()
        assert (await nodes.run("true")).check().ok, "the lost one is connected to again"
        assert memory.opened == 5


async def test_an_argv_is_quoted_and_variables_are_set() -> None:
    memory = Memory()
    async with Cluster(NODES[:1], transport=memory) as nodes:
        assert (await nodes.run(["echo", "a b"]))["n0"].text == "echo 'a b'"
        line = (await nodes.run("id", env={"A": "x y"}))["n0"].text
        assert line.endswith(" sh id")
        assert "export A=" in line


async def test_input_is_given_to_each() -> None:
    async with Cluster(NODES, transport=Memory(default=cat)) as nodes:
        results = await nodes.run("cat", stdin=b"data")
        assert {result.stdout for result in results.values()} == {b"data"}


async def test_errors_have_types() -> None:
    faults = {"n0": Faults(refuse="no route"), "n1": Faults(lose_after_s=0.02)}
    memory = Memory({"n1": sleeps, "n2": sleeps}, faults, default=answer(status=4))
    async with Cluster(NODES, transport=memory) as nodes:
        results = await nodes.run("x", timeout_s=0.1)
    kinds = (UnreachableError, NodeLostError, DeadlineError, NodeError)
    for name, kind in zip(results, kinds, strict=True):
        with pytest.raises(kind) as caught:
            results[name].check()
        assert caught.value.node == name
    assert results["n1"].stdout == b"begun\n"
    assert results["n1"].status is None
    with pytest.raises(NodeError, match="n3 failed: exit 4"):
        results["n3"].check()
    with pytest.raises(SomeFailedError, match=r"4 of 4 failed: n\[0-3\]"):
        results.check()


async def test_one_lost_node_ends_all() -> None:
    memory = Memory(default=sleeps, faults={"n1": Faults(lose_after_s=0.02)})
    async with Cluster(NODES, transport=memory) as nodes:
        results = await nodes.run("x", on_lost="stop")
    assert [result.state for result in results.values()] == ["stopped", "lost"] + ["stopped"] * 2
    with pytest.raises(NodeError, match="n0 failed: stopped"):
        results["n0"].check()


async def test_endless_output_fails_its_node() -> None:
    async def floods(call: Call) -> int:
        while True:
            await call.write("stderr", b"x" * 1000)

    async with Cluster(NODES, transport=Memory({"n2": floods})) as nodes:
        results = await nodes.run("x", most_output=100_000)
    assert results.failed == ["n2"]
    assert "100,000 bytes" in results["n2"].reason
    assert "stream" in results["n2"].hint
    assert len(results["n2"].stderr) <= 101_000


async def test_a_stream_gives_output_as_it_comes() -> None:
    gate = asyncio.Event()

    async def slow(call: Call) -> int:
        await call.write("stdout", b"one\n")
        await gate.wait()
        await call.write("stderr", b"two\n")
        return 3

    async with Cluster(NODES[:1], transport=Memory(default=slow)) as nodes:
        events = nodes.stream("x")
        assert await anext(events) == Output("n0", "stdout", b"one\n")
        gate.set()
        assert await anext(events) == Output("n0", "stderr", b"two\n")
        last = await anext(events)
        assert isinstance(last, Result)
        assert (last.status, last.stdout, last.state) == (3, b"", "done")
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_who_reads_a_stream_slowly_slows_the_nodes() -> None:
    written = 0

    async def floods(call: Call) -> int:
        nonlocal written
        for _ in range(500):
            await call.write("stdout", bytes(65536))
            written += 65536
        return 0

    async with Cluster(NODES, transport=Memory(default=floods)) as nodes:
        got = 0
        async for event in nodes.stream("x"):
            if isinstance(event, Output):
                got += len(event.data)
                assert written - got <= 2 * 1024 * 1024
            await asyncio.sleep(0)
    assert got == written == 4 * 500 * 65536


async def test_leaving_a_stream_ends_the_command() -> None:
    memory = Memory(default=sleeps)
    async with Cluster(NODES, transport=memory) as nodes:
        async with contextlib.aclosing(nodes.stream("x")) as events:
            async for _ in events:
                break
        assert not any(session._running for session in memory.sessions)
        assert len(memory.sessions) == 4, "the sessions stay"


async def test_leaving_the_cluster_ends_what_runs() -> None:
    memory = Memory(default=sleeps)
    began = time.monotonic()
    async with Cluster(NODES, transport=memory) as nodes:
        running = asyncio.create_task(nodes.run("x"))
        await asyncio.sleep(0.02)
    assert {result.state for result in (await running).values()} == {"stopped"}
    assert time.monotonic() - began < 5
    assert not memory.sessions


async def test_a_cancel_ends_the_command() -> None:
    memory = Memory(default=sleeps)
    async with Cluster(NODES, transport=memory) as nodes:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await nodes.run("x")
        assert not any(session._running for session in memory.sessions)
        assert not nodes._running


async def test_a_cluster_that_is_not_open() -> None:
    with pytest.raises(UsageError, match="not open"):
        await Cluster(NODES).run("x")


async def test_sudo_wraps_the_command() -> None:
    memory = Memory()
    async with Cluster(NODES[:1], transport=memory) as nodes:
        result = (await nodes.run("id", sudo="root", sudo_password="secret"))["n0"]
    assert (result.state, result.status) == ("failed", None)
    assert "exec sudo" in memory.ran[0][1]
    assert "secret" not in memory.ran[0][1]


# Names.


async def test_nodes_are_named_as_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "clsh.toml"
    config.write_text('[nodes.web1]\n[nodes.web2]\nport = 2222\n[groups]\nweb = "web[1-2]"\n')
    monkeypatch.setenv("CLSH_CONFIG", str(config))
    asked: list[str | Node] = ["n[1-2],bob@x", "@web", NODES[1], NODES[0]]
    async with Cluster(asked, user="alice", transport=Memory()) as nodes:
        found = {node.name: (node.user, node.port) for node in nodes.nodes}
    assert found == {
        "n1": ("alice", None),
        "n2": ("alice", None),
        "x": ("bob", None),
        "web1": ("alice", None),
        "web2": ("alice", 2222),
        "n0": (None, None),
    }


async def test_a_hostile_name() -> None:
    with pytest.raises(UsageError):
        await Cluster("-oProxyCommand=id").__aenter__()


async def test_one_node_is_enough() -> None:
    async with Cluster(NODES[0], transport=Memory()) as nodes:
        assert nodes.nodes == (NODES[0],)


# Without async.


def test_run_without_a_loop() -> None:
    results = clsh.run(NODES, "uname", transport=Memory(), window=2, timeout_s=5)
    assert isinstance(results, Results)
    assert [result.text for result in results.values()] == ["uname"] * 4


async def test_run_within_a_loop(blocked_loop_fails: BlockBuster) -> None:
    blocked_loop_fails.deactivate()  # it is to block, the docstring says so
    assert clsh.run(NODES, "uname", transport=Memory()).ok
    with pytest.raises(UsageError):
        clsh.run("-bad", "uname", transport=Memory())


async def test_an_interrupt_within_a_loop_ends_the_command(
    blocked_loop_fails: BlockBuster,
) -> None:
    blocked_loop_fails.deactivate()
    memory = Memory(default=sleeps)
    main = threading.main_thread().ident
    assert main is not None
    interrupt = threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt.start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            clsh.run(NODES, "x", transport=memory)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 5
    assert not memory.sessions


def test_on_this_machine() -> None:
    results = clsh.run("local://", ["printf", "%s|", "a b", "it's", "$HOME"])
    assert results["local"].check().text == "a b|it's|$HOME|"
    assert clsh.run("local://", "cat; exit 3", stdin=b"in")["local"].status == 3


# Loaded when it is used.


def test_the_version_costs_nothing() -> None:
    code = "import clsh, sys; clsh.__version__; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_names_are_there() -> None:
    for name in ("Cluster", "Output", "Result", "Results", "run"):
        assert getattr(clsh, name) is getattr(cluster, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        clsh.nothing  # noqa: B018 - the look-up is what is tested
