"""Whole lines out of chunks, and a label before each: bulk work, nothing for each line.

Lines of different nodes never mix within a line, so a line waits until it is whole. One
that has no end is cut into pieces of 64 KiB, each shown as a line of its own.
"""

from __future__ import annotations

PIECE = 64 * 1024


class Lines:
    """Collects the chunks of one stream of one node and gives back whole lines."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = bytearray()

    def push(self, data: bytes) -> bytes:
        """Take a chunk; return the lines that it completes, each with its newline, or b""."""
        end = data.rfind(b"\n") + 1
        whole = b""
        if end:
            whole = bytes(self._begun) + data[:end]
            self._begun.clear()
        self._begun += data[end:]
        if len(self._begun) > PIECE:
            whole += self._cut()
        return whole

    def rest(self) -> bytes:
        """Return the line that has no newline yet, as it is, and forget it."""
        rest = bytes(self._begun)
        self._begun.clear()
        return rest

    def _cut(self) -> bytes:
        """Take pieces off the line that does not end, never inside a UTF-8 character."""
        pieces: list[bytes | bytearray] = []
        begun, start = self._begun, 0
        while len(begun) - start > PIECE:
            end = start + PIECE
            end -= next((back for back in range(4) if begun[end - back] & 0xC0 != 0x80), 0)
            pieces += begun[start:end], b"\n"
            start = end
        del begun[:start]
        return b"".join(pieces)


def labelled(lines: bytes, label: bytes) -> bytes:
    """Put `label` before each line of `lines`, the last of which may lack its newline."""
    if not lines:
        return b""
    body = lines[:-1] if lines.endswith(b"\n") else lines
    return b"%b%b\n" % (label, body.replace(b"\n", b"\n" + label))
