"""What `cl doctor` finds on the nodes."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest

from clsh.manager.doctor import nodes
from clsh.nodes.model import Node, node_name
from clsh.remote.transports.memory import Faults, Memory, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.manager.doctor.finding import Finding
    from clsh.remote.transports.memory import Call, Program


def healthy(ahead_s: float = 0.0, said: str = "Linux {at}") -> Program:
    """A node that answers, after what its start-up files say."""

    async def program(call: Call) -> int:
        text = said.format(at=int(time.time() + ahead_s))
        await call.write("stdout", f"Welcome! <b>\n<clsh {text} clsh>\n".encode())
        await call.write("stderr", b"<clsh nonsense clsh>\n")
        return 0

    return program


async def look(
    programs: Mapping[str, Program], faults: Mapping[str, Faults] | None = None
) -> list[Finding]:
    names = [*programs, *(name for name in faults or {} if name not in programs)]
    asked = [Node(node_name(name), name) for name in names]
    return await nodes.look(Memory(programs, faults, healthy()), asked, 0.5)


async def test_all_are_well() -> None:
    (found,) = await look({f"n{number}": healthy() for number in range(1, 41)})
    assert (found.where, found.grade) == ("n[1-40]", "ok")


async def test_each_trouble_is_told_with_all_its_nodes() -> None:
    found = await look(
        {
            "n1": healthy(),
            "n2": answer(b"sh: not found\n", status=127),
            "n3": answer(b"\xff" * 200_000),
            "n4": healthy(said="Linux {at} /proc/diskstats awk"),
            "n5": healthy(said="Darwin {at} /proc/stat"),
        },
        {
            "k1": Faults(refuse="host key not known (ED25519 key SHA256:a)"),
            "k2": Faults(refuse="host key not known (ED25519 key SHA256:b)"),
            "p1": Faults(refuse="Permission denied (publickey)"),
            "r1": Faults(refuse="connection\n refused"),
            "t1": Faults(open_s=math.inf),
        },
    )
    told = {one.where: (one.grade, one.text, one.mend) for one in found}
    assert told["k[1-2]"] == (
        "bad",
        "host key not known",
        "clsh -h k[1-2] true, as the user of the manager; it records the keys",
    )
    assert told["n[2-3]"][1] == "no POSIX shell: sh does not answer"
    assert told["n4"][1] == "Linux without /proc/diskstats, awk: not all metrics can be read"
    assert "another" in told["n5"][2]
    assert told["p1"][1:] == (
        "Permission denied (publickey)",
        "ssh-copy-id p1, or identity = in clsh.toml",
    )
    assert told["r1"][1] == "connection refused"
    assert "timed out" in told["t1"][1]
    assert found[-1].where == "n1"
    assert found[-1].grade == "ok"


async def test_a_node_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_TIMEOUT_S", 0.1)
    (found,) = await look({"n1": answer(delay_s=math.inf)})
    assert (found.grade, found.text) == ("bad", "no answer within 0.1 s")


async def test_a_node_that_is_lost_while_it_answers() -> None:
    (found,) = await look({"n1": healthy()}, {"n1": Faults(lose_after_bytes=10)})
    assert found.grade == "bad"
    assert found.mend == "ssh n1 true shows more"


@pytest.mark.parametrize(("ahead_s", "side"), [(3600.0, "ahead"), (-3600.0, "behind")])
async def test_a_clock_that_is_wrong(ahead_s: float, side: str) -> None:
    found = await look({"n1": healthy(ahead_s), "n2": healthy(), "n3": healthy()})
    assert [(one.where, one.grade) for one in found] == [("n1", "bad"), ("n[2-3]", "ok")]
    assert f"s {side}" in found[0].text


async def test_our_own_clock_is_wrong() -> None:
    found = await look({f"n{number}": healthy(3600) for number in range(1, 4)})
    assert [(one.where, one.grade) for one in found] == [("manager", "bad"), ("n[1-3]", "ok")]
