"""The files of jobs for the event loop: taken, looked for, and removed in a thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from clsh.base.lane import Lane
from clsh.base.messages import tr
from clsh.jobs.errors import RequestError
from clsh.jobs.sent import item
from clsh.jobs.sent.store import NoRoomError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from clsh.base.clock import Clock
    from clsh.jobs.model import Request
    from clsh.jobs.sent.store import Store, Taken

    Needed = Callable[[], Collection[tuple[str, str]]]


class Sent:
    """`store` is used by one thread alone, but for reading what is whole."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lane = Lane("clsh-jobs-files")

    async def take(
        self, owner: str, upload: str, offset: int, size: int, data: bytes, needed: Needed
    ) -> Taken:
        """See Store.take; what is not `needed`, by owner and digest, makes room first."""
        work = partial(self._store.take, owner, upload, offset, size, data)
        try:
            return await self._lane.call(work)
        except NoRoomError:
            mine = {digest for who, digest in needed() if who == owner}
            now = self._clock.unix()
            await self._lane.call(partial(self._store.make_room, owner, size, mine, now))
            return await self._lane.call(work)

    async def check(self, owner: str, asker: str, requests: Iterable[Request]) -> None:
        """Keep the files of requests fresh; raises RequestError when one is not there."""
        wanted = {one for request in requests for one in item.all_of(request.send)}
        for one in sorted(wanted, key=lambda one: one.name):
            if not await self._lane.call(partial(self._store.find, owner, asker, one.digest)):
                raise RequestError(
                    "send",
                    tr("send: {name} is not here, or no longer", name=one.name),
                    hint=tr("hand it in again: cl submit --send FILE, or choose it on the page"),
                )

    async def sweep(self, needed: Needed) -> None:
        """See Store.sweep."""
        await self._lane.call(partial(self._store.sweep, needed(), self._clock.unix()))

    def path(self, owner: str, digest: str) -> Path:
        """See Store.path; for threads."""
        return self._store.path(owner, digest)
