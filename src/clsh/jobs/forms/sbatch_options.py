"""The options of sbatch as one table: which field each fills in, or why it has no meaning here.

Pure. This file is on the start path of `cl`: it imports little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clsh.base.messages import tr

Takes = Literal["value", "nothing", "maybe"]
"""maybe: a value only after `=`."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option; `why` says what becomes of one that has no equivalent."""

    long: str
    short: str = ""
    takes: Takes = "value"
    why: str = ""


_PARTITION = "there are no partitions, accounts and qualities of service here"
_ALONE = "a job has its cores alone, and shares the node"
_OUTPUT = "output files are added to, never emptied"
_NODES = "nodes are chosen by their load, or named with -w"
_TIMES = "a job starts when there is room for it"
_SAME = "it is what always happens here"

OPTIONS = (
    Option("job-name", "J"),
    Option("output", "o"),
    Option("error", "e"),
    Option("input", "i"),
    Option("time", "t"),
    Option("ntasks", "n"),
    Option("nodes", "N"),
    Option("ntasks-per-node"),
    Option("cpus-per-task", "c"),
    Option("mem"),
    Option("mem-per-cpu"),
    Option("array", "a"),
    Option("dependency", "d"),
    Option("chdir", "D"),
    Option("workdir"),
    Option("gres"),
    Option("gpus", "G"),
    Option("gpus-per-node"),
    Option("gpus-per-task"),
    Option("export"),
    Option("requeue", "", "nothing"),
    Option("no-requeue", "", "nothing"),
    Option("nodelist", "w"),
    Option("nice", "", "maybe"),
    Option("priority"),
    Option("hold", "H", "nothing"),
    Option("mail-user"),
    Option("mail-type"),
    Option("signal"),
    Option("wrap"),
    Option("exclude", "x", why=_NODES),
    Option("constraint", "C", why=_NODES),
    Option("distribution", "m", why=_NODES),
    Option("switches", why=_NODES),
    Option("contiguous", "", "nothing", _NODES),
    Option("partition", "p", why=_PARTITION),
    Option("account", "A", why=_PARTITION),
    Option("qos", "q", why=_PARTITION),
    Option("clusters", "M", why=_PARTITION),
    Option("reservation", why=_PARTITION),
    Option("licenses", "L", why=_PARTITION),
    Option("comment", why="comments are not kept"),
    Option("exclusive", "", "maybe", _ALONE),
    Option("oversubscribe", "s", "nothing", _ALONE),
    Option("hint", why=_ALONE),
    Option("threads-per-core", why=_ALONE),
    Option("ntasks-per-core", why=_ALONE),
    Option("ntasks-per-socket", why=_ALONE),
    Option("cores-per-socket", why=_ALONE),
    Option("sockets-per-node", why=_ALONE),
    Option("mem-bind", why=_ALONE),
    Option("begin", "b", why=_TIMES),
    Option("deadline", why=_TIMES),
    Option("time-min", why=_TIMES),
    Option("open-mode", why=_OUTPUT),
    Option("export-file", why="name the variables with --export"),
    Option("get-user-env", "", "maybe", _SAME),
    Option("kill-on-invalid-dep", why=_SAME),
    Option("propagate", "", "maybe", "limits are those of the node"),
    Option("profile", why="what a job used is always told"),
    Option("tmp", why="room on the disk is not looked at"),
    Option("verbose", "v", "nothing", _SAME),
    Option("quiet", "Q", "nothing", _SAME),
    Option("parsable", "", "nothing", _SAME),
)
BY_LONG = {option.long: option for option in OPTIONS}
BY_SHORT = {option.short: option for option in OPTIONS if option.short}


def said(why: str) -> str:
    """Return why an option has no meaning here, in the user's language."""
    return tr(why)
