"""`cl top` while it runs: pictures at each interval, keys at once, the terminal given back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING

from clsh.cli import render
from clsh.cli.monitoring import frame
from clsh.cli.monitoring.frame import Picture
from clsh.cli.monitoring.screen import Screen
from clsh.cli.monitoring.view import View, press

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from typing import Any

    from clsh.cli.monitoring.feed import Feed

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextlib.contextmanager
def until_signal() -> Generator[asyncio.Future[int]]:
    """Give a future that has the number of the first signal that ends us."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def take(signum: int) -> None:
        if not ended.done():
            ended.set_result(signum)

    for signum in _ENDS:
        loop.add_signal_handler(signum, take, signum)
    try:
        yield ended
    finally:
        for signum in _ENDS:
            loop.remove_signal_handler(signum)
        ended.cancel()


async def pictures(
    feed: Feed, view: Callable[[], View], interval_s: float, count: int | None
) -> AsyncIterator[Picture]:
    """Yield a picture at each interval, `count` in all; a slow one delays only the next."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while count is None or count > 0:
        yield await feed.look(view())
        count = None if count is None else count - 1
        due = max(due + interval_s, loop.time())
        if count != 0:
            await asyncio.sleep(due - loop.time())


async def show(
    feed: Feed, interval_s: float, count: int | None, *, fd: int, colour: bool, view: View
) -> int:
    """Show pictures on the terminal `fd` until q, a signal or `count`; return the exit status."""
    with until_signal() as ended:
        top = _Top(feed, interval_s, colour=colour, view=view)
        async with Screen(fd, top.key, top.draw) as screen:
            top.screen = screen
            top.draw()
            working = asyncio.create_task(top.refresh(count))
            gone = asyncio.create_task(screen.gone.wait())
            quitting = asyncio.create_task(top.quit.wait())
            waiting = (working, gone, quitting)
            everything: list[asyncio.Future[Any]] = [*waiting, ended]
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
    if working.done() and not working.cancelled() and (error := working.exception()):
        raise error
    if ended.done() and not ended.cancelled() and ended.result() != signal.SIGINT:
        return 128 + ended.result()
    return 0  # Ctrl-C is a way to leave, as in top


class _Top:
    """The picture, the view on it, and what changes them."""

    def __init__(self, feed: Feed, interval_s: float, *, colour: bool, view: View) -> None:
        self.screen: Screen | None = None
        self.quit = asyncio.Event()
        self._feed = feed
        self._interval_s = interval_s
        self._colour = colour
        self._view = view
        self._picture = Picture(time.time(), ())
        self._now = asyncio.Event()

    async def refresh(self, count: int | None) -> None:
        """Renew the picture at each interval, and at once when another one is needed."""
        loop = asyncio.get_running_loop()
        while count is None or count > 0:
            due = loop.time() + self._interval_s
            self._now.clear()
            asked = self._view
            picture = await self._feed.look(asked)
            if (asked.mode, asked.of) == (self._view.mode, self._view.of):
                self._picture = picture
                self.draw()
            count = None if count is None else count - 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._now.wait()

    def key(self, key: str) -> None:
        """Do what a key asks for."""
        if key == "ctrl-l" and self.screen:
            self.screen.redraw()
            return
        lines = self.screen.size[1] if self.screen else 24
        old = self._view
        if old.mode == "nodes":
            rows = frame.nodes(self._picture, old)
            new = press(old, key, rows, frame.page(lines))
        else:
            count = len(frame.processes(self._picture, old))
            new = press(old, key, count, frame.page(lines))
        if new is None:
            self.quit.set()
            return
        self._view = new
        if (new.mode, new.of) != (old.mode, old.of):
            self._picture = Picture(self._picture.at, self._picture.nodes)
            self._now.set()
        self.draw()

    def draw(self) -> None:
        """Draw what is known."""
        if self.screen:
            lines = frame.draw(
                self._picture,
                self._view,
                self.screen.size,
                colour=self._colour,
                interval_s=self._interval_s,
            )
            self.screen.draw(lines)


async def say(
    feed: Feed,
    interval_s: float,
    count: int | None,
    told: Callable[[Picture], list[str]],
    view: View,
) -> tuple[int, Picture | None]:
    """Print pictures as lines; return the exit status and the last picture."""
    last: Picture | None = None

    async def go() -> None:
        nonlocal last
        async for picture in pictures(feed, lambda: view, interval_s, count):
            last = picture
            for line in told(picture):
                await asyncio.to_thread(render.say, line)

    with until_signal() as ended:
        going = asyncio.create_task(go())
        both: list[asyncio.Future[Any]] = [going, ended]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not going.done():
            going.cancel()
            await asyncio.wait([going])
            return 128 + ended.result(), last
    await going
    return 0, last
