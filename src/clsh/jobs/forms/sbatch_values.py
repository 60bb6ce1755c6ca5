"""What the options of sbatch mean for the fields of the form. Pure.

A script runs once, on one node. Its tasks (`-n`) are cores of that node, or ranks on several,
which it starts itself by `mpirun`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clsh.jobs.errors import RequestError
from clsh.jobs.forms import spelling
from clsh.jobs.forms.fields import BY_NAME
from clsh.jobs.notices.wanted import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NUMBER = re.compile(r"-?\d{1,12}", re.ASCII)
_TIME = re.compile(r"\d{1,9}", re.ASCII)
_PATTERN = re.compile(r"%(\d*)(.?)")
_GPUS = re.compile(r"(?:gpu:)?(?:[A-Za-z][\w.-]*:)?(\d{1,4})", re.ASCII)
_DEPENDS = {"afterok": "ok", "afternotok": "notok", "afterany": "any"}
_NICE = "100"
_MAILS = {"BEGIN": "begin", "END": "end", "FAIL": "fail", "ALL": "all", "ARRAY_TASKS": "tasks"}
_PAIRS = (
    ("mem", "mem-per-cpu"),
    ("requeue", "no-requeue"),
    ("nice", "priority"),
    ("chdir", "workdir"),
    ("gres", "gpus"),
)
_SIZES = ("cpus-per-task", "ntasks", "ntasks-per-node", "nodes")
_PLAIN = {
    "job-name": "name",
    "error": "error",
    "output": "output",
    "input": "input",
    "array": "array",
    "chdir": "directory",
    "workdir": "directory",
    "nodelist": "nodes",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """An option that was given, and where: `line 3`."""

    long: str
    value: str
    where: str


@dataclass(frozen=True, slots=True)
class Around:
    """What a script is read with: the environment, the user and the script's name."""

    environ: Mapping[str, str]
    user: str
    name: str


@dataclass(slots=True)
class Values:
    """The fields as texts, where each was said, and what is not followed."""

    fields: dict[str, str] = field(default_factory=dict[str, str])
    lines: dict[str, str] = field(default_factory=dict[str, str])
    warnings: list[str] = field(default_factory=list[str])

    def put(self, name: str, value: str, setting: Setting) -> None:
        """Set a field."""
        self.fields[name], self.lines[name] = value, setting.where


def fields(settings: Sequence[Setting], around: Around) -> Values:
    """Return what options that each have a meaning ask for; raises RequestError."""
    given: dict[str, Setting] = {}
    for setting in settings:
        before = given.get(setting.long)
        if before and before.value != setting.value:
            raise _wrong(
                setting,
                f"--{setting.long} is {setting.value!r}, but {before.value!r} on {before.where}",
                hint="leave one of the two out",
            )
        given[setting.long] = setting
    for one, other in _PAIRS:
        if one in given and other in given:
            raise _wrong(given[other], f"--{other} and --{one} do not go together", "leave one out")
    values = Values()
    for setting in given.values():
        if plain := _PLAIN.get(setting.long):
            values.put(plain, setting.value, setting)
        elif setting.long in _MEANING:
            _MEANING[setting.long](setting, values)
    _sizes(given, values)
    _files(given, values, around)
    _mail(given, values)
    if "export" in given:
        _export(given["export"], values, around.environ)
    return values


def _wrong(setting: Setting, message: str, hint: str = "", name: str = "") -> RequestError:
    return RequestError(name, f"{setting.where}: {message}", hint=hint)


def _time(setting: Setting, values: Values) -> None:
    text = setting.value
    if text.upper() in {"UNLIMITED", "INFINITE", "0"}:
        return
    # A number alone is minutes there, seconds here.
    values.put("time_limit", f"{text}m" if _TIME.fullmatch(text) else text, setting)


def _dependency(setting: Setting, values: Values) -> None:
    found: list[str] = []
    for part in setting.value.split(","):
        kind, _, jobs = part.partition(":")
        how = _DEPENDS.get(kind)
        if how is None or not jobs:
            raise _wrong(
                setting,
                f"the dependency {part!r} has no equivalent here",
                hint="afterok:JOB, afternotok:JOB or afterany:JOB",
                name="after",
            )
        found += [f"{how}:{job}" for job in jobs.split(":")]
    values.put("after", ",".join(found), setting)


def _requeue(setting: Setting, values: Values) -> None:
    values.put("restart", "start", setting)


def _no_requeue(setting: Setting, values: Values) -> None:
    values.put("restart", "none", setting)


def _priority(setting: Setting, values: Values) -> None:
    """Set the priority; what goes beyond ours is the nearest that we have."""
    text = setting.value or _NICE
    if not _NUMBER.fullmatch(text):
        raise _wrong(
            setting,
            f"--{setting.long} cannot be {text!r}",
            hint="it must be a whole number",
            name="priority",
        )
    wanted = -int(text) if setting.long == "nice" else int(text)
    found = max(BY_NAME["priority"].low, min(wanted, BY_NAME["priority"].high))
    values.put("priority", str(found), setting)
    if found != wanted:
        values.warnings.append(f"{setting.where}: --{setting.long}={text} is priority {found} here")


def _hold(setting: Setting, values: Values) -> None:
    values.put("held", "yes", setting)


def _signal(setting: Setting, values: Values) -> None:
    name, at, _ = setting.value.removeprefix("B:").removeprefix("R:").partition("@")
    values.put("checkpoint_signal", name, setting)
    when = "not before the time limit" if at else "not by itself"
    values.warnings.append(f"{setting.where}: {name} is sent when a checkpoint is wanted, {when}")


def _gpus(setting: Setting, values: Values) -> None:
    found = _GPUS.fullmatch(setting.value)
    text = setting.value.partition("(")[0]
    if setting.long == "gres" and text.partition(":")[0] != "gpu":
        values.warnings.append(f"{setting.where}: --gres={text} is left out: only gpu is known")
    elif text == "gpu":
        values.put("gpus", "1", setting)
    elif found is None:
        raise _wrong(
            setting,
            f"--{setting.long} cannot be {setting.value!r}",
            hint="a number of GPUs such as gpu:2",
            name="gpus",
        )
    else:
        values.put("gpus", found[1], setting)


_MEANING: Mapping[str, Callable[[Setting, Values], None]] = {
    "time": _time,
    "dependency": _dependency,
    "requeue": _requeue,
    "no-requeue": _no_requeue,
    "nice": _priority,
    "priority": _priority,
    "hold": _hold,
    "signal": _signal,
    "gres": _gpus,
    "gpus": _gpus,
    "gpus-per-node": _gpus,
    "gpus-per-task": _gpus,
}


def _sizes(given: Mapping[str, Setting], values: Values) -> None:
    """Turn tasks, nodes and cores for each into those of one node, or of ranks on several."""
    nodes, on_node = _count(given, "nodes"), _count(given, "ntasks-per-node")
    tasks = _count(given, "ntasks") if "ntasks" in given else nodes * on_node
    cores = _count(given, "cpus-per-task")
    _check_sizes(given, nodes, tasks)
    saying = next((given[n] for n in _SIZES if n in given), None)
    variables = {"SLURM_CPUS_PER_TASK": cores} if "cpus-per-task" in given else {}
    if saying and _is_spread(given, nodes, tasks):
        each = on_node if "ntasks-per-node" in given else math.ceil(tasks / nodes)
        per_node = each if nodes > 1 or "ntasks-per-node" in given else 0
        for name, value in (("tasks", tasks), ("tasks_per_node", per_node), ("slots", cores)):
            values.put(name, str(value), given.get("ntasks", saying))
        values.put("kind", "parallel", saying)
        values.put("once", "yes", saying)
        if "ntasks-per-node" in given:
            variables["SLURM_NTASKS_PER_NODE"] = on_node
        _memory(given, values, cores, per_node or tasks)
        _divide_gpus(given, values, tasks, per_node or tasks)
    else:
        if saying:
            values.put("slots", str(tasks * cores), saying)
            variables = {"SLURM_NTASKS": tasks, **variables}
        _memory(given, values, tasks * cores, 1)
    if variables:
        texts = {name: str(value) for name, value in variables.items()}
        values.fields["environment"] = spelling.from_environment(texts)


def _check_sizes(given: Mapping[str, Setting], nodes: int, tasks: int) -> None:
    """Refuse what no number of nodes can have."""
    if "array" in given and nodes > 1:
        raise _wrong(
            given["nodes"],
            f"each task of an array runs on one node here, and --nodes is {given['nodes'].value}",
            hint="leave --nodes or --array out",
            name="tasks",
        )
    if nodes > tasks:
        raise _wrong(
            given["nodes"], f"{tasks} tasks do not need {nodes} nodes", "lower --nodes", "tasks"
        )
    if "ntasks-per-node" not in given or ("nodes" not in given and "array" not in given):
        return
    most = nodes * _count(given, "ntasks-per-node")
    if tasks > most:
        raise _wrong(
            given["ntasks" if "ntasks" in given else "ntasks-per-node"],
            f"{tasks} tasks are more than the {most} that --nodes and --ntasks-per-node allow",
            hint="raise one of them, or lower --ntasks",
            name="tasks",
        )


def _is_spread(given: Mapping[str, Setting], nodes: int, tasks: int) -> bool:
    """Tell whether the tasks may lie on several nodes: as with sbatch, unless one is named."""
    return nodes > 1 or ("ntasks" in given and tasks > 1 and not given.keys() & {"nodes", "array"})


def _divide_gpus(given: Mapping[str, Setting], values: Values, tasks: int, per_node: int) -> None:
    """Let each rank have its part of the GPUs of a node (`--gres`) or of the job (`--gpus`)."""
    name = next((one for one in ("gres", "gpus-per-node", "gpus") if one in given), "")
    if name and "gpus" in values.fields:
        whole = tasks if name == "gpus" else per_node
        values.fields["gpus"] = str(math.ceil(int(values.fields["gpus"]) / whole))


def _count(given: Mapping[str, Setting], name: str) -> int:
    """Return a number, 1 when it was not given; of a range (`2-4`) the least."""
    setting = given.get(name)
    if setting is None:
        return 1
    text = setting.value.partition("-")[0] if name == "nodes" else setting.value
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= 65536 and len(text) < 9):
        raise _wrong(
            setting,
            f"--{name} cannot be {setting.value!r}",
            hint="it must be a whole number from 1 to 65536",
            name="slots",
        )
    return int(text)


def _memory(given: Mapping[str, Setting], values: Values, cores: int, parts: int) -> None:
    """Set the memory of each task, which has `cores`; `parts` of them share that of a node."""
    setting = given.get("mem") or given.get("mem-per-cpu")
    if setting is None:
        return
    # Slurm counts in MB unless told otherwise.
    text = f"{setting.value}M" if setting.value.isdigit() else setting.value
    try:
        size = spelling.size(text)
    except ValueError:
        size = -1
    if size < 0:
        values.put("memory", setting.value, setting)  # the form says what is wrong with it
    elif size == 0:
        values.warnings.append(f"{setting.where}: --mem=0 is left out: name what it needs")
    else:
        per_core = setting.long == "mem-per-cpu"
        each = size * cores if per_core else math.ceil(size / parts)
        values.put("memory", str(each), setting)


def _files(given: Mapping[str, Setting], values: Values, around: Around) -> None:
    """Translate file patterns; without an error file, errors go where the output goes."""
    for name in ("output", "error", "input"):
        if name in given:
            text = _translated(given[name], "array" in given, around, values.fields.get("name"))
            values.put(name, text, given[name])
    if "output" in given and "error" not in given:
        values.put("error", values.fields["output"], given["output"])


def _translated(setting: Setting, many: bool, around: Around, name: str | None) -> str:
    # There each task of an array has a job number of its own (%j), and the array one (%A).
    own = "%j_%t" if many else "%j"
    meaning = {
        "%": "%%",
        "j": own,
        "J": own,
        "A": "%j",
        "a": "%t",
        "N": "%N",
        "x": (name or around.name).replace("%", "%%").replace("/", "_"),
        "u": around.user.replace("%", "%%"),
    }

    def one(found: re.Match[str]) -> str:
        new = meaning.get(found[2])
        if not new:
            raise _wrong(
                setting,
                f"{found[0]} in --{setting.long} has no equivalent here",
                hint="%j or %A job, %a task of an array, %N node, %x name, %u user, %% a percent"
                " sign",
                name=setting.long,
            )
        return new

    return _PATTERN.sub(one, setting.value)


def _mail(given: Mapping[str, Setting], values: Values) -> None:
    """Let a mail address be told of what `--mail-type` names."""
    user, kind = given.get("mail-user"), given.get("mail-type")
    words = [word.strip().upper() for word in (kind.value if kind else "").split(",") if word]
    if kind is None or not words or "NONE" in words:
        if user and kind is None:
            values.warnings.append(
                f"{user.where}: --mail-user is left out: no --mail-type says of what"
            )
        return
    if user is None or not is_address(user.value):
        where, name = (user.where, "user") if user else (kind.where, "type")
        values.warnings.append(
            f"{where}: --mail-{name} is left out: --mail-user must be a mail address"
        )
        return
    for word in words:
        if word not in _MAILS:
            values.warnings.append(f"{kind.where}: {word} of --mail-type is left out")
    found = [_MAILS[word] for word in words if word in _MAILS]
    if set(found) - {"tasks"}:
        values.put("notify", f"{'+'.join(found)}:{user.value}", user)


def _export(setting: Setting, values: Values, environ: Mapping[str, str]) -> None:
    before = values.fields.get("environment")
    found = spelling.environment(before) if before else {}
    for part in setting.value.split(","):
        name, equals, text = part.partition("=")
        if name.upper() in {"ALL", "NONE", "NIL"} and not equals:
            if name.upper() == "ALL":
                values.warnings.append(
                    f"{setting.where}: --export=ALL is left out: variables are sent by their names"
                )
        elif not spelling.is_variable(name):
            raise _wrong(
                setting,
                f"--export cannot have {part!r}",
                hint="NAME, NAME=VALUE or NONE, with commas between them",
                name="environment",
            )
        elif equals:
            found[name] = text
        elif name in environ:
            found[name] = environ[name]
        else:
            values.warnings.append(f"{setting.where}: {name} of --export is not set here")
    values.put("environment", spelling.from_environment(found), setting)
