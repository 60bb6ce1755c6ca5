"""The manager in this process, with parts that fail; as a process it is in tests/integration."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base import config
from clsh.base.errors import ClshError
from clsh.cli import client
from clsh.jobs.queue.format import FILE
from clsh.jobs.service import Jobs
from clsh.manager import service, sockets, state
from clsh.manager.service import Start
from clsh.monitor import ganglia_ports
from clsh.web import app, serve
from tests.support.manager import HERE

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

    from clsh.manager.state import Holder


class Run:
    """A manager that is run to its end: when it tells `fact` in its status, at most 10 s."""

    fact = "state"

    def __init__(self, folder: Path) -> None:
        self.events: list[str] = []
        self.status: dict[str, Any] = {}
        self.holder: Holder | None = None
        self._file = folder / "clsh.toml"
        self._file.write_text(HERE)
        self.place = state.place()

    def __call__(self, opened: Mapping[str, socket.socket] | None = None) -> None:
        loaded = config.load({**os.environ, "CLSH_CONFIG": str(self._file)})
        with service.held(self.place) as lock:
            service.run(
                Start(loaded, self.place, lock, opened or {}),
                self._ready,
                lambda: self.events.append("stopping"),
            )

    def _ready(self, holder: Holder) -> None:
        self.events.append("ready")
        self.holder = holder
        threading.Thread(target=self._ask).start()

    def _ask(self) -> None:
        try:
            for _ in range(100):
                told = client.get("/api/v1/status", timeout_s=10)
                assert isinstance(told, dict)
                self.status = told
                if self.fact in told["facts"]:
                    break
                time.sleep(0.1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(service, "_ENDS_WITHIN_S", 60.0)  # it would end this whole process
    return Run(tmp_path)


def test_from_start_to_end(run: Run) -> None:
    run()
    assert run.events == ["ready", "stopping"]
    assert run.holder
    assert run.holder.pid == run.status["pid"] == os.getpid()
    assert run.holder.address == f"http://{run.status['listen']}/"
    assert run.status["facts"]["state"] == str(run.place.directory)
    assert not os.path.lexists(run.place.socket)
    assert state.holder(run.place.directory) is None


def test_sockets_that_were_handed_over(run: Run) -> None:
    """They are used, and closed; what others made is theirs to remove."""
    state.private(run.place.socket.parent)
    opened = {
        sockets.CONTROL: sockets.control(run.place.socket),
        sockets.HTTP: sockets.listening("127.0.0.1", 0),
    }
    address = sockets.spelled(opened[sockets.HTTP])
    run(opened)
    assert run.status["listen"] == address
    assert {one.fileno() for one in opened.values()} == {-1}
    assert os.path.lexists(run.place.socket)


def test_ganglia_s_ports_fail(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(ganglia_ports, "serve", fail)
    run.fact = "ganglia"
    run()
    assert run.status["facts"]["ganglia"] == "they failed; the log says how"
    assert "a bug" in caplog.text


def test_the_jobs_fail(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run.fact = "jobs"

    async def fail(_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Jobs, "run", fail)
    run()
    assert run.status["facts"]["jobs"] == "they failed; the log says how"
    assert "a bug" in caplog.text


def test_what_is_wrong_with_the_jobs_is_told(run: Run) -> None:
    run.fact = "jobs"
    state.private(run.place.directory)
    (run.place.directory / FILE).write_bytes(b"nonsense" * 4096)
    run()
    assert f"{FILE} is damaged" in run.status["facts"]["jobs"]
    assert "To restore: " in run.status["facts"]["jobs"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("a bug"), "the manager failed; its log says how"),
        (ClshError("no room"), "no room"),
    ],
)
def test_a_part_that_all_else_needs_fails(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    told: str,
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(serve, "serve", fail)
    with pytest.raises(ClshError, match=told):
        run()
    assert str(error) in caplog.text
    assert run.events == []
    assert state.holder(run.place.directory) is None


def test_a_page_that_does_not_work(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_scope: object, _receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr(app, "build", lambda *_, **__: broken)
    with pytest.raises(ClshError, match=r"the web page does not work: HTTP/1\.1 500"):
        run()


def test_open_files_that_cannot_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert service.raise_open_files() == 64
