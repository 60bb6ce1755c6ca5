"""Hand in files to be sent along with jobs: read here, with the rights of who asks.

A piece at a time, each small enough for one request; a broken connection costs one piece.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlencode

from clsh.base import client
from clsh.base.client import BrokenOffError
from clsh.base.errors import ClshError, UsageError
from clsh.base.messages import tr
from clsh.jobs.sent import item
from clsh.jobs.sent.item import Item

if TYPE_CHECKING:
    from collections.abc import Iterable

_PATH = "/api/v1/jobs/files"
_TRIES = 5  # in a row without a byte more
_PAUSE_S = 0.2


def all_of(send: Iterable[str]) -> list[str]:
    """Return the entries of `send` for paths of this machine; those that are entries stay.

    Raises UsageError, ClshError and what `clsh.base.client` does.
    """
    return [one if _is_item(one) else str(_hand_in(one)) for one in send]


def _is_item(text: str) -> bool:
    try:
        item.read(text)
    except ValueError:
        return False
    return True


def _hand_in(path: str) -> Item:
    name = os.path.basename(path)  # noqa: PTH119 - a Path would take `x/` for `x`
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a name pipe would block
            raise UsageError(
                tr("{path} is no file", path=path), hint=tr("pack a directory: tar cf x.tar DIR")
            )
        if not item.is_name(name):
            raise UsageError(
                tr("{name} cannot be sent along by this name", name=repr(name)),
                hint=tr("without commas, control characters and spaces at its ends"),
            )
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            told = os.fstat(file.fileno())
            return Item(_upload(file, told.st_size, path), name, bool(told.st_mode & 0o111))
    except OSError as error:
        raise ClshError(
            tr("cannot read {path}: {reason}", path=path, reason=error.strerror or error),
            hint=tr("--send is for files of this machine that you may read"),
        ) from error


def _upload(file: BinaryIO, size: int, path: str) -> str:
    """Send a file, and return its digest."""
    upload = secrets.token_hex(16)
    offset = failures = 0
    while failures < _TRIES:
        file.seek(offset)
        data = file.read(min(client.LARGEST_SENT, size - offset))
        asked = urlencode({"upload": upload, "offset": offset, "size": size})
        try:
            told = cast("dict[str, object]", client.post(f"{_PATH}?{asked}", data))
        except BrokenOffError:
            failures += 1
            time.sleep(_PAUSE_S)
            continue
        if told["digest"]:
            return str(told["digest"])
        before, offset = offset, int(cast("int", told["have"]))
        failures = 0 if offset > before else failures + 1
    raise ClshError(
        tr("{path} was not taken whole", path=path),
        hint=tr("it may have changed meanwhile: try again"),
    )
