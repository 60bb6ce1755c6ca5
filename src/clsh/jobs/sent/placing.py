"""Put the files of an attempt on a node, into a directory of its own, before it is started.

The content is brought once for each owner and node (`SPOOL/files`) and copied for each attempt
(`SPOOL/sent/ID`), so that no task sees what another one has changed. Both are there whole or
not at all, whatever dies: nothing is ever started beside half a file.
"""

from __future__ import annotations

import asyncio
import functools
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from clsh.base.errors import ClshError
from clsh.base.messages import tr
from clsh.jobs.sent import item

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from clsh.jobs.engine import Launch
    from clsh.jobs.sent.item import Item

KEPT_DAYS = 7
_PLACE_S = 120.0
_BRING_S = 60.0
_SLOWEST = 50_000  # bytes a second
_CHUNK = 256 << 10
_TURNS = 3  # a file may be removed between bringing and placing


class GoneError(ClshError):
    """A file that a job was submitted with is kept no longer."""


class Run(Protocol):
    """Runs a script of sh on a node."""

    async def __call__(
        self, script: str, args: Sequence[str], feed: AsyncIterator[bytes] | None, deadline_s: float
    ) -> str:
        """Return its output; raises NodeError when it fails."""
        ...


class Placing:
    """`path` gives the file of an owner and a digest, here; it blocks."""

    def __init__(self, path: Callable[[str, str], Path]) -> None:
        self._path = path
        self._bringing: dict[tuple[str, str, str], asyncio.Lock] = {}

    async def place(self, node: str, run: Run, spool: str, launch: Launch, login: str) -> None:
        """Put the files of an attempt on a node, unless they are there; `login` runs the scripts.

        Raises GoneError and NodeError.
        """
        items = item.all_of(launch.request.send)
        owner = "" if login == launch.owner else launch.owner
        words = [f"{one.digest} {'700' if one.executable else '600'} {one.name}" for one in items]
        script = await asyncio.to_thread(_script, "place.sh")
        for _ in range(_TURNS):
            said = (await run(script, [spool, launch.id, owner, *words], None, _PLACE_S)).split(
                "\n"
            )
            missing = {line[5:] for line in said if line.startswith("need ")}
            if not missing:
                return
            for one in {one.digest: one for one in items if one.digest in missing}.values():
                await self._bring(node, run, spool, launch.owner, owner, one)
        raise GoneError(tr("the files on {node} go before they are used", node=node))

    async def _bring(self, node: str, run: Run, spool: str, of: str, owner: str, one: Item) -> None:
        """Bring a file to a node; who wants the same one meanwhile waits, and then looks again."""
        key = (node, of, one.digest)
        if (lock := self._bringing.get(key)) is not None:
            async with lock:
                return
        lock = self._bringing[key] = asyncio.Lock()
        try:
            async with lock:
                file, size = await asyncio.to_thread(self._opened, of, one)
                try:
                    args = [spool, owner, one.digest, str(size), str(KEPT_DAYS)]
                    script = await asyncio.to_thread(_script, "receive.sh")
                    await run(script, args, _pieces(file), _BRING_S + size / _SLOWEST)
                finally:
                    await asyncio.to_thread(file.close)
        finally:
            del self._bringing[key]

    def _opened(self, owner: str, one: Item) -> tuple[BinaryIO, int]:
        try:
            path = self._path(owner, one.digest)
            return path.open("rb"), path.stat().st_size
        except FileNotFoundError:
            raise GoneError(
                tr("{name}, which was sent along, is kept no longer", name=one.name),
                hint=tr("submit it again with the file"),
            ) from None
        except OSError as error:
            raise ClshError(
                tr("cannot read {name}: {reason}", name=one.name, reason=error.strerror or error)
            ) from error


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(file.read, _CHUNK):
        yield data


@functools.cache
def _script(name: str) -> str:
    return (resources.files("clsh.jobs.sent") / name).read_text(encoding="utf-8")
