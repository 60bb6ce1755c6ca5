"""What the pages ask of the jobs, as `clsh.jobs.service.Jobs` answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.base.users import User
    from clsh.jobs.engine import Stream
    from clsh.jobs.model import Job, Request, Task
    from clsh.jobs.wish import Listing, Wish


class Service(Protocol):
    """The jobs. All but `version` raise NoJobError for jobs that the user may not see."""

    @property
    def version(self) -> int:
        """Grows with each change of any job."""
        ...

    async def submit(self, user: User, requests: list[Request], /) -> list[int]:
        """Take requests and return the numbers of their jobs; raises RequestError."""
        ...

    async def jobs(self, user: User, wish: Wish, /) -> Listing:
        """Return one page of jobs."""
        ...

    async def job(self, user: User, job: int, /) -> tuple[Job, Sequence[Task]]:
        """Return a job with all its tasks."""
        ...

    async def cancel(self, user: User, job: int, index: int | None, /) -> object:
        """End a job, or one task of it; raises NotNowError."""
        ...

    async def hold(self, user: User, job: int, index: int | None, /) -> object:
        """Keep it from being started; raises NotNowError."""
        ...

    async def release(self, user: User, job: int, index: int | None, /) -> object:
        """Let it be started again; raises NotNowError."""
        ...

    async def requeue(self, user: User, job: int, index: int | None, /) -> object:
        """Start it anew; raises NotNowError."""
        ...

    async def read(
        self, user: User, job: int, index: int, stream: Stream, offset: int, limit: int, /
    ) -> bytes:
        """Return part of what a task has written, as `Engine.read` does; raises NodeError."""
        ...
