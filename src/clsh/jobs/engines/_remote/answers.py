"""What a node's loop and its runners say, as values: `clsh NUMBER ID PHASE ...`. Pure.

Each line is for itself: one that cannot be read is dropped, and hurts no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clsh.jobs.engine import Report

if TYPE_CHECKING:
    from clsh.jobs.engine import Launch

Said = Literal[
    "absent", "starting", "running", "ended", "lost", "refused", "unknown", "hello", "done", "fault"
]
_SAID: dict[bytes, Said] = {
    b"absent": "absent", b"starting": "starting", b"running": "running", b"ended": "ended",
    b"lost": "lost", b"refused": "refused", b"unknown": "unknown", b"hello": "hello",
    b"done": "done", b"fault": "fault",
}  # fmt: skip
_LINE = re.compile(rb"clsh (-|[0-9]{1,9}) (\S{1,200}) ([a-z]+)(?: (.*))?")
_OVER = re.compile(rb"([0-9]{1,3}) ([0-9]{1,18}) ([0-9]+\.[0-9]+) ([0-9]+\.[0-9]+)(?: (.*))?")
_RAN = re.compile(rb"[0-9]{1,10}")
_HELLO = re.compile(r"([0-9]{1,9}) ([0-9]{1,15}) ([0-9]{1,4}) (\S+) (/.*)", re.ASCII)
_MOST_WORDS = 300
_SIGNALS = {
    1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL",
    10: "USR1", 11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM", 24: "XCPU",
    25: "XFSZ",
}  # fmt: skip
_GB = 1 << 30


@dataclass(frozen=True, slots=True)
class Answer:
    """One line; `number` is None for what a runner says unasked.

    `age_s` is how old an end is, or how long one runs.
    """

    number: int | None
    id: str
    said: Said
    code: int = 0
    rss: int = 0
    age_s: float = 0.0
    words: str = ""


@dataclass(frozen=True, slots=True)
class Hello:
    """What the node has: cores, bytes of memory, GPUs; who we are there, and the spool."""

    cores: int
    memory: int
    gpus: int
    user: str
    spool: str


def answer(line: bytes) -> Answer | None:
    """Return what a line says, None for one that is not ours or cannot be read."""
    found = _LINE.fullmatch(line.rstrip(b"\r"))
    if found is None or (said := _SAID.get(found[3])) is None:
        return None
    number = None if found[1] == b"-" else int(found[1])
    name, rest = found[2].decode("ascii", "replace"), found[4] or b""
    if said == "running" and _RAN.fullmatch(rest):
        return Answer(number, name, said, age_s=float(rest))
    if said not in {"ended", "lost", "refused"}:
        return Answer(number, name, said, words=_words(rest))
    over = _OVER.fullmatch(rest)
    if over is None:
        return None
    age_s = max(0.0, float(over[4]) - float(over[3]))
    return Answer(number, name, said, int(over[1]), int(over[2]), age_s, _words(over[5] or b""))


def hello(words: str) -> Hello | None:
    """Return what the first line of a loop says of its node."""
    found = _HELLO.fullmatch(words)
    if found is None:
        return None
    return Hello(int(found[1]), int(found[2]) * 1024, int(found[3]), found[4], found[5])


def report(said: Answer, launch: Launch, now: float) -> Report:
    """Return an answer as the report of an attempt."""
    nodes = tuple(place.node for place in launch.places)
    match said.said:
        case "running":
            return Report(launch.id, "running", now, ran_s=said.age_s, nodes=nodes)
        case "absent" | "unknown" as phase:
            return Report(launch.id, phase, now, reason=said.words, nodes=nodes)
        case "lost" | "refused" as phase:
            at = now - said.age_s
            return Report(launch.id, phase, at, reason=said.words, rss=said.rss, nodes=nodes)
        case "ended":
            pass
        case other:
            return Report(launch.id, "unknown", now, reason=other, nodes=nodes)
    signal = _SIGNALS.get(said.code - 128, "")
    reason = said.words
    if reason == "rss":
        allowed = launch.request.rss_limit
        reason = f"RSS {said.rss / _GB:.3g} GB of {allowed / _GB:.3g} GB allowed"
    status = None if signal else said.code
    at = now - said.age_s
    return Report(launch.id, "ended", at, status, signal, reason, said.rss, nodes)


def _words(data: bytes) -> str:
    text = data[: _MOST_WORDS * 4].decode(errors="replace")
    return "".join(c if c.isprintable() else "?" for c in text)[:_MOST_WORDS]
