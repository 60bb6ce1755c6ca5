"""Hear nodes that run Prometheus' node_exporter: one node for each address of the source.

The source's name is that of the cluster, a node's that of its host. Plain HTTP, as
node_exporter answers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, ConfigError, UsageError
from clsh.monitor.model import Sample, Silent
from clsh.monitor.pace import Pace
from clsh.monitor.proc.exporter import exported
from clsh.monitor.proc.rates import rates
from clsh.nodes import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from clsh.base.clock import Clock
    from clsh.monitor.model import News, Value
    from clsh.monitor.proc.parse import Counts
    from clsh.monitor.source import Source, SourceContext

PORT = 9100
_MOST_BYTES = 8 << 20
_PIECE = 64 << 10
_LONGEST_S = 10.0
_TMAX_S = 20.0
# As HTTP/1.0, so that the answer comes whole and its end is the end of the connection.
_REQUEST = (
    "GET /metrics HTTP/1.0\r\nHost: {host}\r\nAccept: text/plain;version=0.0.4\r\n"
    "User-Agent: clsh\r\nConnection: close\r\n\r\n"
)


def build(context: SourceContext) -> Source:
    """Return the source; raises ConfigError for addresses that are none."""
    settings = context.settings
    if settings is None or not settings.addresses:
        raise ConfigError(
            "the source 'node_exporter' needs addresses",
            hint='in [[monitor.sources]]: kind = "node_exporter", addresses = ["host:9100", ...]',
        )
    try:
        places = [entry.destination(address)[1:] for address in settings.addresses]
    except UsageError as error:
        raise ConfigError(f"source {settings.name!r}: {error}", hint=error.hint) from error
    hosts = [host for host, _ in places]
    scraped = [
        _Scraped(
            context.clock,
            settings.name,
            host if hosts.count(host) == 1 else f"{host}:{port or PORT}",
            (host, port or PORT),
            settings.interval_s,
        )
        for host, port in places
    ]
    return NodeExporters(scraped)


class NodeExporters:
    """All addresses of one source, each followed by a task of its own."""

    def __init__(self, scraped: Sequence[_Scraped]) -> None:
        self._scraped = scraped

    async def run(self, tell: Callable[[News], None]) -> None:
        """Follow every address; see Source."""
        async with asyncio.TaskGroup() as group:
            for one in self._scraped:
                group.create_task(one.run(tell))

    def hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        """Read these every second; see Source."""
        for one in self._scraped:
            one.pace.hurry((one.cluster, one.node) in nodes)


class _Scraped:
    """One address."""

    def __init__(
        self, clock: Clock, cluster: str, node: str, place: tuple[str, int], interval_s: float
    ) -> None:
        self.cluster = cluster
        self.node = node
        self.pace = Pace(cluster, node, interval_s)
        self._clock = clock
        self._place = place
        self._interval_s = interval_s
        self._before: Counts | None = None

    async def run(self, tell: Callable[[News], None]) -> None:
        """Tell one Sample or Silent at each moment until cancelled."""
        while True:
            deadline_s = min(self._interval_s, _LONGEST_S)
            try:
                async with asyncio.timeout(deadline_s):
                    body = await _get(*self._place)
                tell(self._sample(body))
            except TimeoutError:
                self._fail(tell, f"no whole answer in {deadline_s:g} s")
            except OSError as error:
                # asyncio's own words ("Connect call failed") do not say why
                number = error.errno or 0
                self._fail(tell, os.strerror(number) if number > 0 else str(error))
            except ClshError as error:
                self._fail(tell, str(error))
            await self.pace.wait()

    def _sample(self, body: bytes) -> Sample:
        before, self._before = self._before, None
        now = self._before = exported(body, self._clock.steady())
        values: dict[str, Value] = dict(now.values)
        if before is not None:
            values.update(rates(before, now))
        return Sample(
            self.cluster,
            self.node,
            self._clock.unix(),
            values,
            address=self._place[0],
            tmax_s=max(_TMAX_S, self._interval_s * 4 / 3),
        )

    def _fail(self, tell: Callable[[News], None], reason: str) -> None:
        self._before = None
        host, port = self._place
        # The node may well be up: its exporter does not answer.
        tell(
            Silent(
                self.cluster,
                self.node,
                self._clock.unix(),
                f"node_exporter at {host}:{port}: {reason}",
                lost=False,
            )
        )


class _AnswerError(ClshError):
    """The answer is not one of a node_exporter."""


async def _get(host: str, port: int) -> bytes:
    """Return the body of /metrics; raises OSError and _AnswerError."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        writer.write(_REQUEST.format(host=shown).encode())
        await writer.drain()
        answer = bytearray()
        while piece := await reader.read(_PIECE):
            answer += piece
            if len(answer) > _MOST_BYTES:
                raise _AnswerError(f"its answer is longer than {_MOST_BYTES >> 20} MB")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    words = head.partition(b"\r\n")[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        raise _AnswerError("its answer is not HTTP")
    if words[1] != b"200":
        raise _AnswerError(f"its answer is HTTP status {words[1][:3].decode(errors='replace')}")
    return body
