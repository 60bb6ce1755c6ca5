"""The pure parts of the engine `remote`: what is refused, and what nodes say."""

from __future__ import annotations

import shlex
import subprocess
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.base.errors import UsageError
from clsh.jobs.engine import Launch
from clsh.jobs.engines._remote import answers, command
from clsh.jobs.engines._remote.answers import Answer, Hello
from clsh.jobs.engines._remote.command import Start
from clsh.jobs.engines._remote.srun import SRUN
from clsh.jobs.model import Place, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def launch(name: str = "q-1.0.1", owner: str = "alice", **request: Any) -> Launch:
    places = Place("n1"), Place("n2", 3)
    return Launch(name, owner, 1, 0, 1, Request(("true",), **request), places)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(("x",), restart="criu"), "checkpoints by criu"),
        (Request(("x\0",)), "NUL byte"),
        (Request(("x",), environment={"A": "\0"}), "NUL byte"),
        (Request(("x",), environment={"A;id": "1"}), "bad variable name"),
        (Request(()), "nothing to run"),
    ],
)
def test_what_has_no_equivalent_is_told(request_: Request, words: str) -> None:
    (said,) = command.complaints(request_)
    assert words in said


def test_nothing_is_said_of_what_can_be_done() -> None:
    assert command.complaints(Request(("x",), environment={"A": "1"})) == []


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "-a", "a b", "a\nb", "x" * 201, "é"])
def test_a_name_of_an_attempt_is_never_a_path_or_an_option(name: str) -> None:
    with pytest.raises(UsageError):
        command.check_names(launch(name))


@pytest.mark.parametrize("owner", ["", "-u", "a b", "a;id", "$(id)", "A", "a\n", "0"])
def test_an_owner_is_never_code(owner: str) -> None:
    with pytest.raises(UsageError):
        command.check_names(launch(owner=owner))


def test_good_names_are_taken() -> None:
    command.check_names(launch())


def call(one: Launch, hosts: dict[str, str]) -> str:
    return command.start_call(1, [command.start_of(one, hosts)]).decode()


def test_a_parallel_attempt_has_its_hosts_by_address() -> None:
    text = call(launch(kind="parallel"), {"n1": "10.0.0.1", "n2": "h2"})
    assert text.startswith("start 1 alice pam ")
    assert "10.0.0.1 slots=1\nh2 slots=3\n" in text
    assert "ranks=4" in text


def a_text(hosts: dict[str, str] | None = None, **request: Any) -> str:
    return call(launch(**request), hosts or {"n1": "10.0.0.1", "n2": "h2"})


def test_a_program_that_starts_its_ranks_itself_finds_the_places() -> None:
    text = a_text(kind="parallel", once=True, tasks=4, slots=2)
    assert "10.0.0.1 slots=1\nh2 slots=3\n" in text
    assert "OMPI_MCA_orte_default_hostfile=$CLSH_OWN/hosts" in text
    assert "PRTE_MCA_prte_default_hostfile=$CLSH_OWN/hosts" in text
    assert "cannot be reached from" in text
    assert "set -- mpirun" not in text
    assert "set -- mpirun" in a_text(kind="parallel", tasks=4)
    assert "default_hostfile" not in a_text(kind="parallel", tasks=4)


def test_a_script_on_one_node_has_its_tasks_as_places() -> None:
    text = a_text(environment={"SLURM_NTASKS": "4"})
    assert "10.0.0.1 slots=4\n" in text
    assert "default_hostfile" in text
    assert text.startswith("start 1 alice pam ")
    for other in ({}, {"SLURM_NTASKS": "x"}, {"SLURM_NTASKS": "\u0664"}):
        assert "hostfile" not in a_text(environment=other)


@pytest.fixture
def srun(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run what stands for srun; what stands for mpirun prints its words."""
    (tmp_path / "srun").write_text(SRUN)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mpirun").write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    (tools / "mpirun").chmod(0o755)

    def run(*words: str, mpirun: bool = True, tasks: str = "4") -> tuple[int, str]:
        path = f"{tools}:/usr/bin:/bin" if mpirun else str(tmp_path / "nothing")
        done = subprocess.run(
            ["/bin/sh", str(tmp_path / "srun"), *words],
            env={"PATH": path, **({"SLURM_NTASKS": tasks} if tasks else {})},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("./a", "<-np><4><./a>"),
        ("-n 2 ./a -n 3", "<-np><2><./a><-n><3>"),
        ("-n2 ./a", "<-np><2><./a>"),
        ("--ntasks=2 ./a", "<-np><2><./a>"),
        ("--ntasks 2 -- -x", "<-np><2><-x>"),
        (
            "-N 4 -c2 --mpi=pmix --cpu-bind none -u -l --exclusive ./a",
            "<--tag-output><-np><4><./a>",
        ),
    ],
)
def test_srun_calls_mpirun(srun: Callable[..., tuple[int, str]], words: str, out: str) -> None:
    assert srun(*words.split()) == (0, out)
    assert srun("./a b", "", tasks="") == (0, "<-np><1><./a b><>")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-o file ./a", "srun: there is no -o here"),
        ("--het-group=1 ./a", "srun: there is no --het-group=1 here"),
        ("-n many ./a", "srun: the number of tasks cannot be 'many'"),
        ("-n 2", "srun: there is nothing to run"),
    ],
)
def test_srun_refuses_what_it_does_not_know(
    srun: Callable[..., tuple[int, str]], words: str, said: str
) -> None:
    status, told = srun(*words.split())
    assert (status, said in told) == (2, True), told


def test_srun_without_mpirun_starts_one_task_only(
    srun: Callable[..., tuple[int, str]],
) -> None:
    assert srun("/bin/echo", "one", mpirun=False, tasks="1") == (0, "one\n")
    status, told = srun("/bin/echo", "one", mpirun=False)
    assert (status, "mpirun is not installed" in told) == (2, True)


@pytest.mark.parametrize("kind", ["single", "parallel"])
def test_no_mpirun_takes_a_job_for_one_of_slurms(kind: str) -> None:
    text = a_text(kind=kind, environment={"SLURM_NTASKS": "2"})
    for variable in ("OMPI_MCA_plm=rsh", "PRTE_MCA_plm=ssh", "OMPI_MCA_ras=^slurm"):
        assert variable in text


def test_the_variables_of_slurm_are_those_that_scripts_read() -> None:
    shown = command._shown(launch(kind="parallel", once=True, tasks=4, slots=2))
    assert {name: text for name, text in shown.items() if name.startswith("SLURM")} == {
        "SLURM_JOB_ID": "1",
        "SLURM_JOBID": "1",
        "SLURM_JOB_NAME": "true",
        "SLURM_NTASKS": "4",
        "SLURM_NODELIST": "n[1-2]",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_NNODES": "2",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_TASKS_PER_NODE": "1,3",
        "SLURM_CPUS_ON_NODE": "2",
        "SLURMD_NODENAME": "n1",
    }
    array = command._shown(launch(kind="batch", array=(2, 5, 9)))
    assert [array[f"SLURM_ARRAY_TASK_{name}"] for name in ("ID", "COUNT", "MIN", "MAX")] == [
        "0", "3", "2", "9",
    ]  # fmt: skip
    named = Launch("a", "alice", 1, 0, 1, Request(("x",), name="one two"), ())
    assert command._shown(named)["SLURM_JOB_NAME"] == "one two"


@pytest.mark.parametrize(
    ("counts", "text"), [([1], "1"), ([2, 2, 2, 1], "2(x3),1"), ([1, 2, 1], "1,2,1"), ([], "")]
)
def test_tasks_of_nodes_are_counted_as_slurm_does(counts: list[int], text: str) -> None:
    assert command._repeated(counts) == text


def test_a_task_of_a_batch_knows_its_index() -> None:
    assert "SLURM_ARRAY_TASK_ID=0" in call(launch(kind="batch"), {})
    assert "SLURM_ARRAY_TASK_ID" not in call(launch(), {})


def test_starts_of_one_owner_go_together_and_no_more_than_some() -> None:
    starts = [
        Start(f"q-{n}.0.1", "alice" if n % 40 else "bob", "-", f"1 0 'x {n}'") for n in range(150)
    ]
    left, seen, calls = starts, dict[str, list[str]](), list[tuple[str, int]]()
    while left:
        some, left = command.together(left)
        line = shlex.split(command.start_call(5, some).decode())
        assert line[:4] == ["start", "5", some[0].owner, "-"]
        ids = line[4].split()
        calls.append((line[2], len(ids)))
        assert len(line) == 5 + 3 * len(ids)
        seen.update((one, line[5 + 3 * n : 8 + 3 * n]) for n, one in enumerate(ids))
    assert calls == [("bob", 4), ("alice", 64), ("alice", 64), ("alice", 18)]
    assert seen == {f"q-{n}.0.1": ["1", "0", f"x {n}"] for n in range(150)}
    assert command.together([]) == ([], [])


def test_output_in_the_spool_is_read_by_who_has_the_spool() -> None:
    def line(by: str) -> str:
        return command.read_line(launch(), "error", 5, 9, by=by, spool="/s")

    assert line("alice") == line("root")
    assert line("root").startswith("exec /bin/sh -c")
    assert "/s/q-1.0.1 " in line("root")


def test_root_reads_what_is_the_owners_as_the_owner() -> None:
    one = launch(error="e.%j", directory="/d")
    assert command.read_line(one, "error", 0, 9, by="alice", spool="/s").startswith("exec /bin/sh")
    line = command.read_line(one, "error", 0, 9, by="root", spool="/s")
    assert line.startswith("runuser -u alice -- /bin/sh -c")


def test_lines_are_read() -> None:
    assert answers.answer(b"clsh 4 a absent") == Answer(4, "a", "absent")
    assert answers.answer(b"clsh - a running\r") == Answer(None, "a", "running")
    runs = answers.answer(b"clsh 5 a running 90000")
    assert runs == Answer(5, "a", "running", age_s=90000.0)
    assert answers.report(runs, launch(), 10.0).ran_s == 90000.0
    ended = answers.answer(b"clsh 4 a ended 3 77 10.5 12.5 too \x1b[2J big")
    assert ended == Answer(4, "a", "ended", 3, 77, 2.0, "too ?[2J big")
    assert answers.hello("2 4 0 root /a b") == Hello(2, 4096, 0, "root", "/a b")
    assert answers.hello("2 x") is None


@pytest.mark.parametrize(
    "line", [b"", b"clsh", b"Welcome!", b"clsh 1 a nonsense", b"clsh 1 a ended x", b"clsh x a lost"]
)
def test_lines_that_cannot_be_read_are_dropped(line: bytes) -> None:
    assert answers.answer(line) is None


@given(st.binary(max_size=300), st.sampled_from([b"", b"clsh ", b"clsh 1 a ended "]))
def test_no_line_is_a_fault(data: bytes, before: bytes) -> None:
    said = answers.answer(before + data)
    assert said is None or said.words.isprintable()


@pytest.mark.parametrize(
    ("said", "status", "signal", "reason"),
    [
        (Answer(1, "a", "ended", 0), 0, "", ""),
        (Answer(1, "a", "ended", 137), None, "KILL", ""),
        (Answer(1, "a", "ended", 143, 9 << 30, 0, "rss"), None, "TERM",
         "RSS 9 GB of 8 GB allowed"),
        (Answer(1, "a", "ended", 255), 255, "", ""),
    ],
)  # fmt: skip
def test_ends(said: Answer, status: int | None, signal: str, reason: str) -> None:
    told = answers.report(said, launch(rss_limit=8 << 30), 100.0)
    assert (told.phase, told.status, told.signal, told.reason) == ("ended", status, signal, reason)
    assert told.nodes == ("n1", "n2")


def test_an_end_is_dated_by_our_clock() -> None:
    assert answers.report(Answer(1, "a", "lost", age_s=7.0), launch(), 100.0).at == 93.0


def test_what_is_not_known_is_unknown() -> None:
    assert answers.report(Answer(1, "a", "starting"), launch(), 1.0).phase == "unknown"
    assert answers.report(Answer(1, "a", "absent"), launch(), 1.0).phase == "absent"


def test_the_runner_stays_small() -> None:
    """The issue allows 120 lines."""
    runner = resources.files("clsh.jobs.engines._remote") / "runner.sh"
    assert len(runner.read_text(encoding="utf-8").splitlines()) <= 120
