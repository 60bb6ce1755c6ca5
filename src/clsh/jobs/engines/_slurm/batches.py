"""Starts that come side by side, sent together: one command for each owner, not for each job."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from clsh.jobs.engine import Launch, Report

MOST = 100


class Batches:
    """`send` submits launches of one owner and gives an outcome for each id."""

    def __init__(
        self, send: Callable[[str, Sequence[Launch]], Awaitable[Mapping[str, Report | Exception]]]
    ) -> None:
        self._send = send
        self._futures: dict[str, asyncio.Future[Report]] = {}
        self._waiting: list[Launch] = []
        self._sending: asyncio.Task[None] | None = None

    async def start(self, launch: Launch) -> Report:
        """Return the report; an id on its way is not sent again. A cancel leaves it on its way."""
        future = self._futures.get(launch.id)
        if future is None:
            future = self._futures[launch.id] = asyncio.get_running_loop().create_future()
            self._waiting.append(launch)
            if self._sending is None:
                self._sending = asyncio.create_task(self._work())
        return await asyncio.shield(future)

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                groups = by_owner(batch).items()
                await asyncio.gather(*(self._settle(owner, some) for owner, some in groups))
        finally:
            self._sending = None

    async def _settle(self, owner: str, launches: Sequence[Launch]) -> None:
        try:
            outcomes = await self._send(owner, launches)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            outcomes = dict.fromkeys((one.id for one in launches), error)
        for launch in launches:
            future, outcome = self._futures.pop(launch.id), outcomes[launch.id]
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
                future.exception()  # nobody may be left to hear of it
            else:
                future.set_result(outcome)


def by_owner(launches: Iterable[Launch]) -> dict[str, list[Launch]]:
    """Return the launches of each owner, in their order."""
    found: dict[str, list[Launch]] = {}
    for launch in launches:
        found.setdefault(launch.owner, []).append(launch)
    return found
