"""Scripts for sbatch: real ones, what wins, what is refused and with which line."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clsh.jobs.errors import RequestError
from clsh.jobs.forms import form, sbatch
from clsh.jobs.forms.sbatch_options import OPTIONS, said

SCRIPTS = Path(__file__).parents[3] / "data/sbatch"
EXPECTED: dict[str, Any] = json.loads((SCRIPTS / "expected.json").read_text(encoding="utf-8"))


def read(*lines: str, head: str = "#!/bin/sh", **more: Any) -> sbatch.Read:
    text = "\n".join([head, *(f"#SBATCH {line}" for line in lines), "true", ""])
    return sbatch.read(text.encode(), "job.sh", **more)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_scripts_as_users_have_them(name: str) -> None:
    text = (SCRIPTS / name).read_text(encoding="utf-8")
    around: dict[str, Any] = {"environ": {"PATH": "/bin"}, "user": "alice"}
    try:
        found = sbatch.read(text.encode(), name, ["a b", "-x"], directory="/home/alice", **around)
    except RequestError as error:
        told: object = {"field": error.field, "error": str(error), "hint": error.hint}
    else:
        native = form.native(found.request)
        native["argv"] = ["TEXT" if word == text else word for word in found.request.argv]
        told = {"request": native, "warnings": list(found.warnings)}
    assert told == EXPECTED[name]


def test_all_scripts_are_expected() -> None:
    scripts = {path.name for path in SCRIPTS.iterdir()} - {"README.md", "expected.json"}
    assert scripts == EXPECTED.keys()


@pytest.mark.parametrize("head", ["#!/bin/sh", "#!/usr/bin/env bash", "#!/usr/bin/env -S sh -e"])
def test_a_script_runs_with_its_name_and_words(head: str) -> None:
    text = f'{head}\n#SBATCH -J x\nprintf \'<%s>\' "${{0##*/}}" "$@" "don\'t"\n'
    found = sbatch.read(text.encode(), "job.sh", ["a b", "", "-n"])
    done = subprocess.run(found.request.argv, capture_output=True, text=True, check=True)
    assert done.stdout == "<job.sh><a b><><-n><don't>"


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("#!/usr/bin/env python3", "import sys; print(*sys.argv[1:])"),
        ("#!/usr/bin/perl", 'print "@ARGV\\n"'),
    ],
)
def test_scripts_of_other_interpreters_run(head: str, line: str) -> None:
    found = sbatch.read(f"{head}\n{line}\n".encode(), "x", ["-e", "b"])
    done = subprocess.run(found.request.argv, capture_output=True, text=True, check=True)
    assert done.stdout == "-e b\n"


@pytest.mark.parametrize(
    ("options", "tasks", "per_node", "slots", "memory", "gpus"),
    [
        ("-N 4 -n 4", 4, 1, 1, 0, 0),
        ("-N 4", 4, 1, 1, 0, 0),
        ("-N 2-4 -c 2", 2, 1, 2, 0, 0),
        ("-N 2 --ntasks-per-node=3 --mem=3G --gres=gpu:3", 6, 3, 1, 1 << 30, 1),
        ("-N 2 -n 5 --mem=3G", 5, 3, 1, 1 << 30, 0),
        ("-n 4 --mem=4G", 4, 0, 1, 1 << 30, 0),
        ("-n 4 -c 2 --mem-per-cpu=1G", 4, 0, 2, 2 << 30, 0),
        ("-n 8 --ntasks-per-node=4 --gpus=8", 8, 4, 1, 0, 1),
        ("-n 8 -N 2 --gpus-per-task=2", 8, 4, 1, 0, 2),
        ("-n 8 -N 2 --gpus-per-node=5", 8, 4, 1, 0, 2),
    ],
)
def test_tasks_on_several_nodes_are_ranks_that_the_script_starts(
    options: str, tasks: int, per_node: int, slots: int, memory: int, gpus: int
) -> None:
    found = read(options).request
    assert (found.kind, found.once) == ("parallel", True)
    assert (found.tasks, found.tasks_per_node) == (tasks, per_node)
    assert (found.slots, found.memory, found.gpus) == (slots, memory, gpus)
    assert "SLURM_NTASKS" not in found.environment, "the engine says it"


@pytest.mark.parametrize(
    ("options", "slots"),
    [
        ("-N 1 -n 4", 4),
        ("--ntasks-per-node=4", 4),
        ("-a 1-3 -n 4 -c 2", 8),
        ("-n 1 -c 3", 3),
        ("-N 1", 1),
    ],
)
def test_tasks_on_one_node_are_its_cores(options: str, slots: int) -> None:
    found = read(options).request
    assert (found.kind in {"single", "batch"}, found.once) == (True, False)
    assert found.slots == slots


def test_where_it_was_submitted_is_known_beside_where_it_runs() -> None:
    told = read("-D /run", "--export=A=1", directory="/here").request
    assert (told.directory, told.environment) == ("/run", {"A": "1", "SLURM_SUBMIT_DIR": "/here"})
    assert read(directory="/here").request.environment == {}
    assert read("-D /here", directory="/here").request.environment == {}


@pytest.mark.parametrize(
    ("line", "tasks"),
    [
        ("srun ./a.out", "1"),
        ("time mpirun ./a.out", "1"),
        ("exec mpiexec -n 2 ./a.out", "1"),
        ("# srun ./a.out", None),
        ("echo unsrunny", None),
    ],
)
def test_a_script_that_starts_ranks_has_one_task_if_it_does_not_say(
    line: str, tasks: str | None
) -> None:
    found = sbatch.read(f"#!/bin/sh\n{line}\n".encode(), "job.sh")
    assert found.request.environment.get("SLURM_NTASKS") == tasks
    spread = sbatch.read(f"#!/bin/sh\n#SBATCH -n4\n{line}\n".encode(), "job.sh")
    assert "SLURM_NTASKS" not in spread.request.environment


def test_the_command_line_wins_over_the_script() -> None:
    found = read("-J one", "--mem=1G", given=[("job-name", "two"), ("hold", "")])
    assert (found.request.name, found.request.memory) == ("two", 1 << 30)
    assert found.request.held


def test_what_is_wrong_on_the_command_line_says_so() -> None:
    with pytest.raises(RequestError, match="the command line: time_limit cannot be 'soon'"):
        read(given=[("time", "soon")])


def test_wrapped() -> None:
    found = sbatch.read(sbatch.wrapped("echo $((1+1))"), "wrap")
    done = subprocess.run(found.request.argv, capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        ("-t UNLIMITED", "time_limit", 0),
        ("-t 90", "time_limit", 5400),
        ("-t 90:30", "time_limit", 5430),
        ("-t 1-2", "time_limit", 93600),
        ("--no-requeue", "restart", "none"),
        ("--nice=-5", "priority", 5),
        ("--nice=5", "priority", -5),
        ("--nice=2147483645", "priority", -1000),
        ("--priority=4294967295", "priority", 1000),
        ("--gres=gpu", "gpus", 1),
        ("--gpus=h100:4", "gpus", 4),
        ("-G 3", "gpus", 3),
        ("--gres=fs:1", "gpus", 0),
        ("--mem=0", "memory", 0),
        ("-N 1-1 -n 3 -c 2", "slots", 6),
        ("--mail-user=a@example.org --mail-type=NONE", "notify", ()),
        ("--mail-user=a@example.org", "notify", ()),
        ("--mail-type=ALL", "notify", ()),
        ("--mail-type=END --mail-user=ann", "notify", ()),
        ("--mail-type=ARRAY_TASKS --mail-user=a@example.org", "notify", ()),
        ("--mail-type=ALL --mail-user=a@example.org", "notify", ("all:a@example.org",)),
        (
            "--mail-type=BEGIN,fail,REQUEUE,ARRAY_TASKS --mail-user=a@example.org",
            "notify",
            ("begin+fail+tasks:a@example.org",),
        ),
        ("-o %u/%%x%3a", "output", "ann/%%x%t"),
        ("-J 50% -o %x", "output", "50%%"),
        ("-J a/b -o %x", "output", "a_b"),
        ("--export=A=1,B=2 -N1 -n2", "environment", {"SLURM_NTASKS": "2", "A": "1", "B": "2"}),
    ],
)
def test_options(option: str, field: str, value: object) -> None:
    assert getattr(read(option, user="ann").request, field) == value


@pytest.mark.parametrize(
    ("option", "warning"),
    [
        ("--gres=fs:1", "line 2: --gres=fs:1 is left out"),
        ("--mem=0", "line 2: --mem=0 is left out"),
        ("--mail-type=ALL", "line 2: --mail-type is left out: --mail-user must be a mail"),
        ("--mail-user=a", "line 2: --mail-user is left out: no --mail-type says"),
        ("--mail-user=a --mail-type=END", "line 2: --mail-user is left out: --mail-user must"),
        ("--mail-user=a@x.org --mail-type=END,REQUEUE", "line 2: REQUEUE of --mail-type is left"),
        ("--export=ALL", "line 2: --export=ALL is left out"),
        ("--signal=USR1", "not by itself"),
        ("--nice=9999", "line 2: --nice=9999 is priority -1000 here"),
        ("stray", "line 2: stray is not known"),
    ],
)
def test_warnings(option: str, warning: str) -> None:
    assert any(warning in told for told in read(option).warnings)


@pytest.mark.parametrize(
    ("lines", "field", "message"),
    [
        (["-n 2", "--ntasks=3"], "", "line 3: --ntasks is '3', but '2' on line 2"),
        (["--mem=1G", "--mem-per-cpu=1G"], "", "line 3: --mem-per-cpu and --mem do not go"),
        (["--no-requeue", "--requeue"], "", "line 2: --no-requeue and --requeue do not go"),
        (["-N 2-4 -a 1-3"], "tasks", "line 2: each task of an array runs on one node here, and"),
        (["-N 4", "-n 3"], "tasks", "line 2: 3 tasks do not need 4 nodes"),
        (["-N 2 -n 9", "--ntasks-per-node=4"], "tasks", "line 2: 9 tasks are more than the 8"),
        (["-a 1-3 -n 9 --ntasks-per-node=4"], "tasks", "line 2: 9 tasks are more than the 4"),
        (["-n many"], "slots", "line 2: --ntasks cannot be 'many'"),
        (["", "-a 1-"], "array", "line 3: array cannot be '1-'"),
        (["--mem=1X"], "memory", "line 2: memory cannot be '1X'"),
        (["-d singleton"], "after", "line 2: the dependency 'singleton' has no equivalent"),
        (["-d afterok"], "after", "line 2: the dependency 'afterok'"),
        (["-d afterok:x"], "after", "line 2: after cannot be 'ok:x'"),
        (["-o %q"], "output", "line 2: %q in --output has no equivalent"),
        (["-o 5%"], "output", "line 2: % in --output has no equivalent"),
        (["-o %u"], "output", "line 2: %u in --output has no equivalent"),
        (["--nice=very"], "priority", "line 2: --nice cannot be 'very'"),
        (["--gres=gpu:x"], "gpus", "line 2: --gres cannot be 'gpu:x'"),
        (["--export=1A"], "environment", "line 2: --export cannot have '1A'"),
        (["-J 'a"], "", "line 2: no closing quotation"),
        (["--mem"], "", "line 2: --mem needs a value"),
        (["-t soon"], "time_limit", "line 2: time_limit cannot be 'soon'"),
    ],
)
def test_errors_name_the_line(lines: list[str], field: str, message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        read(*lines)
    assert caught.value.field == field
    assert caught.value.hint


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (b"\x7fELF\0", "not a script in UTF-8"),
        (b"#!/bin/sh\n\xff", "not a script in UTF-8"),
        (b"#!/bin/sh\n" + b"#" * sbatch.MOST_SCRIPT, "more than the 102,400 of a script"),
        (b"#!/bin/sh\r\n", "bad '#!' line"),
        (b"#!/usr/bin/env node\n", "x is for /usr/bin/env, which cannot be given a script"),
        (b"#!/usr/bin/Rscript\n", "x is for /usr/bin/Rscript, which cannot"),
    ],
)
def test_scripts_that_cannot_be_sent(script: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        sbatch.read(script, "x")
    assert caught.value.field == "argv"
    assert caught.value.hint


def test_a_field_that_no_line_named_is_at_fault_by_itself() -> None:
    with pytest.raises(RequestError, match=r"^directory cannot be"):
        read(directory="a\nb")


def test_the_options_are_said_and_different() -> None:
    assert len({option.long for option in OPTIONS}) == len(OPTIONS)
    shorts = [option.short for option in OPTIONS if option.short]
    assert len(set(shorts)) == len(shorts)
    assert all(said(option.why) for option in OPTIONS if option.why)
