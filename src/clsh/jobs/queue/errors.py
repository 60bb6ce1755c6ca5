"""What can be wrong with the file of the queue."""

from __future__ import annotations

from clsh.base.errors import ClshError


class QueueError(ClshError):
    """The queue of jobs cannot be used."""


class QueueFullError(QueueError):
    """There is no room for the queue of jobs: nothing was stored."""
