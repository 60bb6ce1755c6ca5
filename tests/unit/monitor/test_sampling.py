from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeError, NodeLostError
from clsh.monitor import sampling
from clsh.monitor.proc.parse import FieldError
from clsh.monitor.sampling import Sampler
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from clsh.remote.transports.memory import Faults, Memory, answer
from tests.support.clocks import hastily
from tests.support.proc import DATA, FakeNode, Played

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from clsh.remote.transports.memory import Call, Program

GREETING = b"clsh monitor\nB 1700000000\nP 4\nY\nI Linux 6.1.0 x86_64\nR\n"
ANSWER = "S cpu  1 1 1 1\nL 0.5 0.4 0.3 1/9 9\nU 9.0\nM MemTotal: 8\n"


@contextlib.asynccontextmanager
async def sampling_of(program: Program, faults: Faults | None = None) -> AsyncIterator[Sampler]:
    """A sampler of a node in memory."""
    transport = Memory({"n1": program}, {"n1": faults} if faults else None)
    session = await transport.open(Node(node_name("n1"), "n1"), 5)
    sampler = Sampler(session)
    try:
        yield sampler
    finally:
        await sampler.aclose()


def answering(reply: Callable[[Call, str], Awaitable[None]], greeting: bytes = GREETING) -> Program:
    """Make a program that calls `reply` with each request."""

    async def program(call: Call) -> int:
        pieces = aiter(call.stdin)
        await anext(pieces)
        await call.write("stdout", greeting)
        async for request in pieces:
            await reply(call, request.decode().strip())
        return 0

    return program


def test_values_and_rates() -> None:
    async def main() -> None:
        async with sampling_of(Played()) as sampler:
            first = await sampler.sample()
            assert "bytes_in" not in first
            assert (first["cpu_num"], first["disk_total"]) == (4, 1000 * 1024)
            await asyncio.sleep(1)
            second = await sampler.sample()
            assert (second["bytes_in"], second["cpu_user"]) == (1000, 25)
            assert second["disk_total"] == first["disk_total"]  # not asked again so soon

    hastily(main())


def test_what_the_login_shell_prints_is_no_answer() -> None:
    async def reply(call: Call, request: str) -> None:
        number = request.split()[0]
        old = f"{ANSWER}. {int(number) - 1}\n"  # of a request that was given up
        await call.write("stdout", f"{old}{ANSWER}. {number}\r\n".encode())

    async def main() -> None:
        greeting = b"Welcome!\nR\n. 1\nZ Solaris\n" + GREETING
        async with sampling_of(answering(reply, greeting)) as sampler:
            for _ in range(2):
                assert (await sampler.sample())["load_one"] == 0.5

    hastily(main())


def test_one_bad_answer_is_no_end() -> None:
    load = ["x", "0.5", "0.5"]

    async def reply(call: Call, request: str) -> None:
        bad = ANSWER.replace("0.5", load.pop(0))
        await call.write("stdout", f"{bad}. {request.split()[0]}\n".encode())

    async def main() -> None:
        async with sampling_of(answering(reply)) as sampler:
            with pytest.raises(FieldError, match="load_one"):
                await sampler.sample()
            assert "cpu_user" not in await sampler.sample()
            assert (await sampler.sample())["load_one"] == 0.5

    hastily(main())


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (answer(b"clsh monitor\nZ SunOS\n"), r"it has no /proc \(SunOS\)"),
        (answer(b"clsh monitor\nZ \n"), r"it has no /proc \(an unknown system\)"),
        (answer(b"hello\n", b"sh: not found\n", 127), r"ended \(exit 127\): sh: not found"),
        (answer(), r"its shell ended \(exit 0\)"),
        (answer(b"x" * (1 << 19)), "its answer is too long"),
        (answer(GREETING + b"X junk\n" * (1 << 17)), "its answer is too long"),
    ],
)
def test_why_a_node_cannot_be_sampled(program: Program, why: str) -> None:
    async def main() -> None:
        async with sampling_of(program) as sampler:
            for _ in range(2):  # and it stays so
                with pytest.raises(NodeError, match=why):
                    await sampler.sample()

    hastily(main())


def test_a_node_that_is_lost() -> None:
    async def main() -> None:
        async with sampling_of(Played(), Faults(lose_after_s=1)) as sampler:
            await sampler.sample()
            await asyncio.sleep(2)
            with pytest.raises(NodeLostError):
                await sampler.sample()

    hastily(main())


def test_who_closed_it_can_sample_no_more() -> None:
    async def main() -> None:
        never = Played()
        never.hangs = True
        async with sampling_of(never) as sampler:
            await sampler.aclose()  # nothing runs yet
            waiting = asyncio.create_task(sampler.sample())
            await asyncio.sleep(1)
            await sampler.aclose()
            with pytest.raises(NodeError, match="not sampled any more"):
                await waiting
            with pytest.raises(NodeError, match="not sampled any more"):
                await sampler.sample()
        async with sampling_of(Played()) as sampler:
            await sampler.sample()
            await sampler.aclose()
            assert (await sampler.running).status == 0  # it ended by itself

    hastily(main())


def test_tools_that_hang_are_asked_once_told_and_their_old_answer_forgotten() -> None:
    asked: list[str] = []

    async def reply(call: Call, request: str) -> None:
        asked.append(request)
        gpus = b"G 0, 50, 1, 2, 30, 100\n, g\n" if " g" in request and len(asked) == 1 else b""
        await call.write("stdout", f"{ANSWER}. {request.split()[0]}\n".encode() + gpus)

    async def main() -> None:
        async with sampling_of(answering(reply)) as sampler:
            await sampler.sample()
            said: list[tuple[object, object]] = []
            for _ in range(30):
                await asyncio.sleep(15)
                values = await sampler.sample()
                said.append((values.get("gpu0_util"), values.get("collector_problem", "")))
            assert said[0] == (50, "")
            gpu, problem = said[-1]
            assert gpu is None
            assert "df has not answered for 450 s" in str(problem)
            assert "nvidia-smi has not answered for 420 s" in str(problem)
            assert sampler.metrics["collector_problem"].type == "string"
        assert [one for one in asked if " d" in one] == ["1 d g"]
        assert [one for one in asked if " g" in one] == ["1 d g", "3 g"]

    hastily(main())


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    """A node with files of its own, run by a real shell."""
    node = FakeNode(tmp_path / "node")
    monkeypatch.setattr(sampling, "script", lambda _: node.script())
    monkeypatch.setattr(sampling, "COMMAND", f"PATH={node.folder}/bin:$PATH exec /bin/sh -s")
    return node


@contextlib.asynccontextmanager
async def really(node: FakeNode) -> AsyncIterator[Sampler]:
    session = await local.build(TransportOptions()).open(Node(node_name("n1"), "n1"), 5)
    sampler = Sampler(session, str(node.drop))
    try:
        yield sampler
    finally:
        await sampler.aclose()
        await session.aclose()


async def test_gpus_by_a_recorded_nvidia_smi(fake: FakeNode) -> None:
    fake.tool("nvidia-smi", f"cat {DATA}/nvidia-smi-a100.csv")
    async with really(fake) as sampler:
        values = await sampler.sample()
        async with asyncio.timeout(10):
            while "gpu_num" not in values:
                values = await sampler.sample()
    told = {name: value for name, value in values.items() if name.startswith("gpu0")}
    assert told.keys() == {
        f"gpu0_{one}" for one in ("util", "mem_used", "mem_total", "temp", "power")
    }
    assert "collector_problem" not in values


async def test_hostile_drops_are_data(fake: FakeNode, tmp_path: Path) -> None:
    """Names and contents that would do something, if the shell or we took them for more."""
    fake.drop.mkdir()
    touched = tmp_path / "touched"
    for name in ("$(touch x)", "a b", ".hidden", "line\nbreak", "back`tick`", "x.tmp", "ü"):
        (fake.drop / name).write_text("stranger 1\n")
    (fake.drop / "-n").write_text("no_option 1\n")
    (fake.drop / "folder").mkdir()
    (fake.drop / "away").symlink_to("/nowhere")
    (fake.drop / "big").write_text("big_one 1\n" + "# filler\n" * 100_000 + "big_two 2\n")
    (fake.drop / "binary").write_bytes(bytes(range(256)) * 20)
    (fake.drop / "evil").write_text(
        f"$(touch {touched}) 1\n`touch {touched}` 2\n. 1\nR\nS cpu 0 0 0 0\nL 9 9 9 9/9 9\n"
        "load_one 99\n==> fake <==\nclsh monitor\nZ Hurd\n* 3\n\\n 4\n%s 5\nevil 6 <b>\n, d\n"
    )
    (fake.drop / "good").write_text("room_temp 21.5 °C\n")
    async with really(fake) as sampler:
        values = await sampler.sample()
        again = await sampler.sample()
    expected = (fake.proc / "loadavg").read_text().split()[0]
    assert values["load_one"] == again["load_one"] == float(expected)
    custom = {name for name, metric in sampler.metrics.items() if metric.group == "custom"}
    assert custom == {"big_one", "evil", "no_option", "room_temp", "L"}
    assert sampler.metrics["room_temp"].units == "°C"
    assert sampler.metrics["evil"].units == "<b>"
    assert str(fake.drop) in str(again["collector_problem"])
    assert not await asyncio.to_thread(touched.exists)


async def test_a_drop_that_is_no_file_holds_nothing_up(fake: FakeNode) -> None:
    fake.drop.mkdir()
    os.mkfifo(fake.drop / "pipe")
    (fake.drop / "zero").symlink_to("/dev/zero")
    (fake.drop / "good").write_text("room_temp 21.5\n")
    async with asyncio.timeout(10), really(fake) as sampler:
        assert (await sampler.sample())["room_temp"] == 21.5
