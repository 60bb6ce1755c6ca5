"""Call the engine: start, ask and cancel attempts, and bring back what it reports.

Whatever an engine raises becomes a report of `unknown`: only asking tells what is true.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, NodeError
from clsh.jobs.engine import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clsh.base.clock import Clock
    from clsh.jobs.book import Ordered
    from clsh.jobs.engine import Engine, Launch

    Key = tuple[int, int, int]  # job, index, attempt

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_CANCEL_PAUSE_S = 5.0  # the end of what is cancelled is told sooner, as a rule
_AGAIN_S = 5.0
_AT_ONCE = 500  # attempts in one question

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Due:
    """When an attempt is asked next, by the steady clock, and how long the pause was."""

    at: float
    pause_s: float


class Calling:
    """`launch` gives what an engine needs of an attempt, None when it is no longer the latest.

    `tell` takes reports; `asked` hears that an attempt was asked, whatever the answer.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        launch: Callable[[Key], Launch | None],
        tell: Callable[[Report], None],
        asked: Callable[[Key], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._launch = launch
        self._tell = tell
        self._asked = asked
        self._due: dict[Key, _Due] = {}
        self._out: set[Key] = set()  # asked or being started now
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Listen to the engine, and ask what is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._listen())
            await self._ask_when_due()

    def carry_out(self, ordered: Ordered) -> None:
        """Do what was ordered, in a task of its own; to be called while `run` runs."""
        key = (ordered.job, ordered.index, ordered.attempt)
        if ordered.order == "ask":
            self.ask_later(key)
        elif self._group is not None:
            work = self._start(key) if ordered.order == "start" else self._cancel(key)
            self._group.create_task(work)

    def ask_later(self, key: Key, pause_s: float | None = None) -> None:
        """Ask for an attempt, again and again with growing pauses, until it is settled."""
        if key not in self._due:
            pause_s = _FIRST_PAUSE_S if pause_s is None else pause_s
            self._due[key] = _Due(self._clock.steady() + pause_s, max(pause_s, _FIRST_PAUSE_S))
            self._wake.set()

    def settle(self, key: Key) -> None:
        """What is asked for is known: ask no more."""
        self._due.pop(key, None)

    async def _listen(self) -> None:
        while True:
            try:
                await self._engine.run(self._tell)
            except Exception:  # noqa: BLE001 - whatever it is, jobs go on
                _log.exception("the engine failed; it is tried again in %g s", _AGAIN_S)
            await asyncio.sleep(_AGAIN_S)

    async def _start(self, key: Key) -> None:
        launch = self._launch(key)
        if launch is None:
            return
        self._out.add(key)
        try:
            report = await self._engine.start(launch)
        except NodeError as error:
            report = self._unknown(launch, error.reason)
        except Exception as error:  # noqa: BLE001 - a bug in an engine must not stop the others
            report = self._failed(launch, error)
        finally:
            self._out.discard(key)
        self._tell(report)

    async def _cancel(self, key: Key) -> None:
        launch = self._launch(key)
        if launch is None:
            return
        try:
            await self._engine.cancel(launch)
        except NodeError as error:
            self._tell(self._unknown(launch, error.reason))
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(self._failed(launch, error))
        else:
            self.ask_later(key, _CANCEL_PAUSE_S)

    async def _ask_when_due(self) -> None:
        while True:
            now = self._clock.steady()
            due = [k for k, one in self._due.items() if one.at <= now and k not in self._out]
            for node, keys in self._by_node(due).items():
                for at in range(0, len(keys), _AT_ONCE):
                    self._out.update(keys[at : at + _AT_ONCE])
                    if self._group is not None:
                        self._group.create_task(self._ask(keys[at : at + _AT_ONCE], node))
            waits = [one.at - now for key, one in self._due.items() if key not in self._out]
            self._wake.clear()
            try:
                async with asyncio.timeout(max(0.01, min(waits, default=_LONGEST_PAUSE_S))):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _by_node(self, keys: Sequence[Key]) -> dict[str, list[Key]]:
        """Group attempts by their first node, so that a silent one delays no other."""
        found: dict[str, list[Key]] = {}
        for key in keys:
            launch = self._launch(key)
            if launch is None:
                self._due.pop(key, None)
            else:
                node = launch.places[0].node if launch.places else ""
                found.setdefault(node, []).append(key)
        return found

    async def _ask(self, keys: Sequence[Key], node: str) -> None:
        launches = [(key, launch) for key in keys if (launch := self._launch(key))]
        asked = [launch for _, launch in launches]
        try:
            reports = await self._engine.ask(asked)
        except NodeError as error:
            reports = [self._unknown(launch, error.reason) for launch in asked]
        except Exception as error:  # noqa: BLE001 - as above
            reports = [self._failed(launch, error) for launch in asked]
        finally:
            self._out.difference_update(keys)
        now = self._clock.steady()
        for key in keys:
            if (due := self._due.get(key)) is not None:
                due.pause_s = min(2 * due.pause_s, _LONGEST_PAUSE_S)
                due.at = now + due.pause_s
        for (key, _), report in zip(launches, reports, strict=False):
            self._asked(key)
            self._tell(report)
        self._wake.set()
        _log.debug("asked %s for %d attempts", node, len(asked))

    def _unknown(self, launch: Launch, reason: str) -> Report:
        return Report(launch.id, "unknown", self._clock.unix(), reason=reason)

    def _failed(self, launch: Launch, error: Exception) -> Report:
        if not isinstance(error, ClshError):
            _log.error("the engine failed with attempt %s", launch.id, exc_info=error)
        return self._unknown(launch, str(error) or type(error).__name__)
