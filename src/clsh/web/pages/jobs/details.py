"""The tasks behind the rows of a list: where a job runs, and why it waits or failed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from clsh.jobs.errors import NoJobError
from clsh.web.pages.jobs.states import UNFINISHED, total

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.base.users import User
    from clsh.jobs.model import Job, Task
    from clsh.jobs.service import Jobs

_MOST_TASKS = 64  # of one row; a job with more is told by its counts alone
_MOST_KEPT = 1024


class Details:
    """Asks for the tasks of jobs; those of a job that has ended are asked for once."""

    def __init__(self, service: Jobs) -> None:
        self._service = service
        self._kept: OrderedDict[tuple[int, float], Sequence[Task]] = OrderedDict()

    async def of(self, user: User, jobs: Sequence[Job]) -> Mapping[int, Sequence[Task]]:
        """Return the tasks of jobs that this user was shown, none of those with many."""
        few = [job for job in jobs if total(job) <= _MOST_TASKS]
        found = await asyncio.gather(*(self._tasks(user, job) for job in few))
        return dict(zip((job.id for job in few), found, strict=True))

    async def _tasks(self, user: User, job: Job) -> Sequence[Task]:
        key = (job.id, job.ended)  # 0 until it ends, and anew when it was requeued
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            now, tasks = await self._service.job(user, job.id)
        except NoJobError:  # it was removed just now
            return ()
        if now.state not in UNFINISHED:
            self._kept[now.id, now.ended] = tasks
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return tasks
