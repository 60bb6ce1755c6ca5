"""A web server in a thread of its own, so that a browser's thread may wait for it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from clsh.access.service import Access
from clsh.base.clock import SystemClock
from clsh.web import serve
from clsh.web.app import build
from clsh.web.control import Control
from tests.support.pictured import Pictured
from tests.support.queued import ByWord, Known

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from tests.support.queued import Queued

T = TypeVar("T")


class Served:
    """A grid with its pages at `address`; `call` runs something in the server's loop."""

    def __init__(self, monitor: Pictured, address: str, loop: asyncio.AbstractEventLoop) -> None:
        self.monitor = monitor
        self.address = address
        self._loop = loop

    def wait(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    def call(self, what: Callable[[], object]) -> None:
        async def run() -> None:
            what()

        self.wait(run())


@contextmanager
def served(
    clusters: Mapping[str, Sequence[str]],
    lost: Sequence[str] = (),
    *,
    access: Access | None = None,
    tls: ssl.SSLContext | None = None,
    jobs: Queued | None = None,
) -> Iterator[Served]:
    """Serve an invented grid on a free port of loopback; with `tls` it is taken for another.

    With `jobs` a cookie `who` is taken at its word for who asks.
    """
    ready = threading.Event()
    held: list[tuple[Served, asyncio.Event]] = []

    async def run() -> None:
        monitor = Pictured(SystemClock(), clusters, "Our grid")
        monitor.feed()
        monitor.feed(lost)
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        control = Control("1.0", os.getpid(), time.time(), address, os.getuid(), lambda: None)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        held.append((Served(monitor, f"{'https' if tls else 'http'}://{address}", loop), stopping))
        ready.set()
        known = ByWord(monitor.clock, "root") if jobs else access or Access(monitor.clock, "root")
        app = build(monitor, control, access=known, jobs=jobs)  # type: ignore[arg-type]  # as far as pages ask
        await serve.serve(Known(app, known) if jobs else app, [listening], stopping, tls)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(10)
    one, stopping = held[0]
    try:
        yield one
    finally:
        one.call(stopping.set)
        thread.join(10)
