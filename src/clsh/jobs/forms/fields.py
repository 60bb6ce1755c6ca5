"""The fields of the form as one table, for the terminal, the web page, JSON and Python. Pure.

What reads them is `clsh.jobs.forms.form`. This file is on the start path of `cl`, so it imports
little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clsh.base.messages import tr

FieldKind = Literal[
    "words", "text", "whole", "signed", "size", "time", "array", "choice", "nodes", "after",
    "environment", "list", "signal", "truth",
]  # fmt: skip
_HOW = {
    "words": "words as a shell takes them, quotes around those with spaces",
    "text": "one line of text",
    "size": "a size such as 512M, 4G or 1.5T",
    "time": "a length of time such as 90 (seconds), 10m, 12h, 1:30:00 or 2-12 (days-hours)",
    "array": "indexes such as 0-99, 1,3,7-9 or 0-100:10, and %5 for at most 5 at a time",
    "nodes": "nodes such as node1,node[3-8]",
    "after": "jobs such as 12 or ok:12 (done), notok:12 (not done), any:12 (ended)",
    "environment": "NAME=VALUE, one on a line; a line that begins with a space goes on with the"
    " value before",
    "list": "texts with commas between them",
    "signal": "a signal such as USR1",
    "truth": "yes or no",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of `Request`.

    `flags` are its options in `cl submit`. `kinds` are the kinds of jobs that have it, all by
    default. Numbers lie in `low` to `high`.
    """

    name: str
    label: str
    kind: FieldKind
    help: str
    flags: str
    metavar: str = ""
    default: str = ""
    kinds: tuple[str, ...] = ("single", "batch", "parallel")
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0

    def allowed(self) -> str:
        """Return in words what it may be."""
        if self.kind == "choice":
            return f"one of: {', '.join(self.choices)}"
        if self.kind in {"whole", "signed"}:
            return f"a whole number from {self.low} to {self.high}"
        return _HOW[self.kind]


_WHERE = ("load", "queue", "load+memory", "free", "round-robin", "named")
_AGAIN = ("none", "start", "own", "criu", "dmtcp")

FIELDS = (
    Field("argv", "Command", "words", "the program and its arguments, run without a shell", ""),
    Field("name", "Name", "text", "to tell jobs apart", "-J --name --job-name", "NAME"),
    Field(
        "kind", "Kind", "choice", "one process, independent tasks, or ranks of MPI that start"
        " together; guessed from the other fields", "-k --kind", "KIND", "single",
        choices=("single", "batch", "parallel"),
    ),
    Field(
        "directory", "Directory", "text", "where it runs; it must exist on the node (your home"
        " directory there)", "-D --directory --chdir", "DIR",
    ),
    Field(
        "input", "Input file", "text", "standard input, from the directory; %j is the job, %t the"
        " task, %N the node", "-i --input", "FILE",
    ),
    Field(
        "output", "Output file", "text", "standard output, likewise; without it the output is"
        " kept for `cl job`", "-o --output", "FILE",
    ),
    Field(
        "error", "Error file", "text", "standard error, likewise; it may be the output file",
        "-e --error", "FILE",
    ),
    Field(
        "environment", "Environment", "environment", "variables of the job", "--env",
        "NAME=VALUE",
    ),
    Field(
        "send", "Send files", "list", "files to put into a directory of the job first, which is"
        " $CLSH_SENT; it runs there unless a directory is given", "--send", "FILE",
    ),
    Field(
        "priority", "Priority", "signed", "higher is sooner", "--priority", "N", "0",
        low=-1000, high=1000,
    ),
    Field(
        "slots", "Cores", "whole", "cores of each task", "-c --slots --cpus-per-task", "N", "1",
        low=1, high=65536,
    ),
    Field("memory", "Memory", "size", "memory that each task needs", "-m --memory --mem", "SIZE"),
    Field(
        "rss_limit", "Memory limit", "size", "a task that takes more is ended", "--rss-limit",
        "SIZE",
    ),
    Field(
        "time_limit", "Time limit", "time", "a task that runs longer is ended",
        "-t --time-limit --time", "TIME",
    ),
    Field("gpus", "GPUs", "whole", "GPUs of each task", "-G --gpus", "N", "0", high=1024),
    Field(
        "tasks", "Tasks", "whole", "ranks of MPI, or independent tasks with --kind batch",
        "-n --tasks --ntasks", "N", "1", ("batch", "parallel"), low=1, high=100_000,
    ),
    Field(
        "tasks_per_node", "Tasks per node", "whole", "ranks on one node at most (as many as fit)",
        "--tasks-per-node --ntasks-per-node", "N", "0", ("parallel",), high=65536,
    ),
    Field(
        "once", "Starts its ranks itself", "truth", "the command is run once, on the first node,"
        " and calls mpirun itself", "--once", kinds=("parallel",),
    ),
    Field(
        "array", "Array", "array", "a task for each index", "-a --array", "INDEXES", "",
        ("batch",),
    ),
    Field(
        "metric", "Nodes by", "choice", "what the nodes are chosen by", "--metric", "METRIC",
        "load", choices=_WHERE,
    ),
    Field("nodes", "Nodes", "nodes", "these nodes, in this order", "-w --nodes --nodelist", "LIST"),
    Field(
        "after", "After", "after", "start when these jobs have ended",
        "-d --after --dependency", "JOBS",
    ),
    Field(
        "restart", "Restart", "choice", "after a lost node: not, from the start, or from a"
        " checkpoint", "--restart", "HOW", "none", choices=_AGAIN,
    ),
    Field(
        "again", "Restarts", "whole", "how often it is restarted without being asked (1 with"
        " --restart)", "--again", "N", "0", high=1000,
    ),
    Field(
        "restart_argv", "Restart command", "words", "what is run instead when it goes on from its"
        " own checkpoint", "--restart-command", "COMMAND",
    ),
    Field(
        "checkpoint_signal", "Checkpoint signal", "signal", "makes the job write its own"
        " checkpoint", "--checkpoint-signal", "SIGNAL",
    ),
    Field(
        "notify", "Notify", "list", "a mail address, or a channel of the manager, that is told of"
        " its end; of more with begin+fail:ADDRESS or all:ADDRESS", "--notify", "WHO",
    ),
    Field("held", "Hold", "truth", "do not start it before `cl release`", "-H --held --hold"),
    Field(
        "key", "Key", "text", "the same key is the same job, so that a submission can be repeated",
        "--key", "KEY",
    ),
)  # fmt: skip
BY_NAME = {field.name: field for field in FIELDS}


def said(text: str) -> str:
    """Return a label or a help line of the table in the user's language."""
    return tr(text)
