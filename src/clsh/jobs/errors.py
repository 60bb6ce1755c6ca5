"""What can be wrong with what is asked of the jobs."""

from __future__ import annotations

from clsh.base.errors import ClshError, UsageError


class RequestError(UsageError):
    """A request cannot be taken; `field` is the name in `Request` that is at fault, or ""."""

    def __init__(self, field: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class NoJobError(ClshError):
    """There is no such job, or it is somebody else's: both are told alike."""

    def __init__(self, job: int) -> None:
        super().__init__(f"there is no job {job}", hint="`cl jobs` lists yours")
        self.job = job


class NotNowError(ClshError):
    """The job is in a state in which this cannot be done."""
