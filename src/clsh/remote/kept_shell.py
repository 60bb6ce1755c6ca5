"""One shell kept open on a node: lines go in, each answer comes back framed and byte-exact.

`cd`, variables, umask, functions and aliases last from line to line, and a line costs no
new channel. The shell is the user's own where it is a POSIX one (bash, zsh, ksh, dash, ash),
else /bin/sh. It runs as an interactive shell without a terminal, start-up files, history or
job control, since that is the mode in which a shell survives what people type: a syntax
error, an unset variable, an interrupt in the middle of a loop.

Its own stdout and stderr are /dev/null, so that prompts and notices show nowhere; the real
ones are descriptors 7 and 8, which only the evaluated line gets, as its 1 and 2. Therefore
no redirection by `exec` outlasts its line. After each line the shell writes a marker on both
streams: two control bytes around a random token, the line's number and its status. The token
is never in an argv, and the shell holds it in escaped form only, so output cannot forge it.
A function of the shell writes the markers: bash reads its input byte by byte, and the words
for both cost it more than the line.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, NodeError, UsageError
from clsh.remote.quoting import in_sh
from clsh.remote.transport import Command, Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Self

    from clsh.remote.transport import Session, Sink, Stream

# ENV and HISTFILE keep ksh from its start-up file and its history, TMOUT would end an idle
# shell. zsh's -f and bash's --norc mean the same.
_BOOT = (
    "unset TMOUT PROMPT_COMMAND; ENV=/dev/null HISTFILE=/dev/null; export ENV HISTFILE; "
    's=${SHELL:-/bin/sh}; [ -x "$s" ] || s=/bin/sh; case ${s##*/} in '
    'bash) set -- "$s" --norc --noprofile +m -i;; '
    'zsh) set -- "$s" -f +m -i;; '
    '*ksh*|dash|ash|sh) set -- "$s" +m -i;; '
    "*) set -- /bin/sh +m -i;; esac; "
    'exec "$@" 7>&1 8>&2 >/dev/null 2>&1'
)
# In older bash, history expansion changes a '!' in a quoted line of several lines.
_SETTLE = (
    "PS1= PS2=; unset ENV HISTFILE MAILCHECK; set +m; "
    '[ -z "$BASH_VERSION" ] || set +H +o history\n'
    "printf \\\\036{token}\\ 0\\ $$,"
    "${{BASH_VERSION:+bash}}${{ZSH_VERSION:+zsh}}${{KSH_VERSION:+ksh}}\\\\037 >&7; "
    "printf \\\\036{token}\\ 0\\ 0\\\\037 >&8\n"
)
# $1 is the number of the line, $2 its status when that is not what the shell knows. What an
# interrupt may leave of a call (any end of it) is the name of no command.
_MARK = (
    '__clsh__() {{ {print} "\\036{token} $1 ${{2-$?}}\\037" >&7; '
    '{print} "\\036{token} $1 ${{2-0}}\\037" >&8; }}\n'
)
# $1 is the shell's pid, $2 how hard to stop what it runs. A process that ignores both INT and
# QUIT was put in the background with '&' and is spared as long as possible. The group is
# signalled as a whole, so that no child started meanwhile is missed, and what has left the
# group (timeout does) one by one, so that nothing gets the same signal twice. Where the kernel
# tells the children of a process, nothing else is read, and nothing is forked.
_STOP = r"""
p=$1 how=$2 all=" "
kids() {
  for f in /proc/$1/task/*/children; do
    l=; read -r l <$f
    for c in $l; do all="$all$c "; kids $c; done
  done
}
walk() {
  set -- $list
  while [ $# -gt 1 ]; do
    case $all in
      *" $1 "*) ;;
      *" $2 "*) all="$all$1 "; more=y;;
    esac
    shift 2
  done
}
away() {
  if [ -r /proc/$1/stat ]; then
    read -r g </proc/$1/stat; g=${g##*) }; g=${g#* }; g=${g#* }; g=${g%% *}
  else
    g=$(ps -o pgid= -p $1); g=$((g+0))
  fi
  [ "$g" != "$p" ]
}
spared() {
  while read -r k v; do [ "$k" != SigIgn: ] || break; done </proc/$1/status
  case $k$v in SigIgn:*[67ef]) true;; *) false;; esac
}
{
  if [ -e /proc/$p/task/$p/children ]; then
    kids $p
  else
    all=" $p " more=y
    if [ -r /proc/$p/stat ]; then
      list=$(sed -n 's/^\([0-9]*\) (.*) [A-Za-z] \([0-9]*\) .*/\1 \2/p' /proc/[0-9]*/stat)
    else
      list=$(ps -A -o pid= -o ppid=)
    fi
    while [ "$more" ]; do more=; walk; done
    all=${all#" $p"}
  fi
  case $how in
    INT)
      out=; for c in $all; do ! away $c || out="$out $c"; done
      kill -INT -$p || out="$p $all"
      [ -z "$out" ] || kill -INT $out;;
    END) kill -KILL -$p; kill -KILL $p $all;;
    *)
      for c in $all; do spared $c || kill -$how $c; done
      kill -INT -$p || kill -INT $p;;
  esac
} 2>/dev/null
exit 0
"""
# What interrupt() does, and how many seconds it gives the line to end.
# bash takes no notice of an INT that comes just when a command ends: so there are two.
_STAGES = (("INT", 1.0), ("INT", 1.0), ("TERM", 1.0), ("KILL", 1.0), ("END", 1.0))
# bash says so, after its own pid, when a signal ended a command: it has no terminal to restore.
_NOTICE = rb"^[^\n]*: \[%s: \d+ \(\d+\)\] tcsetattr: [^\n]*\n"
_LEAVE_S = 0.3
_ASK_EACH_S = 0.1
_AGAIN = "again"


class _Lines:
    """What the shell reads: an iterator that ends when the shell is to end."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(self, data: bytes | None) -> None:
        self._queue.put_nowait(data)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self._queue.get()
        if data is None:
            raise StopAsyncIteration
        return data


class _Nowhere:
    """The sink of what nobody asked for."""

    def write(self, stream: Stream, data: bytes) -> None:
        """Drop it."""


class _Cutter:
    """Cuts the markers out of one stream; `held` may be the beginning of one."""

    def __init__(self, begin: bytes) -> None:
        self.held = b""
        self._begin = begin

    def cut(self, data: bytes) -> list[tuple[bytes, bytes | None]]:
        """Return pairs of output and the text of the marker behind it (None: not yet)."""
        data = self.held + data
        self.held = b""
        pieces: list[tuple[bytes, bytes | None]] = []
        while (start := data.find(self._begin)) >= 0:
            end = data.find(b"\x1f", start)
            if end < 0:
                break
            pieces.append((data[:start], data[start + len(self._begin) : end]))
            data = data[end + 1 :]
        if start < 0:
            start = data.rfind(b"\x1e", max(0, len(data) - len(self._begin) + 1))
            if start >= 0 and not self._begin.startswith(data[start:]):
                start = -1
        if start >= 0:
            self.held = data[start:]
            data = data[:start]
        if data:
            pieces.append((data, None))
        return pieces


@dataclass(slots=True)
class _Answer:
    """The line that runs now; `ended` holds the streams that have shown its marker."""

    number: int
    sink: Sink
    done: asyncio.Future[Exit]
    status: str = ""
    ended: set[Stream] = field(default_factory=set["Stream"])


class KeptShell:
    """A shell on `session`; make one with `KeptShell.start`. One line runs at a time.

    `ended` is how the shell ended (255 when it was lost), None while it lives.
    """

    def __init__(self, session: Session, idle: Sink | None) -> None:
        self.session = session
        self.ended: Exit | None = None
        self._error: BaseException | None = None
        # Begins with a letter, so that no shell reads a digit more into the \036 before it.
        self._token = f"clsh{secrets.token_hex(16)}"
        begin = f"\x1e{self._token} ".encode()
        self._cutters: dict[Stream, _Cutter] = {"stdout": _Cutter(begin), "stderr": _Cutter(begin)}
        self._idle: Sink = idle or _Nowhere()
        self._lines = _Lines()
        self._number = 0
        self._status = 0
        self._pid = ""
        self._answer: _Answer | None = None
        self._stopping = asyncio.Lock()
        self._turned = asyncio.Event()
        self._in_step: set[Stream] = set()
        self._notice: re.Pattern[bytes] | None = None
        self._evaluate, self._print = "command", "command printf"
        self._living = asyncio.create_task(self._live())
        self._living.add_done_callback(self._on_end)

    @classmethod
    async def start(cls, session: Session, idle: Sink | None = None) -> KeptShell:
        """Start a shell; `idle` takes what background jobs write between the lines.

        Raises NodeLostError, or NodeError when the node has no shell that would do.
        """
        shell = cls(session, idle)
        shell._lines.send(_SETTLE.format(token=shell._token).encode())
        # What a start-up file of the login shell prints is not asked for.
        await shell._answered(_Nowhere())
        if shell.ended is not None:
            raise NodeError(
                session.node.name,
                f"no shell could be kept open (exit {shell.ended.code})",
                hint="a node needs a POSIX shell as /bin/sh",
            )
        shell._lines.send(_MARK.format(print=shell._print, token=shell._token).encode())
        return shell

    async def run(self, line: str, sink: Sink) -> Exit:
        """Run `line` (one or many lines of shell code) and return how it ended.

        It reads nothing: its standard input is /dev/null. A line that ends the shell
        returns how the shell ended, and `ended` is set. A cancel, or an exception of
        `sink`, KILLs the shell and what it runs. Raises NodeLostError, UsageError for a
        NUL byte, and NodeError when the shell has ended before.
        """
        if "\0" in line:
            raise UsageError("a NUL byte cannot be passed to a shell")
        async with self._stopping:
            if self._error is not None:
                raise self._error
            if self.ended is not None:
                raise NodeError(self.session.node.name, f"its shell ended ({self.ended.code})")
            if self._answer is not None:
                raise ClshError("a kept shell runs one line at a time")
            self._number += 1
            quoted = line.replace("'", "'\\''")
            # So that $? is what the line before left, at the cost of a fork when it failed.
            before = f"(exit {self._status}) || " if self._status else ""
            self._lines.send(
                f"{before}\\{self._evaluate} eval '{quoted}' </dev/null >&7 2>&8 7>&- 8>&-\n"
                f"{self._marker()}".encode(errors="surrogateescape")
            )
        return await self._answered(sink)

    async def interrupt(self, *, now: bool = False) -> None:
        """End the line that runs, as Ctrl-C does; background jobs go on. Never raises.

        Sends INT to the shell and all that it runs; what is still there after a second
        gets INT again, then each second TERM and KILL, and at last, or at once with `now`,
        the shell itself is killed. Returns when the line has ended, or is given up.
        """
        if self._answer is None:
            return
        if now:
            await self._signal("END")
            await asyncio.wait([self._living], timeout=_LEAVE_S)
            return
        async with self._stopping:
            for stage, patience_s in _STAGES:
                await self._signal(stage)
                if await self._is_in_step(patience_s):
                    return

    async def aclose(self) -> None:
        """End the shell; idempotent, never raises. Kills a line that runs.

        Background jobs go on, as they do when one logs out. When they hold the output
        open, that is waited for 0.3 s and then left to the closing of the session.
        """
        self._lines.send(None)
        if self._answer is not None:
            self._living.cancel()
        await asyncio.wait([self._living], timeout=_LEAVE_S)

    def write(self, stream: Stream, data: bytes) -> Awaitable[None] | None:
        """Take what the shell wrote: the sink of the session's command."""
        if self._notice is not None and stream == "stderr" and b"tcsetattr" in data:
            data = self._notice.sub(b"", data)
        waits: list[Awaitable[None]] = []
        for output, marker in self._cutters[stream].cut(data):
            if output and (wait := self._sink(stream).write(stream, output)) is not None:
                waits.append(wait)
            if marker is not None:
                self._on_marker(stream, marker)
        if len(waits) > 1:
            return _all(waits)
        return waits[0] if waits else None

    def _sink(self, stream: Stream) -> Sink:
        answer = self._answer
        return self._idle if answer is None or stream in answer.ended else answer.sink

    def _on_marker(self, stream: Stream, text: bytes) -> None:
        number, _, status = text.decode().partition(" ")
        if int(number) != self._number:
            return  # asked for more than once after an interrupt
        if status == _AGAIN:
            self._in_step.add(stream)
            if len(self._in_step) == 2:
                self._turned.set()
        if (answer := self._answer) is None:
            return
        answer.ended.add(stream)
        if stream == "stdout":
            answer.status = status
        if len(answer.ended) == 2 and not answer.done.done():
            answer.done.set_result(self._read_status(answer))

    def _read_status(self, answer: _Answer) -> Exit:
        if answer.number == 0:
            self._pid, _, kind = answer.status.partition(",")
            if kind == "bash":
                self._notice = re.compile(_NOTICE % self._pid.encode(), re.MULTILINE)
            elif kind:
                self._evaluate = "builtin" if kind == "zsh" else "command"
                self._print = f"{self._evaluate} print -n"  # mksh has no printf of its own
            return Exit(0)
        # ksh93 gives 256 + N where the others give 128 + N for signal N.
        number = 130 if answer.status == _AGAIN else int(answer.status)
        self._status = number if number < 256 else number - 128
        return Exit(self._status)

    def _marker(self, status: str = "") -> str:
        """Return the line that makes the shell write the end marker of the current line."""
        return f"__clsh__ {self._number} {status}\n"

    async def _signal(self, stage: str) -> None:
        with contextlib.suppress(ClshError):
            await self.session.run(Command(in_sh(_STOP, self._pid, stage)), _Nowhere())

    async def _is_in_step(self, patience_s: float) -> bool:
        """Return whether the shell reads lines again, or has ended, within `patience_s`.

        An interrupt makes some shells forget what they had read ahead, dash even what it
        reads next. Therefore the marker is asked for until it comes.
        """
        self._turned.clear()
        self._in_step.clear()
        for _ in range(round(patience_s / _ASK_EACH_S)):
            if self.ended is not None:
                break
            self._lines.send(self._marker(_AGAIN).encode())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._turned.wait(), _ASK_EACH_S)
                break
        else:
            return False
        return True

    async def _answered(self, sink: Sink) -> Exit:
        done: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._answer = _Answer(self._number, sink, done)
        try:
            return await done
        except asyncio.CancelledError:
            self._living.cancel()
            await asyncio.wait([self._living])
            raise
        finally:
            self._answer = None

    async def _live(self) -> Exit:
        ended = await self.session.run(Command(in_sh(_BOOT)), self, self._lines)
        for stream, cutter in self._cutters.items():
            if cutter.held:
                wait = self._sink(stream).write(stream, cutter.held)
                if wait is not None:
                    await wait
        return ended

    def _on_end(self, living: asyncio.Task[Exit]) -> None:
        """Give the end of the shell to the line that runs, if one does."""
        if not living.cancelled():
            self._error = living.exception()
        self.ended = Exit() if self._error or living.cancelled() else living.result()
        self._turned.set()
        answer = self._answer
        if answer is None or answer.done.done():
            return
        if self._error is not None:
            answer.done.set_exception(self._error)
        else:
            answer.done.set_result(self.ended)


async def _all(waits: list[Awaitable[None]]) -> None:
    for wait in waits:
        await wait
