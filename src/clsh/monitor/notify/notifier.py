"""Hand messages to the channels: grouped, tried again, bounded, never fatal."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from clsh.monitor.model import Health
from clsh.monitor.notify.message import messages
from clsh.monitor.notify.way import Way
from clsh.monitor.settings import Mail, Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clsh.base.clock import Clock
    from clsh.monitor.alerts import Turn
    from clsh.monitor.notify.message import Message
    from clsh.monitor.settings import Channel, Webhook
    from clsh.remote.transport import Transport

GROUP_S = 5.0  # a rack that dies is one message
PAUSES_S = (2.0, 10.0)  # before the second and the third try
MOST_WAITING = 5000

_log = logging.getLogger(__name__)


class Notifier:
    """One task for each channel, so that one that hangs does not hold up the others.

    `here` runs the commands. Failures are told as Health of `notify NAME`.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        grid: str,
        clock: Clock,
        tell: Callable[[Health], None],
        here: Transport | None = None,
        *,
        group_s: float = GROUP_S,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self._channels = channels
        self._grid = grid
        self._clock = clock
        self._tell = tell
        self._here = here
        self._group_s = group_s
        self._pauses_s = pauses_s
        self._waiting: dict[str, list[Turn]] = {name: [] for name in channels}
        self._filled = {name: asyncio.Event() for name in channels}
        self._failing: set[str] = set()

    def put(self, turns: Iterable[Turn]) -> None:
        """Take what is to be told; returns at once."""
        for turn in turns:
            for name in turn.channels:
                if len(self._waiting[name]) < MOST_WAITING:
                    self._waiting[name].append(turn)
                else:
                    self._fail(name, f"more than {MOST_WAITING:,} alerts wait, others are dropped")
                self._filled[name].set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for channel in self._channels.values():
                tasks.create_task(self._serve(channel))

    async def _serve(self, channel: Channel) -> None:
        way = Way(f"clsh-{channel.name}")
        try:
            while True:
                await self._filled[channel.name].wait()
                await asyncio.sleep(self._group_s)
                self._filled[channel.name].clear()
                turns, self._waiting[channel.name] = self._waiting[channel.name], []
                for message in messages(turns, self._grid, self._clock.unix()):
                    await self._deliver(channel, message, way)
        finally:
            way.end()

    async def _deliver(self, channel: Channel, message: Message, way: Way) -> None:
        for pause_s in (*self._pauses_s, None):
            try:
                await self._send(channel, message, way)
            except Exception as error:  # noqa: BLE001 - any fault of a channel is its own
                self._fail(channel.name, f"{type(error).__name__}: {error}"[:500])
                if pause_s is not None:
                    await asyncio.sleep(pause_s)
            else:
                self._mend(channel.name)
                return
        _log.warning("%s was not told: %s", channel.name, message.text)

    async def _send(self, channel: Channel, message: Message, way: Way) -> None:
        if isinstance(channel, Program):
            from clsh.monitor.notify import program

            if self._here is None:
                raise OSError("commands cannot be run here")
            await program.send(channel, message, self._here)
        elif isinstance(channel, Mail):
            await way.call(partial(_mail, channel, message))
        else:
            await way.call(partial(_post, channel, message))

    def _fail(self, name: str, reason: str) -> None:
        self._failing.add(name)
        self._tell(Health(f"notify {name}", self._clock.unix(), ok=False, reason=reason))

    def _mend(self, name: str) -> None:
        if name in self._failing:
            self._failing.discard(name)
            self._tell(Health(f"notify {name}", self._clock.unix(), ok=True))


def _post(channel: Webhook, message: Message) -> None:
    from clsh.monitor.notify import webhook

    webhook.send(channel, message)


def _mail(channel: Mail, message: Message) -> None:
    from clsh.monitor.notify import mail

    mail.send(channel, message)
