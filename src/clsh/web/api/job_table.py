"""The routes of jobs: a part of `clsh.web.api.table`."""

from __future__ import annotations

from typing import get_args

from clsh.jobs.model import JobState, TaskState
from clsh.jobs.wish import MOST, Order
from clsh.web.api import jobs
from clsh.web.api.entry import Entry
from clsh.web.asking import Parameter

_MOST_OUTPUT = 1024 * 1024
_LAST_ID = 10**11 - 1
_LONGEST_WAIT_S = 15
_JOB = Parameter(
    "job", "the job's number", "whole", where="path", required=True, low=1, high=_LAST_ID
)
_TASK = Parameter("task", "only this task of it", "whole", high=10**9)
_SEEN = (
    Parameter("seen", "the version that is known", "whole", default="0", high=_LAST_ID),
    Parameter(
        "wait",
        "seconds to wait for something newer than seen",
        "whole",
        default="0",
        high=_LONGEST_WAIT_S,
    ),
)
_ABOUT: tuple[tuple[jobs.Act, str], ...] = (
    ("cancel", "End a job, or one task: TERM, then KILL"),
    ("hold", "Do not start a job before it is released"),
    ("release", "Let a held job start"),
    ("requeue", "Run a job, or one task, again"),
)

JOBS: tuple[Entry, ...] = (
    Entry(
        "POST",
        "/api/v1/jobs",
        "Submit jobs, all or none; an equal key of the same owner is the same job",
        jobs.submit,
        "Submitted",
        access="user",
        kept="no",
        body="Jobs",
        status=201,
    ),
    Entry(
        "POST",
        "/api/v1/jobs/files",
        "Hand in a piece of a file for `send`, which then names it as DIGEST:NAME",
        jobs.take,
        "Piece",
        (
            Parameter("upload", "32 hexadecimal digits, the same for all pieces", required=True),
            Parameter("offset", "where the piece begins", "whole", default="0", high=_LAST_ID),
            Parameter("size", "bytes of the whole file", "whole", required=True, high=_LAST_ID),
        ),
        access="user",
        kept="no",
        raw=True,
    ),
    Entry(
        "GET",
        "/api/v1/jobs",
        "Jobs that you may see",
        jobs.listing,
        "JobList",
        (
            Parameter("owner", "only jobs of this user"),
            Parameter(
                "state",
                "only jobs in this state",
                "choice",
                many=True,
                choices=get_args(JobState),
            ),
            Parameter("q", "only jobs with this text in name or command"),
            Parameter("node", "only jobs with a task on this node"),
            Parameter(
                "sort",
                "a column, downwards with '-' before it",
                "choice",
                default="-id",
                choices=get_args(Order),
            ),
            Parameter("limit", "rows at most", "whole", default="50", high=MOST),
            Parameter("offset", "rows to leave out before", "whole", default="0", high=10**9),
            *_SEEN,
        ),
        access="user",
        kept="no",
    ),
    Entry(
        "GET",
        "/api/v1/jobs/{job}",
        "One job, what was asked for, and its tasks",
        jobs.job,
        "Job",
        (
            _JOB,
            Parameter(
                "state",
                "only tasks in this state",
                "choice",
                many=True,
                choices=get_args(TaskState),
            ),
            _TASK,
            Parameter("limit", "tasks at most", "whole", default="1000", high=MOST),
            Parameter("offset", "tasks to leave out before", "whole", default="0", high=10**6),
            *_SEEN,
        ),
        access="user",
        kept="no",
    ),
    Entry(
        "GET",
        "/api/v1/jobs/{job}/output",
        "What a task writes, from an offset on, as it is",
        jobs.output,
        "",
        (
            _JOB,
            Parameter("task", "the task's index; the first without it", "whole", high=10**9),
            Parameter(
                "stream",
                "which file",
                "choice",
                default="output",
                choices=("output", "error"),
            ),
            Parameter("offset", "bytes to leave out before", "whole", default="0", high=_LAST_ID),
            Parameter("tail", "only so many bytes at its end", "whole", high=_MOST_OUTPUT),
            Parameter("limit", "bytes at most", "whole", default="65536", low=1, high=_MOST_OUTPUT),
            Parameter(
                "wait", "seconds to wait for some", "whole", default="0", high=_LONGEST_WAIT_S
            ),
        ),
        access="user",
        kept="no",
        media=jobs.TEXT,
    ),
    *(
        Entry(
            "POST",
            f"/api/v1/jobs/{{job}}/{name}",
            about,
            jobs.act(name),
            "Acted",
            (_JOB, _TASK),
            access="user",
            kept="no",
        )
        for name, about in _ABOUT
    ),
)
