"""The shell scripts that signal what a connection runs where sshd refuses to do so.

OpenSSH before 9.8 refuses the `signal` request for root, and forced commands refuse it
always; a channel that is only closed leaves its command running. The scripts here run on
a channel of their own of the same connection: they find the sshd they stand under and the
commands beside them, each of which leads a session (setsid), and signal all process groups
of that session. What left the session (setsid, a daemon) goes on. They need nothing but
POSIX sh, and /proc with sed (Linux) or ps (elsewhere).

`script(signal)` reaches every command of the connection. For one among several, run
`listing()`, give its output to `parse`, and `pick` the command; `script(signal, pid)` then
reaches that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.remote.quoting import in_sh

if TYPE_CHECKING:
    from clsh.remote.transport import SignalName

NOT_UNDER_SSHD = 4
"""Exit status of the scripts when no sshd was found above them: nothing was signalled."""

# In every script: $top is the sshd of this connection, $me the child of it that leads to
# us. A server that is not forked for each connection is refused by its name, or else the
# commands of other people's connections would be found as well.
_FIND_SSHD = (
    "name() { cat /proc/$1/comm || ps -o comm= -p $1; } 2>/dev/null; "
    "parent() { if [ -r /proc/$1/stat ]; then s=$(cat /proc/$1/stat); s=${s##*) }; "
    "set -- $s; echo $2; else ps -o ppid= -p $1; fi; }; "
    "me=$$; top=$PPID; n=0; "
    "until case $(name $top) in *sshd*|*dropbear*) true;; *) false;; esac; do "
    f"n=$((n+1)); [ $n -lt 6 ] && [ $top -gt 1 ] || exit {NOT_UNDER_SSHD}; "
    "me=$top; top=$(parent $top); top=$((top+0)); done; "
)
# `started PID` for each child of $top; in /proc/PID/stat field 4 is the parent, 22 the start.
_CHILDREN = (
    "children() { if [ -r /proc/$$/stat ]; then "
    'sed -n "s/^\\([0-9]*\\) (.*) [A-Za-z] $top \\([-0-9]* \\)\\{17\\}\\([0-9]*\\) .*/\\3 \\1/p" '
    "/proc/[0-9]*/stat; "
    "else ps -A -o pid= -o ppid= | while read -r p q; do "
    '[ "$q" = $top ] && echo 0 $p; done; fi; } 2>/dev/null; '
)
# Field 5 is the process group, 6 the session.
_GROUPS = (
    "groups() { if [ -r /proc/$$/stat ]; then "
    'sed -n "s/^[0-9]* (.*) [A-Za-z] [0-9]* \\([0-9]*\\) $1 .*/\\1/p" /proc/[0-9]*/stat '
    "| sort -u; else echo $1; fi; } 2>/dev/null; "
)


def script(signal: SignalName, pid: int | None = None) -> str:
    """Return the line that signals every other command of this connection, or only `pid`.

    A `pid` that is no longer a command of this connection is left alone.
    """
    wanted = "" if pid is None else f"[ $c = {pid} ] || continue; "
    return in_sh(
        _FIND_SSHD + _CHILDREN + _GROUPS + "children | while read -r t c; do "
        f"[ $c = $me ] && continue; {wanted}"
        f"for g in $(groups $c); do kill -{signal} -$g; done; done 2>/dev/null; exit 0"
    )


def listing() -> str:
    """Return the line that lists the commands of this connection for `parse`."""
    return in_sh(
        _FIND_SSHD + _CHILDREN + "children | while read -r t c; do "
        'k=command; [ $c = $me ] && k=self; echo "clsh $k $t $c"; done'
    )


def parse(output: bytes) -> list[int]:
    """Return the process ids in the output of `listing`, oldest first.

    Only what was started before the listing itself; other lines (a talkative .bashrc) are
    passed over.
    """
    found: list[tuple[int, int, bool]] = []
    for line in output.splitlines():
        match line.split():
            case [b"clsh", kind, started, pid] if started.isdigit() and pid.isdigit():
                found.append((int(started), int(pid), kind == b"self"))
            case _:
                pass
    found.sort()
    before: list[int] = []
    for _, process, is_self in found:
        if is_self:
            return before
        before.append(process)
    return []


def pick(pids: list[int], position: int, living: int) -> int | None:
    """Return the process id of a command, None when the listing must be asked for again.

    `position` is the command's place, from 0, among the `living` commands of the connection
    in the order in which the server confirmed their start, counted when the listing had
    ended: commands started after the listing or known to have ended are left out. The
    server tells of each end before it can pass on a later listing, so equal counts mean
    the same commands; a command that ended meanwhile makes them differ.
    """
    return pids[position] if len(pids) == living and 0 <= position < living else None
