"""The script that Slurm runs on the first node of an attempt. Pure text.

It claims the attempt before it does anything: should Slurm ever have two copies of one id,
the second does nothing. Should Slurm requeue one all the same, its second run says that the
first was lost, for Slurm then calls it completed. It leaves how the attempt ended in the
spool, since Slurm forgets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.jobs.errors import RequestError

if TYPE_CHECKING:
    from clsh.jobs.engine import Launch
    from clsh.jobs.engines._slurm.files import Files

_SIGNAL = re.compile(r"[A-Z][A-Z0-9]{1,9}", re.ASCII)
_BEGIN = """\
#!/bin/sh
clsh_at={folder}
clsh_in={directory}
clsh_put() {{
    printf '%s\\n' "$2" >"$clsh_at/claim/$1.new" && mv "$clsh_at/claim/$1.new" "$clsh_at/claim/$1"
}}
if ! mkdir -m 700 "$clsh_at/claim" 2>/dev/null; then
    if [ -d "$clsh_at/claim" ]; then
        echo "clsh: $SLURM_JOB_ID is a second copy of {id}, or it was cancelled: nothing is run" >&2
        {{ read -r clsh_by clsh_rest <"$clsh_at/claim/by"; }} 2>/dev/null
        if [ "$clsh_by" = "$SLURM_JOB_ID" ] && [ ! -e "$clsh_at/claim/status" ]; then
            clsh_put status "lost $(date +%s)"
        fi
        exit 0
    fi
    echo "clsh: $clsh_at cannot be written on $SLURMD_NODENAME: is it on a shared disk?" >&2
    exit 126
fi
clsh_refuse() {{
    clsh_put status "refused $(date +%s) $1"
    exit 126
}}
clsh_put by "$SLURM_JOB_ID $SLURMD_NODENAME $(date +%s)"
cd "$clsh_in" 2>/dev/null || clsh_refuse "directory $clsh_in cannot be entered on $SLURMD_NODENAME"
{sent}set -- {argv}
(
{environment}case $1 in
*/*) [ -x "$1" ] && [ ! -d "$1" ] ;;
*) command -v "$1" >/dev/null ;;
esac
) || clsh_refuse "there is no program $1 on $SLURMD_NODENAME"
{around}"""
_SENT = """\
CLSH_SENT={sent}
PATH=$CLSH_SENT:$PATH
export CLSH_SENT PATH
"""
# All processes of a job are told to end: this one stays until it has told how.
_PLAIN = """\
trap : HUP INT QUIT TERM
(
{environment}exec "$@"
)
clsh_status=$?
"""
# Only the script is told, so it tells the program. What a shell runs in the background
# would not hear INT and QUIT.
_SIGNALLED = """\
trap : HUP INT QUIT TERM
exec 3<&0
if env --default-signal=INT true 2>/dev/null; then
    set -- env --default-signal=INT,QUIT "$@"
fi
(
{environment}exec "$@"
) <&3 3<&- &
clsh_pid=$!
trap 'kill -{signal} "$clsh_pid"' {signal}
while :; do
    wait "$clsh_pid"
    clsh_status=$?
    kill -0 "$clsh_pid" 2>/dev/null || break
done
"""
_END = """\
clsh_put status "ended $(date +%s) $clsh_status"
exit "$clsh_status"
"""


def script(launch: Launch, files: Files, folder: str, mpi: str, sent: str = "") -> str:
    """Return the script; `mpi` is what `srun --mpi` is given for parallel jobs.

    `sent` is the directory of the files that were sent along.

    Raises RequestError for what no program can be given.
    """
    request = launch.request
    again = request.restart == "own" and launch.attempt > 1 and request.restart_argv
    argv = request.restart_argv if again else request.argv
    environment = "".join(
        f"{_variable(name)}={word(text, 'environment')}; export {name}\n"
        for name, text in request.environment.items()
    )
    around = ""
    if request.kind == "parallel" and not request.once:
        how = f" --mpi={word(mpi, 'argv')}" if mpi else ""
        around = f'set -- srun{how} --kill-on-bad-exit=1 --cpus-per-task={request.slots} "$@"\n'
    is_told = request.restart == "own" and request.checkpoint_signal
    if is_told and not _SIGNAL.fullmatch(request.checkpoint_signal):
        raise RequestError(
            "checkpoint_signal",
            tr("{name} is not the name of a signal", name=repr(request.checkpoint_signal)),
            hint="USR1",
        )
    body = (_SIGNALLED if is_told else _PLAIN).format(
        environment=environment, signal=request.checkpoint_signal
    )
    begin = _BEGIN.format(
        id=launch.id,
        folder=word(folder, "directory"),
        directory=word(files.directory, "directory"),
        argv=" ".join(word(one, "argv") for one in argv),
        environment=environment,
        around=around,
        sent=_SENT.format(sent=word(sent, "send")) if sent else "",
    )
    return begin + body + _END


def word(text: str, field: str) -> str:
    """Return `text` as one word of sh; raises RequestError for a NUL byte."""
    if "\0" in text:
        raise RequestError(field, tr("a NUL byte cannot be passed to a program"))
    quoted = text.replace("'", "'\"'\"'")
    return f"'{quoted}'"


def _variable(name: str) -> str:
    if not (name.isascii() and name.isidentifier()):
        raise RequestError(
            "environment", tr("{name} is not the name of a variable", name=repr(name))
        )
    return name
