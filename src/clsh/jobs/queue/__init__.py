"""The queue: jobs and tasks in one SQLite file; docs/design/queue.md is its format."""

from clsh.jobs.queue.errors import QueueError, QueueFullError
from clsh.jobs.queue.queue import Queue
from clsh.jobs.queue.rows import Batch, JobRow, New, Stored

__all__ = ["Batch", "JobRow", "New", "Queue", "QueueError", "QueueFullError", "Stored"]
