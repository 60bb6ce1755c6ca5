"""What an attempt runs, as text for the node's sh: directory, files, environment, argv. Pure.

Nothing of a request is ever read as shell code: each of its words goes through
`remote.quoting`. What the request itself forbids is told by `complaints`.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.jobs.engines._remote.srun import SRUN
from clsh.jobs.sent import item
from clsh.nodes.model import node_name
from clsh.nodes.nodeset import fold
from clsh.remote.quoting import in_sh, sh_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.jobs.engine import Launch, Stream
    from clsh.jobs.model import Request

REACH_S = 10
_TASKS = "SLURM_NTASKS"  # that of a request on one node is from a script for sbatch
_TOGETHER = 64
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)
_OWNER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PATTERN = re.compile(r"%([jtN%])")
# The whole is one compound command, read before its standard input becomes the job's.
_BEGIN = r"""{
no() { printf '%s\n' "$1" >&9; exit 125; }
umask 022
unset XDG_RUNTIME_DIR XDG_SESSION_ID DBUS_SESSION_BUS_ADDRESS SSH_AUTH_SOCK MAIL OLDPWD
"""
_END = r"""
case $dir in /*) ;; *) dir=$HOME/$dir;; esac
cd -- "$dir" 2>/dev/null || no "there is no directory $dir that $USER may enter"
case $in in "") in=/dev/null;; *) [ -r "$in" ] && [ ! -d "$in" ] || no "cannot read $in";; esac
for f in "$out" "$err"; do
  [ -z "$f" ] || true 2>/dev/null >>"$f" || no "cannot write to $f"
done
SLURM_SUBMIT_DIR=$dir; export SLURM_SUBMIT_DIR
"""
_REACHED = r"""
for n in $others; do
  ( timeout %(s)d ssh -o BatchMode=yes -o ConnectTimeout=%(s)d -- "${n#*=}" true </dev/null \
      >/dev/null 2>&1 || : >"$CLSH_OWN/away.${n%%=*}" ) &
done
wait
for n in $others; do
  n=${n%%=*}
  [ ! -e "$CLSH_OWN/away.$n" ] || no "$n cannot be reached from $first within %(s)d s"
done
unset n
"""
# Open MPI 4 reads OMPI_MCA_*, 5 PRTE_MCA_*. Both take a job with the names of Slurm's variables
# for one of Slurm's, and would call srun.
_HOSTS = r"""
printf '%s' "$hosts" >"$CLSH_OWN/hosts" || no "cannot write the host file"
OMPI_MCA_plm_rsh_args="-o BatchMode=yes -o ConnectTimeout=%(s)d"
PRTE_MCA_plm_ssh_args=$OMPI_MCA_plm_rsh_args
OMPI_MCA_plm=rsh PRTE_MCA_plm=ssh OMPI_MCA_ras=^slurm PRTE_MCA_ras=^slurm
export OMPI_MCA_plm_rsh_args PRTE_MCA_plm_ssh_args
export OMPI_MCA_plm PRTE_MCA_plm OMPI_MCA_ras PRTE_MCA_ras
"""
_MPIRUN = r"""
command -v mpirun >/dev/null || no "mpirun is not installed on $first"
set -- mpirun --hostfile "$CLSH_OWN/hosts" -np "$ranks" ${CLSH_SENT:+-x CLSH_SENT} "$@"
"""
# What the job itself calls then runs where it has places, and fills them unless told otherwise.
# A real srun would take the job for that of Slurm with the same number.
_BY_ITSELF = r"""
OMPI_MCA_orte_default_hostfile=$CLSH_OWN/hosts
PRTE_MCA_prte_default_hostfile=$CLSH_OWN/hosts
export OMPI_MCA_orte_default_hostfile PRTE_MCA_prte_default_hostfile
mkdir "$CLSH_OWN/bin" && printf '%s' "$srun" >"$CLSH_OWN/bin/srun" &&
  chmod 755 "$CLSH_OWN/bin/srun" || no "cannot write to the spool"
PATH=$CLSH_OWN/bin:$PATH
export PATH
"""
# Opened for appending: the tasks of a batch may share a file.
_FILES = r"""
unset f
exec <"$in"
[ -z "$out" ] || exec >>"$out"
case $err in "") ;; "$out") exec 2>&1;; *) exec 2>>"$err";; esac
unset CLSH_OWN in out err dir hosts others first ranks srun
"""
_GO = """echo ok >&9
exec 9>&-
exec "$@"
}"""
# $1 is the home's owner, $2 the directory, $3 the file, $4 the offset, $5 the limit.
_READ = r"""
eval "h=~$1"
case $2 in /*) d=$2;; *) d=$h/$2;; esac
cd -- "$d" 2>/dev/null || { echo "there is no directory $d" >&2; exit 1; }
case $3 in out|err) [ -e "$3" ] || exit 0;; esac  # it never began
[ -f "$3" ] && [ -r "$3" ] || { echo "cannot read $3" >&2; exit 1; }
case $4 in -*) tail -c "${4#-}" "$3";; *) tail -c "+$(($4 + 1))" "$3";; esac | head -c "$5"
"""


@dataclass(frozen=True, slots=True)
class Start:
    """What a loop is given of an attempt; `words` are quoted, `how` is `pam` for a session."""

    id: str
    owner: str
    how: str
    words: str


def complaints(request: Request) -> list[str]:
    """Return in words what of a request cannot be done on plain nodes."""
    found: list[str] = []
    if request.restart in {"criu", "dmtcp"}:
        found.append(f"checkpoints by {request.restart} are not made by this engine")
    words = [request.directory, request.input, request.output, request.error, *request.argv]
    if any("\0" in word for word in [*words, *request.environment.values()]):
        found.append("a NUL byte cannot be passed to a command")
    found += [
        f"bad variable name {name!r}"
        for name in request.environment
        if not _VARIABLE.fullmatch(name)
    ]
    if not request.argv:
        found.append("there is nothing to run")
    return found


def check_names(launch: Launch) -> None:
    """Raise UsageError for an id or owner that could be read as a path, option or code."""
    if not _ID.fullmatch(launch.id):
        raise UsageError(f"bad name of an attempt {launch.id!r}")
    if not _OWNER.fullmatch(launch.owner):
        raise UsageError(f"bad user name {launch.owner!r}", hint="a login name of the nodes")


def start_of(launch: Launch, hosts: Mapping[str, str], sent: str = "") -> Start:
    """Return how to start an attempt; `hosts` are the addresses of nodes.

    `sent` is the directory of the files that were sent along.
    """
    request = launch.request
    ranked = _ranked(launch, hosts)
    # What PAM allows its owner (memory that is locked) is needed by MPI.
    how = "pam" if ranked else "-"
    words = str(request.rss_limit), str(request.gpus), _text(launch, ranked, sent)
    return Start(launch.id, launch.owner, how, sh_words(words))


def together(starts: Sequence[Start]) -> tuple[list[Start], list[Start]]:
    """Return the starts of the next call, all of one owner, and those that are left."""
    some: list[Start] = []
    left: list[Start] = []
    for start in starts:
        is_alike = not some or (start.owner, start.how) == (some[0].owner, some[0].how)
        (some if is_alike and len(some) < _TOGETHER else left).append(start)
    return some, left


def start_call(number: int, starts: Sequence[Start]) -> bytes:
    """Return the line that starts attempts of one owner, all of different names."""
    ids = " ".join(start.id for start in starts)
    call = sh_words(["start", str(number), starts[0].owner, starts[0].how, ids])
    line = " ".join([call, *(start.words for start in starts)]) + "\n"
    return line.encode(errors="surrogateescape")


def read_line(
    launch: Launch, stream: Stream, offset: int, limit: int, *, by: str, spool: str
) -> str:
    """Return the line that prints part of an output file.

    Root (`by`) reads as the owner what is the owner's, and by itself what is in the spool.
    """
    request = launch.request
    path = _filled(request.error if stream == "error" else request.output, launch)
    folder = request.directory or (item.folder(spool, launch.id) if request.send else "")
    folder = folder if path else f"{spool}/{launch.id}"
    name = path or ("out" if stream == "output" else "err")
    line = in_sh(_READ, launch.owner, folder, name, str(offset), str(limit))
    if by == launch.owner or not path:
        return line
    return f"runuser -u {launch.owner} -- {line.removeprefix('exec ')}"


def _filled(text: str, launch: Launch) -> str:
    node = launch.places[0].node if launch.places else ""
    known = {"j": str(launch.job), "t": str(launch.task), "N": node, "%": "%"}
    return _PATTERN.sub(lambda found: known[found[1]], text)


def _text(launch: Launch, ranked: Sequence[str], sent: str) -> str:
    request = launch.request
    variables = {
        "dir": request.directory or sent,
        "in": _filled(request.input, launch),
        "out": _filled(request.output, launch),
        "err": _filled(request.error, launch),
    }
    lines = [_BEGIN, f"HOME=~{launch.owner}; export HOME\n"]
    shown = _shown(launch) | ({"CLSH_SENT": sent} if sent else {})
    lines += [_set(name, value, export=True) for name, value in shown.items()]
    lines += ["PATH=$CLSH_SENT:$PATH; export PATH\n"] if sent else []
    lines += [_set(name, value) for name, value in variables.items()]
    lines += [f"set -- {sh_words(request.argv)}\n", _END]
    lines += ranked
    # Last, so that no name of theirs is one of those used above.
    lines += [_FILES]
    lines += [_set(name, value, export=True) for name, value in request.environment.items()]
    return "".join([*lines, _GO])


def _shown(launch: Launch) -> dict[str, str]:
    """Return the variables of every job; those of Slurm are read by scripts written for it."""
    request, places = launch.request, launch.places
    names = [place.node for place in places]
    number, folded = str(launch.job), _folded(names)
    shown = {
        "CLSH_JOB_ID": number,
        "CLSH_TASK_ID": str(launch.task),
        "CLSH_NODELIST": ",".join(names),
        "SLURM_JOB_ID": number,
        "SLURM_JOBID": number,
        "SLURM_JOB_NAME": request.name or request.argv[0].rpartition("/")[2],
        "SLURM_NTASKS": str(sum(place.ranks for place in places)),
        "SLURM_NODELIST": folded,
        "SLURM_JOB_NODELIST": folded,
        "SLURM_NNODES": str(len(places)),
        "SLURM_JOB_NUM_NODES": str(len(places)),
        "SLURM_TASKS_PER_NODE": _repeated([place.ranks for place in places]),
        "SLURM_CPUS_ON_NODE": str(places[0].ranks * request.slots) if places else "",
        "SLURMD_NODENAME": names[0] if names else "",
        "USER": launch.owner,
        "LOGNAME": launch.owner,
    }
    if request.kind == "batch":
        shown["SLURM_ARRAY_JOB_ID"] = number
        shown["SLURM_ARRAY_TASK_ID"] = str(launch.task)
        if array := request.array:  # ascending, as all forms have it
            shown["SLURM_ARRAY_TASK_COUNT"] = str(len(array))
            shown["SLURM_ARRAY_TASK_MIN"] = str(array[0])
            shown["SLURM_ARRAY_TASK_MAX"] = str(array[-1])
    return shown


def _folded(names: Sequence[str]) -> str:
    return fold(map(node_name, names)) if len(names) > 1 else "".join(names)


def _repeated(counts: Sequence[int]) -> str:
    """Return counts as Slurm writes them: `2(x3),1`."""
    runs = [(count, len(list(same))) for count, same in itertools.groupby(counts)]
    return ",".join(f"{count}(x{times})" if times > 1 else str(count) for count, times in runs)


def _ranked(launch: Launch, hosts: Mapping[str, str]) -> list[str]:
    """Return what makes mpirun find the places: called by us, or by a script for sbatch."""
    request = launch.request
    told = request.environment.get(_TASKS, "")
    if request.kind == "parallel":
        places = [(place.node, place.ranks) for place in launch.places]
    elif told.isascii() and told.isdigit() and launch.places:
        places = [(launch.places[0].node, int(told))]
    else:
        return []
    values = {
        "hosts": "".join(f"{hosts[node]} slots={count}\n" for node, count in places),
        "others": " ".join(f"{node}={hosts[node]}" for node, _ in places[1:]),
        "first": places[0][0],
        "ranks": str(sum(count for _, count in places)),
    }
    by_us = request.kind == "parallel" and not request.once
    if not by_us:
        values["srun"] = SRUN
    parts = [_REACHED, _HOSTS, _MPIRUN if by_us else _BY_ITSELF]
    settings = [_set(name, value) for name, value in values.items()]
    return [*settings, "".join(parts).replace("%(s)d", str(REACH_S))]


def _set(name: str, value: str, *, export: bool = False) -> str:
    return f"{name}={sh_words([value])}{'; export ' + name if export else ''}\n"
