"""The shell scripts that signal what a connection runs where sshd refuses to do so.

OpenSSH before 9.8 refuses the `signal` request for root, and forced commands refuse it
always; a channel that is only closed leaves its command running. The scripts here run on
a channel of their own of the same connection: they find the sshd they stand under and the
commands beside them, each of which leads a session (setsid), and signal all process groups
of that session. What left the session (setsid, a daemon) goes on. They need nothing but
POSIX sh, and /proc with sed (Linux) or ps (elsewhere).

`script(signal)` reaches every command that was started before it. For one among several, run
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
# commands of other people's connections would be found as well. What a shell can do itself
# is not left to a program: a stop runs on all nodes at once, and they may share a machine.
_FIND_SSHD = (
    "name() { read -r n < /proc/$1/comm || n=$(ps -o comm= -p $1); } 2>/dev/null; "
    "parent() { if read -r s < /proc/$1/stat; then s=${s##*) }; set -- $s; p=$2; "
    "else p=$(ps -o ppid= -p $1); p=$((p+0)); fi; } 2>/dev/null; "
    "me=$$; top=$PPID; i=0; name $top; "
    "until case $n in *sshd*|*dropbear*) true;; *) false;; esac; do "
    f"i=$((i+1)); [ $i -lt 6 ] && [ $top -gt 1 ] || exit {NOT_UNDER_SSHD}; "
    "me=$top; parent $top; top=$p; name $top; done; "
)
# $kids are the children of $top: in /proc/PID/stat field 4 is the parent.
_CHILDREN = (
    "kids=; if [ -r /proc/$top/task/$top/children ]; then "
    'for f in /proc/$top/task/*/children; do l=; read -r l < $f; kids="$kids $l"; done; '
    "elif [ -r /proc/$$/stat ]; then "
    'kids=$(sed -n "s/^\\([0-9]*\\) (.*) [A-Za-z] $top .*/\\1/p" /proc/[0-9]*/stat 2>/dev/null); '
    "else kids=$(ps -A -o pid= -o ppid= | while read -r p q; do "
    '[ "$q" = $top ] && echo $p; done); fi; '
)
# The kernel lists children in the order of their start: what is younger than we is spared.
_OLDER = '[ -r /proc/$top/task/$top/children ] && { kids=" $kids "; kids=${kids%% $me *}; }; '
# The other process groups of session $1: field 5 is the group, 6 the session.
_GROUPS = (
    "groups() { [ -r /proc/$$/stat ] && "
    'sed -n "s/^[0-9]* (.*) [A-Za-z] [0-9]* \\([0-9]*\\) $1 .*/\\1/p" /proc/[0-9]*/stat '
    "| sort -u; } 2>/dev/null; "
)


def script(signal: SignalName, pid: int | None = None) -> str:
    """Return the line that signals the older commands of this connection, or only `pid`.

    A `pid` that is no longer a command of this connection is left alone.
    """
    wanted = "" if pid is None else f"[ $c = {pid} ] || continue; "
    # A command that was forked a moment ago may not lead a group yet.
    first = f"kill -{signal} -$c || kill -{signal} $c"
    each = f"for c in $kids; do [ $c = $me ] && continue; {wanted}"
    return in_sh(
        _FIND_SSHD + _CHILDREN + _OLDER + _GROUPS + f"{{ {each}{first}; done; "
        f"{each}for g in $(groups $c); do [ $g = $c ] || kill -{signal} -$g; done; done; "
        "} 2>/dev/null; exit 0"
    )


def listing() -> str:
    """Return the line that lists the commands of this connection for `parse`."""
    return in_sh(
        _FIND_SSHD + _CHILDREN + "for c in $kids; do k=command; [ $c = $me ] && k=self; "
        # Field 22 is the start; without /proc the order of the process ids must do.
        "t=0; if read -r s < /proc/$c/stat; then s=${s##*) }; set -- $s; t=${20}; fi 2>/dev/null; "
        'echo "clsh $k $t $c"; done'
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
