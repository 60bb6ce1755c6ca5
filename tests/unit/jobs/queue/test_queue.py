"""The two threads of the queue, and how they end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.jobs.queue import Queue, QueueError
from clsh.jobs.queue.file import QueueFile

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

LONG = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000)"
    " SELECT count(*) FROM n"
)


async def test_a_close_waits_for_who_reads(tmp_path: Path) -> None:
    """Closed under a query, a connection would take the whole process down."""
    queue = Queue(lambda: QueueFile(tmp_path))
    await queue.open()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def count(db: sqlite3.Connection) -> int:
        loop.call_soon_threadsafe(begun.set)
        (found,) = db.execute(LONG).fetchone()
        return int(found)

    def read(file: QueueFile) -> int:
        return file.ask(count)

    reading = asyncio.create_task(queue._read(read))
    await begun.wait()
    await queue.close()
    assert reading.done()
    assert await reading == 1_000_000
    with pytest.raises(QueueError, match="not open"):
        await queue.job(1)
