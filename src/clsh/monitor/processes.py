"""The processes of a node: one script over any Session, and what its output means.

It reads /proc, since the options of ps differ from one system to the next. A command line
may hold anything, also what looks like our output. Therefore the content of a file begins
behind a line with its path, as head(1) prints it, and the path is spelt with a random pattern
of `/` and `/.` that no process can know beforehand. All is compressed where there is a gzip.
"""

from __future__ import annotations

import re
import secrets
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, NodeError
from clsh.monitor.proc.script import COMMAND
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from clsh.remote.transport import Session, Stream

_MOST_BYTES = 1 << 22
_MOST_PLAIN_BYTES = 1 << 25
_BITS = 32
# Linux tells every program times in 1/100 s, whatever it counts in by itself.
_TICK_S = 0.01
_KIB = 1024
_LONGEST_COMMAND = 1024

_BEGIN = re.compile(rb"^clsh processes (gzip|plain)\n", re.MULTILINE)
_FIRST = re.compile(rb"==> (\.[/.]+/)0/first <==\n")
_NULL = b"==> /dev/null <==\n"
_STAT = re.compile(rb"[0-9]+ \((.*)\) ([A-Za-z]) ((?:-?[0-9]{1,20} ){19,})", re.DOTALL)
_UID = re.compile(rb"([0-9]{1,10})/status:Uid:\t[0-9]+\t([0-9]{1,10})\t[0-9\t]+")
_RSS = re.compile(rb"([0-9]{1,10})/status:VmRSS:[ \t]*([0-9]{1,15}) kB")
_USER = re.compile(rb"([^:]{1,64}):[^:]*:([0-9]{1,10}):.*")
_FACT = re.compile(rb"([UBP]) ([0-9]{1,15}(?:\.[0-9]{1,6})?)")

# Two looks at the times make the share of the CPU. Processes end while they are read.
_SCRIPT = """{
exec 2>/dev/null
cd /proc && [ -r stat ] || exit 9
LC_ALL=C
export LC_ALL
list() {
  for p in [0-9]*; do
    for f; do echo "$way$p/$f"; done
  done | xargs -n 1000 head -c $size /dev/null
  echo
}
look() {
  read -r up rest <uptime
  printf '%s\\n' "==> ${way}0/$1 <==" "U $up"
}
users() {
  if command -v getent >/dev/null; then
    getent passwd $(printf '%s\\n' "$status" | cut -f 3 | sort -u)
  else
    head -c 100000 /etc/passwd
  fi
}
table() {
  look first
  list stat
  sleep 0.5 || sleep 1
  look second
  while read -r k v rest; do
    case $k in btime) echo "B $v"; break;; esac
  done <stat
  echo "P $$"
  status=$(grep -s -e '^Uid:' -e '^VmRSS:' [0-9]*/status)
  printf '%s\\n' "$status"
  users
  list stat cmdline
}
z=cat name=plain
command -v gzip >/dev/null && z='gzip -1' name=gzip
echo "clsh processes $name"
table | $z
exit 0
} </dev/null
"""


class ListError(ClshError):
    """The list of processes cannot be read."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process; `cpu` is per cent of one core over the last half second, `rss` bytes.

    `state` is the letter of proc(5), `user` the effective one. `command` is the command line
    with a space between arguments, as the process gives it, control characters and all; what
    has none (a thread of the kernel) is its name in brackets.
    """

    node: str
    pid: int
    ppid: int
    user: str
    state: str
    cpu: float
    rss: int
    threads: int
    started: float
    command: str


async def processes(session: Session, node: str) -> list[Process]:
    """Return what runs on the node of `session` but for this very script, by process id.

    Takes a little over half a second. Raises NodeLostError, and NodeError when the node has
    no /proc or says too much.
    """
    output = _Output(node)
    ended = await session.run(Command(COMMAND), output, _script())
    if ended.status == 9:
        raise NodeError(node, "it has no /proc: only Linux lists its processes")
    try:
        return parse(bytes(output.data), node)
    except ListError as error:
        raise NodeError(node, str(error)) from error


async def _script() -> AsyncIterator[bytes]:
    way = "." + "".join(secrets.choice(("/", "/.")) for _ in range(_BITS)) + "/"
    yield f"way={way} size={_LONGEST_COMMAND}\n{_SCRIPT}".encode()


class _Output:
    def __init__(self, node: str) -> None:
        self.data = bytearray()
        self._node = node

    def write(self, stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            self.data += data
        if len(self.data) > _MOST_BYTES:
            raise NodeError(self._node, "its list of processes is too long")


@dataclass(slots=True)
class _Facts:
    """What is told of the whole node and of all processes at once."""

    numbers: dict[bytes, float] = field(default_factory=dict[bytes, float])
    uids: dict[int, int] = field(default_factory=dict[int, int])
    rss: dict[int, int] = field(default_factory=dict[int, int])
    users: dict[int, str] = field(default_factory=dict[int, str])


@dataclass(frozen=True, slots=True)
class _Stat:
    """/proc/PID/stat; `ticks` is the time on a CPU, `start` when it began after boot."""

    name: str
    state: str
    ppid: int
    group: int
    ticks: int
    threads: int
    start: int


def parse(output: bytes, node: str) -> list[Process]:
    """Read the output of the script; raises ListError."""
    begin = _BEGIN.search(output)
    if begin is None:
        raise ListError("it gave no list of processes")
    plain = _plain(output[begin.end() :], begin[1] == b"gzip")
    first = _FIRST.match(plain)
    if first is None:
        raise ListError("its list of processes has no beginning")
    before: dict[int, _Stat] = {}
    now: dict[int, _Stat] = {}
    commands: dict[int, bytes] = {}
    began, facts = _Facts(), _Facts()
    seen = before
    for pid, name, content in _files(plain, first[1]):
        if name == b"first":
            began = _facts(content)
        elif name == b"second":
            facts, seen = _facts(content), now
        elif name == b"cmdline":
            commands.setdefault(pid, content)
        elif (stat := _stat(content)) is not None:
            seen.setdefault(pid, stat)
    own = now.get(int(facts.numbers.get(b"P", 0)))
    elapsed_s = facts.numbers.get(b"U", 0.0) - began.numbers.get(b"U", 0.0)
    return [
        _process(node, pid, stat, facts, _share(before.get(pid), stat, elapsed_s, facts), commands)
        for pid, stat in sorted(now.items())
        if own is None or stat.group != own.group
    ]


def _plain(data: bytes, is_compressed: bool) -> bytes:
    if not is_compressed:
        return data
    unpack = zlib.decompressobj(wbits=31)
    try:
        plain = unpack.decompress(data, _MOST_PLAIN_BYTES)
    except zlib.error as error:
        raise ListError(f"its list of processes is damaged: {error}") from error
    if not unpack.eof:
        raise ListError("its list of processes is too long or was cut off")
    return plain


def _files(plain: bytes, way: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield process id, name and content of each file."""
    header = re.compile(rb"==> " + re.escape(way) + rb"([0-9]{1,10})/([a-z]{4,7}) <==\n")
    found = list(header.finditer(plain))
    ends = [match.start() for match in found[1:]] + [len(plain)]
    for match, end in zip(found, ends, strict=True):
        content = plain[match.end() : end]
        # what head(1) puts between two files, and before the first of the next thousand
        yield int(match[1]), match[2], content.removesuffix(b"\n").removesuffix(_NULL)


def _facts(content: bytes) -> _Facts:
    facts = _Facts()
    for line in content.splitlines():
        if found := _UID.fullmatch(line):
            facts.uids[int(found[1])] = int(found[2])
        elif found := _RSS.fullmatch(line):
            facts.rss[int(found[1])] = int(found[2]) * _KIB
        elif found := _FACT.fullmatch(line):
            facts.numbers[found[1]] = float(found[2])
        elif found := _USER.fullmatch(line):
            facts.users[int(found[2])] = found[1].decode(errors="replace")
    return facts


def _stat(content: bytes) -> _Stat | None:
    """Read a stat file, see proc(5); None when the process ended while it was read."""
    found = _STAT.match(content)
    if found is None:
        return None
    numbers = [int(word) for word in found[3].split()]
    return _Stat(
        found[1].decode(errors="replace"),
        found[2].decode(),
        numbers[0],
        numbers[1],
        numbers[10] + numbers[11],
        numbers[16],
        numbers[18],
    )


def _share(before: _Stat | None, now: _Stat, elapsed_s: float, facts: _Facts) -> float:
    """Return the per cent of one core, of a process that is new since its start."""
    ticks = now.ticks
    if before is not None and before.start == now.start:
        ticks -= before.ticks
    else:
        elapsed_s = facts.numbers.get(b"U", 0.0) - now.start * _TICK_S
    return max(0.0, 100.0 * ticks * _TICK_S / elapsed_s) if elapsed_s > _TICK_S else 0.0


def _process(
    node: str,
    pid: int,
    stat: _Stat,
    facts: _Facts,
    cpu: float,
    commands: dict[int, bytes],
) -> Process:
    line = commands.get(pid, b"")
    cut = len(line) >= _LONGEST_COMMAND
    command = line.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    uid = facts.uids.get(pid)
    return Process(
        node=node,
        pid=pid,
        ppid=stat.ppid,
        user="?" if uid is None else facts.users.get(uid, str(uid)),
        state=stat.state,
        cpu=round(cpu, 1),
        rss=facts.rss.get(pid, 0),
        threads=stat.threads,
        started=facts.numbers.get(b"B", 0.0) + stat.start * _TICK_S,
        command=f"{command}…" if cut else command or f"[{stat.name}]",
    )
