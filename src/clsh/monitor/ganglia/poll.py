"""Read gmond or gmetad XML over TCP at intervals, from the first of some addresses that answers.

As gmetad's data_source: the addresses are tried in order, the one that answered is kept
until it fails. Every read has a deadline; what is read is told host by host.
"""

from __future__ import annotations

import asyncio
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, ConfigError, UsageError
from clsh.monitor.ganglia.content import LIMITS, RefusedError
from clsh.monitor.ganglia.news import Translator
from clsh.monitor.ganglia.xml import Reader
from clsh.monitor.model import Health, Sample, Silent
from clsh.nodes import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from clsh.monitor.ganglia.content import Limits, Read
    from clsh.monitor.model import News
    from clsh.monitor.source import SourceContext

_PIECE = 64 << 10
_GZIP = b"\x1f\x8b"  # a gmond with gzip_output


class Poller:
    """The source of kinds `gmond` and `gmetad`: their XML is read alike."""

    def __init__(self, context: SourceContext, port: int, limits: Limits = LIMITS) -> None:
        settings = context.settings
        if settings is None or not settings.addresses:
            raise ConfigError(
                "a source of Ganglia needs addresses", hint='addresses = ["host:port", ...]'
            )
        self._name = settings.name
        try:
            places = [entry.destination(text)[1:] for text in settings.addresses]
        except UsageError as error:
            raise ConfigError(f"source {self._name!r}: {error}", hint=error.hint) from error
        self._addresses = [(host, told or port) for host, told in places]
        self._clock = context.clock
        self._interval_s = settings.interval_s
        self._deadline_s = max(1.0, min(10.0, self._interval_s))
        self._limits = limits
        self._heard: set[tuple[str, str]] = set()  # whom the last answer was about

    async def run(self, tell: Callable[[News], None]) -> None:
        """See Source."""
        while True:
            begun = self._clock.steady()
            await self._poll(tell)
            spent_s = self._clock.steady() - begun
            await asyncio.sleep(max(0.05, self._interval_s - spent_s))

    def hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        """See Source: a gmond has nothing newer to say each second."""

    async def _poll(self, tell: Callable[[News], None]) -> None:
        """Read once, from the first address that answers with something."""
        failures: list[str] = []
        for host, port in list(self._addresses):
            try:
                async with asyncio.timeout(self._deadline_s):
                    troubles = await self._read(host, port, tell)
            except TimeoutError:
                failures.append(f"{host}:{port}: no whole answer in {self._deadline_s:g} s")
            except OSError as error:
                failures.append(f"{host}:{port}: {error.strerror or error}")
            except (ClshError, zlib.error) as error:
                failures.append(f"{host}:{port}: {error}")
                if isinstance(error, RefusedError):
                    failures.append("nothing after that was read")
            else:
                self._keep((host, port))
                told = "; ".join([*failures, *troubles])
                tell(Health(self._name, self._clock.unix(), not troubles, told))
                return
        reason = "; ".join(failures)
        tell(Health(self._name, self._clock.unix(), ok=False, reason=reason))
        for cluster, node in sorted(self._heard):
            tell(Silent(cluster, node, self._clock.unix(), f"source {self._name}: {reason}", False))

    def _keep(self, answered: tuple[str, int]) -> None:
        """Ask the address that answered first from now on, the others in their order."""
        at = self._addresses.index(answered)
        self._addresses = [*self._addresses[at:], *self._addresses[:at]]

    async def _read(self, host: str, port: int, tell: Callable[[News], None]) -> Sequence[str]:
        """Tell one answer; return what was wrong with parts of it."""
        from clsh.monitor.catalogue import METRICS

        reader = Reader(self._limits)
        stale_s = max(60.0, 4 * self._interval_s)
        translator = Translator(self._name, self._clock.unix(), METRICS, stale_s)
        heard: set[tuple[str, str]] = set()

        def hear(reads: list[Read]) -> None:
            for read in reads:
                news = translator.news(read)
                if isinstance(news, Sample | Silent):
                    heard.add((news.cluster, news.node))
                if news:
                    tell(news)

        stream, writer = await asyncio.open_connection(host, port)
        try:
            await _each_piece(stream, lambda piece: hear(reader.feed(piece)))
            hear(reader.close())
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        self._heard = heard
        return [*reader.troubles, *translator.troubles]


async def _each_piece(stream: asyncio.StreamReader, take: Callable[[bytes], None]) -> None:
    """Hand over what comes until the end, unpacked when it is gzip; others go on meanwhile."""
    unpack = None
    first = True
    while piece := await stream.read(_PIECE):
        if first and piece.startswith(_GZIP):
            unpack = zlib.decompressobj(wbits=31)
        first = False
        if unpack is None:
            take(piece)
        else:
            while piece and not unpack.eof:
                take(unpack.decompress(piece, _PIECE))
                piece = unpack.unconsumed_tail
                await asyncio.sleep(0)
        await asyncio.sleep(0)
