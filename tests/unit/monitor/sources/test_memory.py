from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.model import Sample, Silent
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import memory
from clsh.monitor.sources.memory import Faults
from clsh.nodes.model import Node, node_name
from tests.support.clocks import Hasty, hastily

if TYPE_CHECKING:
    from clsh.monitor.model import News


def made() -> memory.Memory:
    nodes = [("c", Node(node_name(name), name)) for name in ("n1", "n2")]
    return memory.build(SourceContext(Hasty(), 15, "grid", nodes=nodes))


def heard(source: memory.Memory, seconds: float) -> list[News]:
    async def main() -> list[News]:
        found: list[News] = []
        task = asyncio.create_task(source.run(found.append))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait({task})
        return found

    return hastily(main())


def test_each_node_tells_its_values_each_interval() -> None:
    source = made()
    source.values["c", "n1"] = {"answer": 42.0}
    found = heard(source, 60)
    told = [one for one in found if isinstance(one, Sample) and one.node == "n1"]
    assert 4 <= len(told) <= 5
    assert told[0].values == {"answer": 42.0}
    (usual, *_) = [one for one in found if isinstance(one, Sample) and one.node == "n2"]
    assert usual.values["os_name"] == "Linux"


def test_nodes_fail_as_they_are_told_to() -> None:
    source = made()
    source.faults["c", "n1"] = Faults(silent="gone", lost=False)
    source.faults["c", "n2"] = Faults(late_s=3)
    found = heard(source, 10)
    assert isinstance(found[0], Silent)
    assert (found[0].reason, found[0].lost) == ("gone", False)
    assert isinstance(found[1], Sample)
    source.broken = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        hastily(source.run(found.append))


def test_who_is_hurried_tells_every_second() -> None:
    source = made()
    source.hurry({("c", "n1")})
    names = [one.node for one in heard(source, 20) if isinstance(one, Sample)]
    assert names.count("n1") >= 19
    assert names.count("n2") <= 2
