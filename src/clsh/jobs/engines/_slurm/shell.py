"""What is run on the submit host: programs for sh, and what their answers mean. Pure.

They are read from standard input by a shell of the owner, so nothing of a job is in an argv
but sbatch's own options. Each answer is one line of fields with tabs between. The spool of an
attempt, made by its owner:

    script, said   what sbatch was given, and what it said on stderr
    lock           held while it is submitted: nobody looks or sends again meanwhile
    job            Slurm's id, written when sbatch has told it
    claim/         made once, by the script, a cancel, or a refusal: who made it decides
    claim/by       Slurm's id, node and time of the script that runs
    claim/status   `ended TIME STATUS`, `refused TIME WORDS`, `cancelled TIME`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.jobs.engines._slurm.script import word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clsh.jobs.engines._slurm.files import Named

_COMMON = """\
spool={spool}
cd "$HOME" 2>/dev/null || cd /
line() {{
    tr '\\t\\n' '  ' | head -c 2000
}}
tell() {{
    printf '%s\\t%s\\t%s\\n' "$id" "$1" "$(printf %s "$2" | line)"
}}
put() {{
    printf '%s\\n' "$2" >"$1.new" && mv "$1.new" "$1"
}}
ours() {{
    squeue -h -a $1 -u "$USER" -o '%A %k' >"$at/found" 2>"$at/said" || return
    while read -r job token; do
        [ "$token" != "$id" ] || echo "$job"
    done <"$at/found"
}}
if ! mkdir -p -m 700 "$spool" || [ ! -O "$spool" ]; then
    echo "$spool cannot be used by $USER: it must be a directory of theirs" >&2
    exit 1
fi
"""
# The words in `case` are said by sbatch when it is not known whether the job was taken.
_SUBMIT = """\
refused() {
    mkdir -m 700 "$at/claim" 2>/dev/null && put "$at/claim/status" "refused $(date +%s) $1"
    tell known
}
sent() {
    put "$at/job" "$1"
    tell sent "$1"
}
send() {
    printf %s "$text" >"$at/script"
    if said=$(sbatch --parsable "$@" "$at/script" 2>"$at/said" </dev/null); then
        sent "${said%%;*}"
        return
    fi
    said=$(grep -v '^sbatch: warning' "$at/said" | sed 's/^sbatch: error: //' | line)
    case $said in
    '' | *imed\\ out* | *nable\\ to\\ contact* | *onnection\\ refused* | *Zero\\ Bytes* | \\
        *temporarily* | *Unexpected*)
        for _ in 1 2 3; do
            sleep 1
            job=$(ours '-t all') || break
            [ -z "$job" ] || { sent "${job%%[!0-9]*}"; return; }
        done
        tell unsure "$said" ;;
    *) refused "$said" ;;
    esac
}
submit() {
    id=$1 text=$2 at=$spool/$1 again=y
    shift 2
    ! mkdir -m 700 "$at" 2>/dev/null || again=
    (
        flock -w 20 9 || { tell unsure 'it is being submitted'; exit; }
        if [ -e "$at/job" ] || [ -e "$at/claim" ]; then
            tell known
        elif [ -z "$again" ]; then
            send "$@"
        elif ! job=$(ours '-t all'); then
            tell unsure "$(line <"$at/said")"
        elif [ "$job" ]; then
            put "$at/job" "${job%%[!0-9]*}"
            tell known
        else
            send "$@"
        fi
    ) 9>>"$at/lock" || tell unsure "$at cannot be written"
}
"""
_LOOK = """\
look() {
    id=$1 at=$spool/$1 state=free job= by= status= words=
    shift
    [ -d "$at" ] || { printf '%s\\tnone\\n' "$id"; return; }
    if [ ! -e "$at/job" ] && [ ! -e "$at/claim" ]; then
        flock -n "$at/lock" true 2>/dev/null || state=busy
    fi
    { read -r job <"$at/job"; read -r by <"$at/claim/by"; read -r status <"$at/claim/status"; } \\
        2>/dev/null
    if [ "$by" ] && [ -z "$status" ]; then
        node=${by#* } file=$1
        node=${node%% *}
        shift
        for piece; do file=$file$node$piece; done
        [ ! -f "$file" ] || words=$(tail -c 8192 "$file" | grep -a '^slurmstepd' | tail -n 3 | line)
    fi
    [ ! -d "$at/claim" ] || by=${by:-?}
    printf '%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$id" $state "$job" "$by" "$status" "$words"
}
"""
_DROP = """\
drop() {
    id=$1 at=$spool/$1
    mkdir -p -m 700 "$at" || exit
    ! mkdir -m 700 "$at/claim" 2>/dev/null || put "$at/claim/status" "cancelled $(date +%s)"
    (
        flock -w 10 9
        job=$(ours '') || { tell failed "$(line <"$at/said")"; exit; }
        if [ "$job" ] && ! scancel $job 2>"$at/said"; then
            job=$(ours '')
            [ -z "$job" ] || { tell failed "$(line <"$at/said")"; exit; }
        fi
        tell gone
    ) 9>>"$at/lock"
}
"""
_READ = """\
show() {
    at=$spool/$1 offset=$2 limit=$3 file=$4 by=
    shift 4
    { read -r by <"$at/claim/by"; } 2>/dev/null
    node=${by#* }
    node=${node%% *}
    for piece; do file=$file$node$piece; done
    [ -e "$file" ] || exit 0
    [ -f "$file" ] || { echo "$file is not a file" >&2; exit 1; }
    case $offset in
    -*) tail -c "${offset#-}" "$file" ;;
    *) tail -c "+$((offset + 1))" "$file" ;;
    esac | head -c "$limit"
    [ -r "$file" ]
}
"""


def submit(spool: str, jobs: Iterable[tuple[str, str, Sequence[str]]]) -> str:
    """Return the program that submits jobs: (id, script, options of sbatch)."""
    calls = (("submit", id_, text, *words) for id_, text, words in jobs)
    return _program(spool, _SUBMIT, calls)


def look(spool: str, attempts: Iterable[tuple[str, Named]]) -> str:
    """Return the program that tells what the spool holds of attempts: (id, error file)."""
    return _program(spool, _LOOK, (("look", id_, *error.pieces) for id_, error in attempts))


def drop(spool: str, id_: str) -> str:
    """Return the program that cancels an attempt."""
    return _program(spool, _DROP, [("drop", id_)])


def show(spool: str, id_: str, file: Named, offset: int, limit: int) -> str:
    """Return the program that prints a part of a file."""
    return _program(spool, _READ, [("show", id_, str(offset), str(limit), *file.pieces)])


def forget(spool: str, ids: Iterable[str]) -> str:
    """Return the program that deletes what the spool has of attempts."""
    return _program(spool, "", (("rm -rf --", f"{spool}/{id_}") for id_ in ids))


def _program(spool: str, functions: str, calls: Iterable[Sequence[str]]) -> str:
    lines = [" ".join([name, *(word(one, "") for one in args)]) for name, *args in calls]
    return "\n".join([_COMMON.format(spool=word(spool, "spool")) + functions, *lines, ""])


@dataclass(frozen=True, slots=True)
class Kept:
    """What the spool holds of an attempt.

    `is_busy`: it is being submitted. `job` is Slurm's id as sbatch told it, `runs` that of the
    script that claimed it. `is_claimed`: it will never be started again. `kind` of
    its status is "", `ended`, `refused` or `cancelled`, told at `at` by the node's clock.
    """

    is_busy: bool = False
    job: int = 0
    is_claimed: bool = False
    runs: int = 0
    node: str = ""
    started: float = 0.0
    kind: str = ""
    at: float = 0.0
    status: int = 0
    words: str = ""


def answers(text: str) -> dict[str, list[str]]:
    """Return the fields of each answer by the id that it begins with."""
    found = [line.split("\t") for line in text.splitlines() if "\t" in line]
    return {fields[0]: fields[1:] for fields in found}


def first_two(fields: Sequence[str] | None) -> tuple[str, str]:
    """Return what was done and the words to it, "" for what is missing."""
    kind, words, *_ = [*(fields or []), "", ""]
    return kind, words


def kept(fields: Sequence[str]) -> Kept | None:
    """Read an answer of `look`; None: there is nothing of this attempt."""
    state, job, by, status, words = (*fields, "", "", "", "", "")[:5]
    if state == "none":
        return None
    runs, node, started = (*by.split(" "), "", "", "")[:3]
    kind, at, rest = (*status.split(" ", 2), "", "", "")[:3]
    return Kept(
        is_busy=state == "busy",
        job=_number(job),
        is_claimed=bool(by),
        runs=_number(runs),
        node=node,
        started=float(_number(started)),
        kind=kind,
        at=float(_number(at)),
        status=_number(rest) if kind == "ended" else 0,
        words=rest if kind == "refused" else words,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
