"""The worker that tells what waits in the outbox: tried again, bounded, never in anybody's way.

At least once: a notice is struck off after it was taken, so the death of the manager between
the two makes it told again, by the same id.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from clsh.jobs.notices.notice import Message
from clsh.jobs.queue import notices
from clsh.jobs.queue.errors import QueueError
from clsh.jobs.queue.notices import FAR_S, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clsh.base.clock import Clock
    from clsh.jobs.queue import Queue
    from clsh.jobs.queue.notices import Waiting

MOST_WAITING = 50_000
"""With more than so many nobody else may ask to be told."""

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 1800.0
_LEAST_TRIES = 5  # whatever the clock says
_FAILURES = 3  # in a row: then the whole lane has a pause
_LOOK_S = 60.0
_AGAIN_S = 5.0
_LONGEST_ERROR = 300

_log = logging.getLogger(__name__)


class Teller(Protocol):
    """Hands messages to people; what `[notify.X]` of the settings is made into."""

    def refusal(self, who: str) -> tuple[str, str]:
        """Return in words why a receiver can never be told, and what to do; "" if it can be."""
        ...

    async def tell(self, who: str, message: Message) -> None:
        """Return when it was taken; raises any Exception otherwise, within a minute."""
        ...


class Outbox:
    """One task for each lane, so that a channel that hangs does not hold up the others.

    `name` gives the queue's; what was tried for `hours` in vain is given up.
    """

    def __init__(
        self, queue: Queue, teller: Teller, clock: Clock, hours: float, name: Callable[[], str]
    ) -> None:
        self.waiting = 0
        self._queue = queue
        self._teller = teller
        self._clock = clock
        self._hours = hours
        self._name = name
        self._busy: set[str] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something was stored."""
        self._wake.set()

    async def run(self) -> None:
        """Tell until cancelled; what was not told waits for the next time."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                pause_s = _AGAIN_S
                try:
                    pause_s = await self._begin(group)
                except QueueError as error:
                    _log.warning("nobody can be told of jobs: %s", error)
                try:
                    async with asyncio.timeout(pause_s):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _begin(self, group: asyncio.TaskGroup) -> float:
        """Serve each lane where something is due; return when to look again, in seconds."""
        lanes = await self._queue.ask(notices.lanes)
        self.waiting = sum(count for _, _, count in lanes)
        now, pause_s = self._clock.unix(), _LOOK_S
        for lane, due, _ in lanes:
            if lane in self._busy:
                continue
            if due <= now or due > now + FAR_S:
                self._busy.add(lane)
                group.create_task(self._serve(lane))
            else:
                pause_s = min(pause_s, due - now)
        return pause_s

    async def _serve(self, lane: str) -> None:
        try:
            now = self._clock.unix()
            rows = await self._queue.ask(lambda db: notices.due(db, lane, now))
            failures = 0
            for at, row in enumerate(rows):
                if failures == _FAILURES:
                    await self._settle(self._later(rows[at:]))
                    break
                outcome = await self._try(row)
                failures = 0 if outcome.settled else failures + 1
                await self._settle([outcome])
        except QueueError as error:
            _log.warning("it was not noted who was told of jobs: %s", error)
            await asyncio.sleep(_AGAIN_S)
        finally:
            self._busy.discard(lane)
            self._wake.set()

    async def _try(self, row: Waiting) -> Outcome:
        tries = row.tries + 1
        try:
            await self._teller.tell(row.who, Message(f"{self._name()}-{row.id}", row.facts))
        except Exception as error:  # noqa: BLE001 - any fault of a channel is its own
            reason = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        else:
            return Outcome(row.id, row.who, tries, 0.0, self._clock.unix())
        now = self._clock.unix()
        _log.info("%s was not told of job %d: %s", row.who, row.facts.job, reason)
        outcome = Outcome(row.id, row.who, tries, now + _pause_s(tries), error=reason)
        if tries >= _LEAST_TRIES and now - row.made > self._hours * 3600:
            _log.warning("%s will not be told of job %d: %s", row.who, row.facts.job, reason)
            return replace(outcome, settled=now)
        return outcome

    def _later(self, rows: Sequence[Waiting]) -> list[Outcome]:
        due = self._clock.unix() + _FIRST_PAUSE_S
        return [Outcome(row.id, row.who, row.tries, due) for row in rows]

    async def _settle(self, outcomes: Sequence[Outcome]) -> None:
        await self._queue.change(lambda db: notices.settle(db, outcomes))


def _pause_s(tries: int) -> float:
    return min(_FIRST_PAUSE_S * 2.0 ** min(tries - 1, 20), _LONGEST_PAUSE_S)
