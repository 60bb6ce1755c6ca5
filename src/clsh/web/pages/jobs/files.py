"""A file that a task has written, whole, for keeping: never shown by the browser itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.responses import StreamingResponse

from clsh.jobs.errors import NoJobError
from clsh.jobs.wish import TaskWish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response

    from clsh.base.users import User
    from clsh.jobs.engine import Stream
    from clsh.jobs.service import Jobs

_CHUNK = 256 * 1024
_MOST_CHUNKS = 1 << 18  # 64 GB: a task that writes faster than anybody reads has no end
_ENDINGS = {"output": "out", "error": "err"}


async def download(
    service: Jobs, user: User, job: int, names: dict[str, str], limit: int = _MOST_CHUNKS
) -> Response:
    """Return the file of a task; raises NoJobError, and NodeError when it cannot be read at all.

    When that happens later the answer is broken off, so that half a file is not taken for one.
    """
    index = number(names["index"])
    found, tasks = await service.job(user, job, TaskWish(index=index))
    if names["stream"] not in _ENDINGS or not tasks:
        raise NoJobError(job)
    stream = cast("Stream", names["stream"])
    first = await service.read(user, job, index, stream, 0, _CHUNK)

    async def chunks() -> AsyncIterator[bytes]:
        data, offset = first, 0
        for _ in range(limit):
            if not data:
                return
            yield data
            offset += len(data)
            data = await service.read(user, job, index, stream, offset, _CHUNK)

    name = f"job-{job}{f'.{index}' if sum(found.counts.values()) > 1 else ''}.{_ENDINGS[stream]}"
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "no-store",
    }
    return StreamingResponse(chunks(), headers=headers, media_type="application/octet-stream")


def number(text: str) -> int:
    """Return a number of a path, -1 for what is none, which no job or task has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1
