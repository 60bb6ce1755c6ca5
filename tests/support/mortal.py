"""A manager of jobs that is killed between two database statements, as kill -9 would."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clsh.jobs import queue
from tests.support.jobs import made, until

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable, Sequence

    from clsh.jobs.engine import Launch, Report, Stream
    from clsh.jobs.engines.memory import MemoryEngine
    from clsh.jobs.model import Request, Slots
    from clsh.jobs.notices.outbox import Teller
    from clsh.jobs.service import Jobs


class Killed(BaseException):
    """Nobody catches it, and what it meets is not finished."""


class Life:
    """`statements` are left until death; a dead manager reaches neither file nor nodes.

    `sites` are the files and lines that had a statement carried out.
    """

    def __init__(self, statements: int) -> None:
        self.left = statements
        self.count = 0
        self.sites: set[tuple[str, int]] = set()
        self.is_dead = False

    def live(self) -> None:
        self.count += 1
        self.left -= 1
        if self.is_dead or self.left < 0:
            self.is_dead = True
            raise Killed
        asks = sys._getframe(2)
        self.sites.add((asks.f_code.co_filename, asks.f_lineno))


class Connection:
    """A connection that dies with its manager."""

    def __init__(self, db: sqlite3.Connection, life: Life) -> None:
        self._db = db
        self._life = life

    def execute(self, *words: Any) -> sqlite3.Cursor:
        self._life.live()
        return self._db.execute(*words)

    def executemany(self, *words: Any) -> sqlite3.Cursor:
        self._life.live()
        return self._db.executemany(*words)

    @property
    def in_transaction(self) -> bool:
        return not self._life.is_dead and self._db.in_transaction

    def close(self) -> None:
        self._db.rollback()  # the death of a process ends also what a cursor still reads
        self._db.close()


class Reached:
    """The nodes as a manager reaches them while it lives."""

    chooses = False

    def __init__(self, engine: MemoryEngine, life: Life) -> None:
        self._engine = engine
        self._life = life

    async def run(self, tell: Callable[[Report], None]) -> None:
        await self._engine.run(lambda report: None if self._life.is_dead else tell(report))

    def slots(self) -> Sequence[Slots]:
        return self._engine.slots()

    def complaints(self, request: Request) -> Sequence[str]:
        return self._engine.complaints(request)

    async def start(self, launch: Launch) -> Report:
        await self._alive()
        report = await self._engine.start(launch)
        await self._alive()
        return report

    async def ask(self, launches: Sequence[Launch]) -> Sequence[Report]:
        await self._alive()
        return await self._engine.ask(launches)

    async def cancel(self, launch: Launch) -> None:
        await self._alive()
        await self._engine.cancel(launch)

    async def read(self, launch: Launch, stream: Stream, offset: int, limit: int) -> bytes:
        return await self._engine.read(launch, stream, offset, limit)

    async def forget(self, launches: Sequence[Launch]) -> None:
        await self._alive()
        await self._engine.forget(launches)

    async def _alive(self) -> None:
        if self._life.is_dead:
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def manager(
    directory: Path,
    engine: MemoryEngine,
    statements: int = 1 << 40,
    teller: Teller | None = None,
) -> AsyncIterator[tuple[Jobs, Life]]:
    """A manager that dies after some statements; leave it and it is dead."""
    life = Life(statements)
    reached = Reached(engine, life)
    jobs = made(
        directory,
        cast("MemoryEngine", reached),
        connect=lambda db: cast("sqlite3.Connection", Connection(db, life)),
        teller=teller,
    )
    task = asyncio.create_task(_run(jobs))
    try:
        await until(lambda: bool(jobs._name) or life.is_dead or task.done())
        yield jobs, life
    finally:
        life.is_dead = True
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _run(jobs: Jobs) -> None:
    """Run until killed; anything else that fails is raised."""
    try:
        await jobs.run()
    except Killed:
        return
    except BaseExceptionGroup as group:
        other = group.split(Killed)[1]
        if other is not None:
            raise other from None


def _writing() -> set[tuple[str, range]]:
    """Return the lines of each statement in the code of the queue that changes something."""
    found: set[tuple[str, range]] = set()
    for path in Path(queue.__file__).parent.glob("*.py"):
        code = ast.parse(path.read_text())
        constants = {
            target.id: node.value
            for node in code.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(code):
            match node:
                case ast.Call(func=ast.Attribute(attr="execute" | "executemany"), args=[sql, *_]):
                    sql = constants.get(sql.id, sql) if isinstance(sql, ast.Name) else sql
                    text = ast.unparse(sql).lstrip("(f'\"")
                    if not text.startswith(("SELECT", "PRAGMA")):
                        found.add((str(path), range(node.lineno, (node.end_lineno or 0) + 1)))
    return found


def check_reached(
    sites: set[tuple[str, int]], least: int, *, only: str = "", but: str = ""
) -> None:
    """All statements that change something, `least` at least, are among those that were reached."""
    found = [
        (path, lines)
        for path, lines in _writing()
        if Path(path).name != but and Path(path).name.endswith(only)
    ]
    assert len(found) >= least
    for path, lines in found:
        assert any((path, line) in sites for line in lines), f"{path}:{lines.start} was not reached"
