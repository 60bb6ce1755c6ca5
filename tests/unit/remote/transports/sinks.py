"""A sink that keeps all."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clsh.remote.transport import Exit, Session, Stream


class Kept:
    def __init__(self) -> None:
        self.out = b""
        self.err = b""

    def write(self, stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            self.out += data
        else:
            self.err += data


async def run(
    session: Session, line: str, stdin: AsyncIterator[bytes] | None = None
) -> tuple[Exit, bytes]:
    kept = Kept()
    return await session.run(Command(line), kept, stdin), kept.out


async def until(check: Callable[[], object], within_s: float = 5) -> bool:
    ends = time.monotonic() + within_s
    while not check():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(0.01)
    return True
