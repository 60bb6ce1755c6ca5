"""The manager's process, from the first lock to the last socket.

One TaskGroup holds the monitor, the ports for Ganglia's clients and the web page. What can be
wrong at a start is found before it says that it is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from clsh import __version__, assembly
from clsh.base.clock import SystemClock
from clsh.base.errors import ClshError
from clsh.base.messages import tr
from clsh.base.users import of_uid
from clsh.manager import certificate, loads, sockets, state
from clsh.manager.state import Holder
from clsh.manager.telling import Channels
from clsh.monitor import settings as monitor_settings
from clsh.web.control import Control
from clsh.web.serve import needs_tls

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Generator, Mapping
    from pathlib import Path

    from clsh.access.service import Access
    from clsh.base.config import Config
    from clsh.jobs.service import Jobs
    from clsh.manager.state import Lock, Place
    from clsh.monitor.service import Monitor
    from clsh.monitor.settings import Settings
    from clsh.remote.transport import Transport

_ANSWERS_WITHIN_S = 10.0
_WEB_ENDS_WITHIN_S = 2.0
_ENDS_WITHIN_S = 4.5
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What a manager starts with; `opened` are the sockets that it was handed."""

    config: Config
    place: Place
    lock: Lock
    opened: Mapping[str, socket.socket] = field(default_factory=dict["str", "socket.socket"])


@contextlib.contextmanager
def held(place: Place) -> Generator[Lock]:
    """Make the directories and hold the lock; raises RunsAlreadyError when another does."""
    state.private(place.directory)
    state.private(place.socket.parent, passable=True)
    lock = state.lock(place.directory)
    try:
        yield lock
    finally:
        lock.release()


def run(start: Start, ready: Callable[[Holder], None], stopping: Callable[[], None]) -> None:
    """Be the manager until a signal or `cl down` ends it; raises ClshError when it cannot be.

    `ready` is called when it answers on its sockets, `stopping` when it begins to end.
    """
    settings = monitor_settings.load(start.config)
    raise_open_files()
    way, clock, directory = assembly.watching(start.config), SystemClock(), start.place.directory
    monitor = assembly.monitor(start.config, settings, directory, clock, way)
    access = assembly.access(start.config, directory, clock, _owner())
    jobs = assembly.jobs(
        start.config,
        directory,
        clock,
        way,
        lambda: loads.of(monitor.grid, clock.unix()),
        lambda names: Channels(settings, names, way),
    )
    with contextlib.ExitStack() as stack:
        opened = _open(start, settings, stack)
        sockets.open_to(start.place.socket, everybody=_for_everybody(access))
        front = _front(settings, opened[sockets.HTTP], directory)
        holder = Holder(os.getpid(), front.address)
        start.lock.tell(holder)
        manager = Manager(monitor, settings, opened, start.place, access, front, jobs)
        try:
            asyncio.run(_closing(way, manager.run(lambda: ready(holder), stopping)))
        except BaseExceptionGroup as group:
            _log.critical("the manager failed", exc_info=True)
            raise _plain(group) from group
        finally:
            manager.ended()
    _log.info("ended")


@dataclass(frozen=True, slots=True)
class Front:
    """How browsers reach the page: at an address, by names, with TLS or without."""

    address: str
    names: tuple[str, ...]
    tls: certificate.Tls | None = None


def _front(settings: Settings, line: socket.socket, directory: Path) -> Front:
    """Return how browsers reach a listening socket; raises ClshError without a certificate."""
    listen = sockets.spelled(line)
    host, _, port = listen.rpartition(":")
    if not needs_tls(line):
        return Front(f"http://{listen}/", settings.names)
    names = certificate.names_of(host, settings.names)
    if settings.certificate:
        tls = certificate.given(settings.certificate, settings.key)
    else:
        tls = certificate.self_made(directory, names)
    shown = host if names[0] == host.lower() else names[0]
    return Front(f"https://{shown}:{port}/", names, tls)


def _owner() -> str:
    user = of_uid(os.geteuid())
    return user.name if user else f"uid{os.geteuid()}"


def _for_everybody(access: Access) -> bool:
    """Tell whether all users of this machine may ask: of root's manager unless it says no."""
    wanted = access.settings.socket
    return os.geteuid() == 0 if wanted == "auto" else wanted == "everybody"


async def _closing(way: Transport, work: Coroutine[None, None, None]) -> None:
    try:
        await work
    finally:
        await way.aclose()


def raise_open_files() -> int:
    """Take as many open files as this process may have, and return how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def _open(
    start: Start, settings: Settings, stack: contextlib.ExitStack
) -> dict[str, socket.socket]:
    """Return all sockets, the ones handed over first; they are closed with the stack."""
    opened = dict(start.opened)
    for one in opened.values():
        stack.callback(one.close)
    if sockets.CONTROL not in opened:
        made = sockets.control(start.place.socket)
        stack.callback(start.place.socket.unlink, missing_ok=True)
        opened[sockets.CONTROL] = stack.enter_context(made)
    if sockets.HTTP not in opened:
        made = sockets.listening(*settings.listen)
        opened[sockets.HTTP] = stack.enter_context(made)
    return opened


def _plain(group: BaseExceptionGroup[BaseException]) -> ClshError:
    """Return the one error for people that an exception group stands for."""
    inner: BaseException | None = group.split(ClshError)[0]
    while isinstance(inner, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", inner).exceptions[0]
    if isinstance(inner, ClshError):
        return inner
    return ClshError("the manager failed; its log says how", hint="`cl up` starts it again")


class Manager:
    """What runs in the event loop."""

    def __init__(
        self,
        monitor: Monitor,
        settings: Settings,
        opened: Mapping[str, socket.socket],
        place: Place,
        access: Access,
        front: Front,
        jobs: Jobs,
    ) -> None:
        self._monitor = monitor
        self._access = access
        self._jobs = jobs
        self._front = front
        self._settings = settings
        self._opened = opened
        self._stopping = asyncio.Event()
        self._late = threading.Timer(_ENDS_WITHIN_S, os._exit, (1,))
        self._late.daemon = True
        self._facts = {
            "state": str(place.directory),
            "store": settings.store,
            "source": settings.source,
            "demo": "yes" if place.demo else "no",
            "address": front.address,
            "login": access.logins.ways,
        }
        if front.tls:
            self._facts["fingerprint"] = front.tls.fingerprint
        self._control = Control(
            version=__version__,
            pid=os.getpid(),
            started=monitor.clock.unix(),
            listen=sockets.spelled(opened[sockets.HTTP]),
            names=front.names,
            owner_uid=os.geteuid(),
            stop=self.stop,
            facts=self._facts,
        )

    def stop(self) -> None:
        """Begin to end; idempotent. What does not end in time is ended as if by a kill -9."""
        if not self._stopping.is_set():
            _log.info("ending")
            self._stopping.set()
            self._late.start()

    def ended(self) -> None:
        """Take note that all parts have ended."""
        self._late.cancel()

    async def run(self, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        """Run all parts until `stop`; one that fails ends the others and is raised."""
        from clsh.web import app, serve

        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.stop)
        await self._access.open()
        served = app.build(self._monitor, self._control, access=self._access, jobs=self._jobs)
        pages = [self._opened[name] for name in (sockets.HTTP, sockets.CONTROL)]
        async with asyncio.TaskGroup() as group:
            monitor = group.create_task(self._monitor.run())
            ports = group.create_task(self._ganglia())
            tls = self._front.tls.context if self._front.tls else None
            web = group.create_task(serve.serve(served, pages, self._stopping, tls))
            access = group.create_task(self._access.run())
            jobs = group.create_task(self._run_jobs())
            await self._answers()
            _log.info("listening at %s", self._front.address)
            ready()
            await self._stopping.wait()
            stopping()
            ports.cancel()
            jobs.cancel()
            await asyncio.wait({web}, timeout=_WEB_ENDS_WITHIN_S)
            web.cancel()
            access.cancel()
            monitor.cancel()

    async def _answers(self) -> None:
        """Wait until the web page answers on the Unix socket, as `cl` will ask it."""
        path = self._opened[sockets.CONTROL].getsockname()
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            line = await reader.readline()
            writer.close()
        if b" 200 " not in line:
            raise ClshError(f"the web page does not work: {line.decode(errors='replace').strip()}")

    async def _ganglia(self) -> None:
        """Serve Ganglia's ports; whatever becomes of them, the rest goes on."""
        from clsh.monitor import ganglia_ports

        try:
            await ganglia_ports.serve(
                self._monitor.grid, self._settings, self._monitor.clock, self._trouble
            )
        except Exception:  # noqa: BLE001 - a bug in them must not end the rest
            _log.exception("the ports for Ganglia's clients failed")
            self._trouble(tr("they failed; the log says how"))

    async def _run_jobs(self) -> None:
        """Run the jobs; whatever becomes of them, the nodes are watched on."""
        try:
            await self._jobs.run()
        except Exception:  # noqa: BLE001 - a bug in them must not end the rest
            _log.exception("the jobs failed")
            self._facts["jobs"] = tr("they failed; the log says how")

    def _trouble(self, text: str) -> None:
        """Keep what is wrong with Ganglia's ports, to be shown."""
        if text and text != self._facts.get("ganglia"):
            _log.warning("Ganglia's ports: %s", text)
        self._facts["ganglia"] = text
