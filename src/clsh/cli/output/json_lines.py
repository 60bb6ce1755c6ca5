"""`--json`: one object a line, for programs.

A line of output is `{"node", "stream", "text"}`, its newline left out; `"base64"` stands
for `"text"` where it is not UTF-8. `"newline": false` marks what did not end with a
newline: the last line of some outputs, and the pieces of a line over 64 KiB. So the output
can be put together again byte for byte. A node ends with `{"node", "state", "exit",
"seconds"}`, the run with `{"exit", "nodes", "failed"}`.
"""

from __future__ import annotations

import base64
from json import JSONEncoder
from typing import TYPE_CHECKING

from clsh.cli.output.lines import PIECE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clsh.remote.fanout import Outcome
    from clsh.remote.transport import Stream

_encode = JSONEncoder(ensure_ascii=False).encode


class JsonFeed:
    """Turns one stream of one node into objects."""

    def __init__(
        self, put: Callable[[bytes], Awaitable[None] | None], node: str, stream: Stream
    ) -> None:
        self._put = put
        self._head = f'{{"node": {_encode(node)}, "stream": "{stream}", '
        self._begun = bytearray()

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Take bytes as they come; returns what to wait for when the reader is slow."""
        self._begun += data
        if b"\n" not in data and len(self._begun) < PIECE:
            return None
        *lines, begun = bytes(self._begun).split(b"\n")
        objects = [self._object(line, "}\n") for line in lines]
        if len(begun) >= PIECE:
            objects.append(self._object(begun, ', "newline": false}\n'))
            begun = b""
        self._begun = bytearray(begun)
        return self._put("".join(objects).encode())

    def end(self) -> None:
        """Give what has no newline."""
        if self._begun:
            self._put(self._object(bytes(self._begun), ', "newline": false}\n').encode())
            self._begun.clear()

    def _object(self, line: bytes, tail: str) -> str:
        try:
            return f'{self._head}"text": {_encode(line.decode())}{tail}'
        except UnicodeDecodeError:
            return f'{self._head}"base64": "{base64.b64encode(line).decode()}"{tail}'


def ended(outcome: Outcome) -> bytes:
    """Return the object that tells how a node ended."""
    told: dict[str, object] = {
        "node": outcome.node.name,
        "state": outcome.state,
        "exit": outcome.exit.status if outcome.exit else None,
        "seconds": round(outcome.seconds, 3),
    }
    if outcome.exit and outcome.exit.signal:
        told["signal"] = outcome.exit.signal
    if outcome.reason:
        told["reason"] = outcome.reason
    return _encode(told).encode() + b"\n"


def over(code: int, nodes: int, failed: int) -> bytes:
    """Return the last object, which tells how the whole run ended."""
    return _encode({"exit": code, "nodes": nodes, "failed": failed}).encode() + b"\n"
