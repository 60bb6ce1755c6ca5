"""The sweep: its scripts run below a real sshd, by several shells, with /proc and without."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from clsh.remote import sweep
from clsh.remote.transport import Command, Exit
from clsh.remote.transports.asyncssh import build
from tests.support.sshd import sshd
from tests.unit.remote.transports.sinks import Kept, run, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sshd import Sshd

__all__ = ["sshd"]

SHELLS = [name for name in ("dash", "bash", "busybox sh") if shutil.which(name.split()[0])]


def by_shell(shell: str) -> Callable[[str], str]:
    return lambda script: script.replace("/bin/sh", f"/usr/bin/env {shell}")


def without_proc(script: str) -> str:
    """As on a system that has no /proc: only ps tells."""
    return script.replace("/proc/", "/nowhere/")


WAYS = [*(pytest.param(by_shell(s), id=s) for s in SHELLS), pytest.param(without_proc, id="ps")]


@pytest.mark.parametrize("way", WAYS)
async def test_one_command_of_three_is_found_and_ended(
    sshd: Sshd, way: Callable[[str], str]
) -> None:
    transport = build(sshd.options())
    session = await transport.open(sshd.node(), 10)
    lines = [f"sleep 300{n} & echo up; wait" for n in range(3)]
    sinks = [Kept() for _ in lines]
    tasks = [
        asyncio.create_task(session.run(Command(line), sink))
        for line, sink in zip(lines, sinks, strict=True)
    ]
    assert await until(lambda: all(sink.out for sink in sinks))
    how, output = await run(session, way(sweep.listing()))
    assert how.code == 0
    pids = sweep.parse(b"a line of some .bashrc\n" + output)
    assert len(pids) == 3
    middle = sweep.pick(pids, 1, 3)
    assert (await run(session, way(sweep.script("TERM", middle))))[0].code == 0
    assert (await asyncio.wait_for(tasks[1], 5)).signal == "TERM"
    await asyncio.sleep(0.05)
    assert not tasks[0].done()
    assert not tasks[2].done()
    younger = Kept()
    sweeping = asyncio.create_task(run(session, f"sleep 0.3; {way(sweep.script('HUP'))}"))
    await asyncio.sleep(0.1)
    spared = asyncio.create_task(session.run(Command("sleep 0.6; echo spared"), younger))
    await sweeping
    for task in (tasks[0], tasks[2]):
        assert await asyncio.wait_for(task, 5) == Exit(signal="HUP")
    how = await spared
    if way is not without_proc:
        assert (how.code, younger.out) == (0, b"spared\n")
    await session.aclose()
    await transport.aclose()


def test_without_sshd_above_nothing_is_done() -> None:
    with subprocess.Popen(["sleep", "60"]) as beside:
        done = subprocess.run(["sh", "-c", sweep.script("KILL")], check=False)
        assert done.returncode == sweep.NOT_UNDER_SSHD
        assert beside.poll() is None
        beside.terminate()


def test_what_is_younger_than_the_listing_does_not_count() -> None:
    output = b"clsh command 30 7\nclsh self 20 9\nclsh command 20 8\nclsh command 10 99\n"
    assert sweep.parse(output) == [99, 8]
    assert sweep.parse(b"clsh command 10 7\n") == []
    assert sweep.parse(b"clsh command x 7\nclsh command 1 -7\nclsh self 2 3\n") == []


def test_another_count_means_to_ask_again() -> None:
    assert sweep.pick([5, 6], 1, 2) == 6
    assert sweep.pick([5, 6], 1, 3) is None
    assert sweep.pick([5, 6], 2, 2) is None
    assert sweep.pick([], 0, 0) is None
