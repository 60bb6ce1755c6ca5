"""The few threads in which passwords are checked."""

from __future__ import annotations

import asyncio
import threading

import pytest

from clsh.access.pool import Pool


async def test_what_a_function_returns_or_raises() -> None:
    pool = Pool("test", 1)
    assert await pool.call(lambda: 7, 10.0) == 7
    with pytest.raises(ZeroDivisionError):
        await pool.call(lambda: 1 / 0, 10.0)
    pool.end()


async def test_one_that_hangs_holds_its_thread_and_no_other() -> None:
    pool, free = Pool("test", 2), threading.Event()
    with pytest.raises(TimeoutError):
        await pool.call(free.wait, 0.05)
    assert await pool.call(lambda: "others go on", 10.0) == "others go on"
    with pytest.raises(TimeoutError):
        await pool.call(free.wait, 0.05)
    with pytest.raises(TimeoutError):  # all hang: who waits gives up
        await pool.call(lambda: "never", 0.05)
    free.set()
    async with asyncio.timeout(10):
        assert await pool.call(lambda: "again", 10.0) == "again"
    pool.end()
