"""Which jobs and tasks somebody wants to see: a filter, an order, a page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.jobs.model import Job, JobState, TaskState

Order = Literal["id", "-id", "submitted", "-submitted", "name", "-name", "owner", "-owner"]
MOST = 1000
"""How many jobs, or tasks, there are on a page at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The jobs of `owner` ("": of all whom the asker may see) in these states, and the page.

    `text` is looked for in name and argv, `node` among the places of their tasks.
    """

    owner: str = ""
    states: frozenset[JobState] = frozenset()
    text: str = ""
    node: str = ""
    order: Order = "-id"
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of jobs, how many there are in all, and of each state without regard to it."""

    jobs: Sequence[Job]
    total: int
    states: Mapping[JobState, int]


@dataclass(frozen=True, slots=True)
class TaskWish:
    """Tasks of a job in these states, in the order of its array, and the page.

    With `index` it is that one task alone, or none when the job has no such task.
    """

    states: frozenset[TaskState] = frozenset()
    index: int | None = None
    offset: int = 0
    limit: int = MOST
