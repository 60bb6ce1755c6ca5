"""Live updates, a viewer at a time; many at once are in tests/fault/test_viewers.py."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clsh.monitor.model import Silent
from clsh.web.live import Live
from tests.support.web import Browser, a_monitor, an_app, tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Viewer:
    """The browser's end of a WebSocket, without a network."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[Any] = asyncio.Queue()
        self.to_viewer: asyncio.Queue[Any] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()
        self.aborted = asyncio.Event()
        self.broken = False

    def look(self, **wanted: Any) -> None:
        self.say(json.dumps({"version": 0, **wanted}))

    def say(self, text: str) -> None:
        self.to_server.put_nowait({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        async with asyncio.timeout(10):
            message = await self.to_viewer.get()
        assert message["type"] == "websocket.send"
        assert len(message["text"]) < 3000
        return json.loads(message["text"])

    async def closed(self) -> tuple[int, str]:
        async with asyncio.timeout(10):
            while (message := await self.to_viewer.get())["type"] != "websocket.close":
                pass
        return message["code"], message["reason"]

    async def send(self, message: Any) -> None:
        await self.reading.wait()
        if self.broken:
            raise OSError
        self.to_viewer.put_nowait(message)

    def abort(self) -> None:
        self.aborted.set()


@asynccontextmanager
async def viewing(app: Any) -> AsyncIterator[Viewer]:
    viewer = Viewer()
    scope = Browser(app).scope("websocket", "/live", {})
    scope |= {"scheme": "ws", "subprotocols": [], "state": {"abort": viewer.abort}}
    viewer.to_server.put_nowait({"type": "websocket.connect"})
    serving = asyncio.create_task(app(scope, viewer.to_server.get, viewer.send))
    assert (await viewer.to_viewer.get())["type"] == "websocket.accept"
    try:
        yield viewer
    finally:
        viewer.reading.set()
        viewer.to_server.put_nowait({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(10):
            await serving


def a_live(monitor: Any, **given: Any) -> tuple[Live, Any]:
    live = Live(monitor, **{"pace_s": 0.01, **given})
    return live, an_app(monitor, live=live)


async def test_the_grid_is_told_whole_and_again_when_it_changes() -> None:
    monitor = a_monitor()
    tell(monitor, "n1", load_one=2.0)
    live, app = a_live(monitor)
    async with viewing(app) as viewer:
        viewer.look(page="grid", metric="load_one")
        first = await viewer.hear()
        assert (first["page"], first["version"]) == ("grid", monitor.grid.version)
        assert (first["up"], first["new"], first["alerts"]) == (1, 2, 0)
        assert first["clusters"] == [
            ["red", 1, 0, 2, first["clusters"][0][4], 4.0, 2.0, 0.5, 25.0, 2e9, 8e9]
        ]
        assert first["columns"][:4] == ["name", "up", "lost", "new"]
        assert list(base64.b64decode(first["heat"]["cells"])) == [50, 254, 254]
        tell(monitor, "n10", load_one=4.0)
        second = await viewer.hear()
        assert second["up"] == 2
        assert list(base64.b64decode(second["heat"]["cells"])) == [50, 254, 100]
        assert live.viewers == 1
    assert live.viewers == 0


@pytest.mark.parametrize("version", [0, 10**9])
async def test_who_has_nothing_or_the_version_of_another_manager_gets_everything(
    version: int,
) -> None:
    _, app = a_live(a_monitor())
    async with viewing(app) as viewer:
        viewer.look(page="grid", version=version)
        told = await viewer.hear()
        assert told["new"] == 3
        assert "heat" not in told
        viewer.look(page="cluster", cluster="red", version=version)
        assert len((await viewer.hear())["rows"]) == 3


async def test_a_viewer_who_has_the_newest_waits() -> None:
    monitor = a_monitor()
    tell(monitor, "n1")
    _, app = a_live(monitor)
    async with viewing(app) as viewer:
        viewer.look(page="grid", version=monitor.grid.version)
        await asyncio.sleep(0.05)
        assert viewer.to_viewer.empty()
        tell(monitor, "n2")
        assert (await viewer.hear())["up"] == 2


async def test_a_cluster_tells_the_rows_that_changed() -> None:
    monitor = a_monitor()
    tell(monitor, "n1")
    tell(monitor, "n2")
    _, app = a_live(monitor)
    async with viewing(app) as viewer:
        viewer.look(page="cluster", cluster="red", metric="cpu_idle")
        first = await viewer.hear()
        assert [row[0] for row in first["rows"]] == ["n1", "n2", "n10"]
        assert len(first["columns"]) == len(first["rows"][0])
        tell(monitor, "n2", load_one=3.5)
        second = await viewer.hear()
        (row,) = second["rows"]
        named = dict(zip(second["columns"], row, strict=True))
        assert (named["name"], named["load_one"], named["state"]) == ("n2", 3.5, "up")
        assert second["order"] == first["order"]
        assert second["heat"]["high"] == 100.0
        monitor.grid.hear(Silent("red", "n1", monitor.clock.unix(), "gone"))
        third = await viewer.hear()
        assert [row[3:5] for row in third["rows"]] == [["lost", "gone"]]
        assert (third["up"], third["lost"]) == (1, 1)


async def test_who_missed_some_messages_gets_all_that_changed_since() -> None:
    monitor = a_monitor()
    _, app = a_live(monitor)
    async with viewing(app) as quick, viewing(app) as slow:
        for viewer in (quick, slow):
            viewer.look(page="cluster", cluster="red")
            await viewer.hear()
        slow.reading.clear()
        for name in ("n1", "n2", "n10"):
            tell(monitor, name)
            assert [row[0] for row in (await quick.hear())["rows"]] == [name]
        slow.reading.set()
        heard = [row[0] for _ in range(2) for row in (await slow.hear())["rows"]]
        assert heard == ["n1", "n2", "n10"]


async def test_a_node_tells_its_values() -> None:
    monitor = a_monitor()
    tell(monitor, "n1", load_one=1.5, odd=float("nan"))
    _, app = a_live(monitor)
    async with viewing(app) as viewer:
        viewer.look(page="node", cluster="red", node="n1")
        first = await viewer.hear()
        assert first["values"]["load_one"] == 1.5
        assert first["values"]["os_name"] == "Linux"
        assert first["heard_at"] == pytest.approx(monitor.clock.unix(), abs=30)
        tell(monitor, "n1", load_one=2.5)
        assert (await viewer.hear())["values"]["load_one"] == 2.5


async def test_what_goes_while_it_is_watched_is_gone() -> None:
    monitor = a_monitor()
    tell(monitor, "x1", cluster="guests")
    _, app = a_live(monitor)
    async with viewing(app) as cluster, viewing(app) as node:
        cluster.look(page="cluster", cluster="guests")
        node.look(page="node", cluster="guests", node="x1")
        assert (await cluster.hear())["up"] == 1
        await node.hear()
        del monitor.grid.clusters["guests"]
        tell(monitor, "n1")
        assert (await cluster.hear())["gone"] is True
        assert (await node.hear())["gone"] is True


async def test_few_nodes_are_heard_every_second_while_somebody_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor = a_monitor({"red": ["n1", "n2"], "big": [f"m{n}" for n in range(51)]})
    hurried: list[Any] = []
    monkeypatch.setattr(monitor.grid, "hurry", hurried.append)
    live, app = a_live(monitor)
    async with viewing(app) as one, viewing(app) as two:
        for viewer in (one, two):
            viewer.look(page="cluster", cluster="red")
            await viewer.hear()
        red = {("red", "n1"), ("red", "n2")}
        assert hurried == [red]
        one.look(page="node", cluster="big", node="m7")
        await one.hear()
        assert hurried[-1] == {*red, ("big", "m7")}
        two.look(page="grid")  # too many
        await asyncio.sleep(0.05)
        assert hurried[-1] == {("big", "m7")}
        one.look(page="cluster", cluster="big")  # too many
        await asyncio.sleep(0.05)
        assert hurried[-1] == set()
    assert live.viewers == 0


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("{", "JSON"),
        ("[" * 2000, "JSON"),
        ("[]", "JSON object"),
        ('{"page": "jobs"}', "grid, cluster, node"),
        ('{"page": "grid", "version": "1"}', "whole number"),
        ('{"page": "grid", "version": -1}', "whole number"),
        ('{"page": "cluster", "cluster": 5}', "texts"),
        ('{"page": "cluster", "cluster": "' + "x" * 257 + '"}', "256 characters"),
        ('{"page": "cluster", "cluster": "rad"}', "did you mean 'red'?"),
        ('{"page": "node", "cluster": "red", "node": "n3"}', "there is no node 'n3'"),
        ('{"page": "cluster", "cluster": "red", "metric": "wind"}', "there is no metric 'wind'"),
    ],
)
async def test_a_wish_that_cannot_be_ends_with_a_reason(said: str, reason: str) -> None:
    _, app = a_live(a_monitor())
    async with viewing(app) as viewer:
        viewer.say(said)
        code, told = await viewer.closed()
        assert code == 1008
        assert reason in told


async def test_a_long_reason_is_cut() -> None:
    _, app = a_live(a_monitor({"é" * 60: ["n1"]}))
    async with viewing(app) as viewer:
        viewer.look(page="cluster", cluster="é" * 59)
        _, told = await viewer.closed()
        assert len(told.encode()) <= 123


async def test_bytes_are_no_wish() -> None:
    _, app = a_live(a_monitor())
    async with viewing(app) as viewer:
        viewer.to_server.put_nowait({"type": "websocket.receive", "bytes": b"{}"})
        assert (await viewer.closed())[0] == 1008


async def test_too_many_wishes_end_it() -> None:
    _, app = a_live(a_monitor())
    async with viewing(app) as viewer:
        for _ in range(31):
            viewer.look(page="grid")
        assert await viewer.closed() == (1008, "too many messages")


async def test_there_is_room_for_so_many_viewers() -> None:
    live, app = a_live(a_monitor(), most=2)
    async with viewing(app), viewing(app):
        async with viewing(app) as third:
            assert await third.closed() == (1013, "there are 2 viewers already")
        async with viewing(app) as fourth:
            assert (await fourth.closed())[0] == 1013
        assert live.viewers == 2


async def test_who_takes_no_message_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clsh.web.live._PARTING_S", 0.05)
    monitor = a_monitor()
    tell(monitor, "n1")
    live, app = a_live(monitor, slow_s=0.05)
    async with viewing(app) as viewer:
        viewer.reading.clear()
        viewer.look(page="grid")
        async with asyncio.timeout(10):
            await viewer.aborted.wait()
        assert live.viewers == 0


async def test_a_viewer_who_is_gone_already_is_let_go() -> None:
    monitor = a_monitor()
    tell(monitor, "n1")
    _, app = a_live(monitor)
    async with viewing(app) as viewer:
        viewer.broken = True
        viewer.look(page="grid")
        await asyncio.sleep(0.05)


async def test_messages_are_paced() -> None:
    monitor = a_monitor()
    tell(monitor, "n1")
    _, app = a_live(monitor, pace_s=0.3)
    async with viewing(app) as viewer:
        viewer.look(page="grid")
        await viewer.hear()
        for _ in range(60):
            tell(monitor, "n1")
            await asyncio.sleep(0.01)
        assert viewer.to_viewer.qsize() <= 4


async def test_a_bug_ends_all_viewers_instead_of_leaving_them_in_the_dark(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = a_monitor()

    async def fail(seen: int) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(monitor, "wait", fail)
    _, app = a_live(monitor)
    async with viewing(app) as viewer:
        viewer.look(page="grid")
        await asyncio.sleep(0.05)
    assert "ZeroDivisionError" in caplog.text
