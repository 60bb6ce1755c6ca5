"""What everybody sees is made once: answers kept for a version of the grid, tagged, packed.

Making an answer may take at most a tenth of the time, however fast the grid changes: one that
took 10 ms is served for 100 ms (`_LONGEST_S` at most), whatever the number of readers.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import itertools
import json
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from clsh.base.clock import Clock

JSON = "application/json"
_LONGEST_S = 1.0
_TIMES_ITS_COST = 10
_MOST_KEPT = 512
_BYTES_KEPT = 32 * 2**20
_WORTH_PACKING = 1024
_WORTH_A_THREAD = 128 * 1024


@dataclass(frozen=True, slots=True)
class Made:
    """The body of an answer and what it is."""

    body: bytes
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Kept:
    """An answer that was made, with its tag; it is packed when somebody first wants it so."""

    def __init__(self, made: Made) -> None:
        self.made = made
        digest = hashlib.blake2b(made.body, digest_size=12, key=made.media.encode()[:64])
        # Weak: packed or not, it is the same answer.
        self.tag = f'W/"{digest.hexdigest()}"'
        self._packed: bytes | None = None

    @property
    def size(self) -> int:
        """The bytes it holds."""
        return len(self.made.body) + len(self._packed or b"")

    async def packed(self) -> bytes:
        """Return the body as gzip has it."""
        if self._packed is None:
            body = self.made.body
            if len(body) < _WORTH_A_THREAD:
                self._packed = gzip.compress(body, 5, mtime=0)
            else:
                self._packed = await asyncio.to_thread(gzip.compress, body, 5, mtime=0)
        return self._packed


@dataclass(slots=True)
class _Place:
    kept: Kept
    version: int
    until: float


class Answers:
    """The answers of now, by what was asked; the oldest go when there are too many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._making: dict[tuple[str, int], asyncio.Task[Kept]] = {}

    async def get(self, key: str, version: int, make: Callable[[], Awaitable[Made]]) -> Kept:
        """Return the answer `key` for `version`, made by the first who asks.

        All who ask meanwhile wait for that one; it goes on when the first one leaves.
        """
        place = self._places.get(key)
        if place and (place.version == version or self._clock.steady() < place.until):
            self._places.move_to_end(key)
            return place.kept
        task = self._making.get((key, version))
        if task is None:
            task = asyncio.create_task(self._make(key, version, make))
            self._making[key, version] = task
            task.add_done_callback(lambda done: self._made(key, version, done))
        return await asyncio.shield(task)

    def _made(self, key: str, version: int, task: asyncio.Task[Kept]) -> None:
        del self._making[key, version]
        if not task.cancelled():
            task.exception()  # seen by those who wait; when all of them left, by nobody

    def forget(self) -> None:
        """Let whoever changed something see it at once."""
        self._places.clear()

    async def _make(self, key: str, version: int, make: Callable[[], Awaitable[Made]]) -> Kept:
        begun = self._clock.steady()
        kept = Kept(await make())
        now = self._clock.steady()
        self._places[key] = _Place(
            kept, version, now + min(_LONGEST_S, _TIMES_ITS_COST * (now - begun))
        )
        self._places.move_to_end(key)
        self._shrink()
        return kept

    def _shrink(self) -> None:
        held = sum(place.kept.size for place in self._places.values())
        while len(self._places) > 1 and (len(self._places) > _MOST_KEPT or held > _BYTES_KEPT):
            _, place = self._places.popitem(last=False)
            held -= place.kept.size


async def reply(
    kept: Kept, asked: Mapping[str, str], *, status: int = 200, private: bool = False
) -> Response:
    """Return the answer to a request with the headers `asked`: 304 when the client has it."""
    headers = {
        **kept.made.headers,
        "cache-control": "no-store" if private else "no-cache",
        "vary": "accept-encoding, accept-language, cookie",
    }
    if not private:
        headers["etag"] = kept.tag
        if has(asked.get("if-none-match", ""), kept.tag):
            return Response(status_code=304, headers=headers)
    body = kept.made.body
    if len(body) >= _WORTH_PACKING and wants_gzip(asked.get("accept-encoding", "")):
        body = await kept.packed()
        headers["content-encoding"] = "gzip"
    headers["content-type"] = kept.made.media
    return Response(body, status, headers)


def has(given: str, tag: str) -> bool:
    """Tell whether an If-None-Match holds `tag` (RFC 9110, 13.1.2: compared as weak ones)."""
    plain = tag.removeprefix("W/")
    return any(one.strip().removeprefix("W/") in {plain, "*"} for one in given[:4096].split(","))


def wants_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding takes gzip (RFC 9110, 12.5.3: `q=0` is a no)."""
    for one in accepted[:1024].lower().split(","):
        name, _, weight = one.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def to_json(value: object) -> bytes:
    """Return `value` as JSON; what is not a finite number becomes null."""
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return text.encode()


async def to_long_json(
    fields: Mapping[str, object], name: str, rows: Iterable[object], at_once: int
) -> Made:
    """Return an object whose last field `name` is a long list.

    Others have their turn after each `at_once` rows: the encoder holds the interpreter's lock
    to its end, so that a thread for all of it would hold everybody up just the same.
    """
    parts: list[bytes] = []
    left = iter(rows)
    while some := list(itertools.islice(left, at_once)):
        parts.append(to_json(some)[1:-1])
        await asyncio.sleep(0)
    head = to_json({**fields, name: []}).removesuffix(b"]}")
    return Made(b"".join((head, b",".join(parts), b"]}")))


def number(value: object) -> float | None:
    """Return a finite number, None for everything else."""
    good = isinstance(value, (int, float)) and math.isfinite(value)
    return cast("float", value) if good else None


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in cast("list[object]", value)]
    return value
