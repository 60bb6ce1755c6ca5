"""The tasks behind the rows of a list: where a job runs, and why it waits or failed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from clsh.jobs.model import ENDED
from clsh.web.pages.jobs.states import total

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
        found: dict[int, Sequence[Task]] = {}
        for job in few:
            if (kept := self._kept.get(_key(job))) is not None:
                self._kept.move_to_end(_key(job))
                found[job.id] = kept
        wanted = [job for job in few if job.id not in found]
        if wanted:
            asked = await self._service.few(user, [job.id for job in wanted])
            found.update(asked)
            for job in wanted:
                tasks = asked.get(job.id, ())
                if tasks and all(task.state in ENDED for task in tasks):
                    self._kept[_key(job)] = tasks
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found


def _key(job: Job) -> tuple[int, float]:
    return (job.id, job.ended)  # 0 until it ends, and anew when it was requeued
