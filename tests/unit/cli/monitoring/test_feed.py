"""The pictures that come from the manager."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base import client
from clsh.base.errors import ClshError
from clsh.base.messages import tr
from clsh.cli.monitoring.feed import FromManager, nodes_of_manager
from clsh.cli.monitoring.view import Place, View
from tests.unit.cli.monitoring.manager import ROW

if TYPE_CHECKING:
    from tests.unit.cli.monitoring.manager import FakeManager

LISTS = View(mode="processes", of=Place("lab", "node 1"))


async def test_processes_only_when_they_are_looked_at(manager: FakeManager) -> None:
    feed = FromManager()
    picture = await feed.look(View())
    assert [row.node for row in picture.nodes] == ["node1", "node2"]
    assert (picture.processes, picture.silent) == (None, {})
    picture = await feed.look(LISTS)
    assert [one.pid for one in picture.processes or ()] == [7, 8]
    assert picture.silent == {"node2": "connection lost"}
    assert manager.asked[-1] == ("/api/v1/processes", {"cluster": ["lab"], "node": ["node 1"]})


async def test_the_last_picture_stays_when_the_manager_goes(manager: FakeManager) -> None:
    feed = FromManager()
    first = await feed.look(View())
    del manager.answers["/api/v1/nodes"]
    later = await feed.look(View())
    assert (later.nodes, later.at) == (first.nodes, first.at)
    assert "no /api/v1/nodes" in later.trouble
    with pytest.raises(ClshError, match="no /api/v1/nodes"):
        await FromManager().look(View())


def test_what_to_do_when_the_manager_goes_in_the_language_of_the_person(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FromManager()
    asyncio.run(feed.look(View()))
    with monkeypatch.context() as patch:
        patch.setattr(client, "SOCKET", "none.sock")
        gone = asyncio.run(feed.look(View()))
        assert gone.trouble == "no manager runs; start one: cl up"
        patch.setenv("LC_ALL", "ko_KR.UTF-8")
        said = tr("no manager runs")
        assert asyncio.run(feed.look(View())).trouble.startswith(f"{said}; ")


def test_what_a_lost_node_did_last_is_not_told_as_now(manager: FakeManager) -> None:
    manager.answers["/api/v1/nodes"] = {"nodes": [ROW | {"state": "lost", "reason": "gone"}]}
    (row,) = nodes_of_manager()
    assert (row.state, row.reason) == ("lost", "gone")
    known = (row.load, row.cores, row.cpu, row.memory, row.memory_total, row.net_in, row.disk)
    assert known == (None,) * 7


def test_an_answer_of_another_shape_has_no_nodes(manager: FakeManager) -> None:
    answers: list[object] = [[], {"nodes": "x"}, {}]
    for answer in answers:
        manager.answers["/api/v1/nodes"] = answer
        assert nodes_of_manager() == []
