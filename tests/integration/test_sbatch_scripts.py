"""Scripts that people have for sbatch, run by `cl sub` on the nodes of a demo.

Each is run to its end by a real manager over real sshd, and its outcome is looked at.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_jobs_remote import SUM
from tests.support.tried import NODES, Tried

if TYPE_CHECKING:
    from tests.support.tried import Visitor

OVER = {"done", "failed", "cancelled"}


class Ran:
    """What became of a script: `cl sub` itself, the job, and what it wrote."""

    def __init__(self, tried: Tried, text: str, *words: str) -> None:
        done = tried.sub(text, "--wait", *words)
        self.status, self.said = done.returncode, done.stderr
        assert done.stdout, done.stderr
        self.number = int(done.stdout)
        self.job: Any = tried.person.get(f"/api/v1/jobs/{self.number}")
        self.tasks = self.job["tasks"]
        self.tried = tried

    @property
    def out(self) -> str:
        return self.tried.person.cl("job", str(self.number), "--output").stdout


def script(*lines: str, head: str = "#!/bin/bash") -> str:
    return "\n".join([head, *lines, ""])


def test_serial_with_a_name_and_a_time(tried: Tried) -> None:
    ran = Ran(
        tried,
        script("#SBATCH --job-name=serial", "#SBATCH --time=00:10:00", "#SBATCH --mem=100M",
               'echo "$SLURM_JOB_NAME $SLURM_JOB_ID $SLURM_NNODES $SLURM_NTASKS $PWD"'),
    )  # fmt: skip
    assert ran.status == 0, ran.said
    assert ran.out == f"serial {ran.number} 1 1 /shared\n"
    told = ran.job["request"]
    assert (told["time_limit"], told["memory"]) == (600, 100 << 20)


def test_output_error_and_input_files(tried: Tried) -> None:
    tried.demo.run("sh", "-c", "echo from a file >/shared/in.txt")
    ran = Ran(
        tried,
        script("#SBATCH -o out_%j_%x_%N.log", "#SBATCH -e err_%j.log", "#SBATCH -i in.txt",
               "#SBATCH -J files", "cat", "echo bad >&2"),
    )  # fmt: skip
    node = ran.tasks[0]["nodes"][0]["node"]
    assert ran.status == 0, ran.said
    assert tried.file(f"/shared/out_{ran.number}_files_{node}.log") == "from a file\n"
    assert tried.file(f"/shared/err_{ran.number}.log") == "bad\n"


def test_output_alone_takes_the_errors_too(tried: Tried) -> None:
    ran = Ran(tried, script("#SBATCH --output=both_%j", "echo out", "echo err >&2"))
    assert tried.file(f"/shared/both_{ran.number}") == "out\nerr\n"


def test_an_array_with_files_of_its_own(tried: Tried) -> None:
    ran = Ran(
        tried,
        script("#SBATCH --array=2-8:2%3", "#SBATCH --output=arr_%A_%a.txt",
               "files=(a b c d e f g h i)",
               'echo "$SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID ${files[$SLURM_ARRAY_TASK_ID]}'
               ' $SLURM_ARRAY_TASK_COUNT $SLURM_ARRAY_TASK_MIN $SLURM_ARRAY_TASK_MAX"'),
    )  # fmt: skip
    assert (ran.status, len(ran.tasks)) == (0, 4), ran.said
    for index, letter in ((2, "c"), (4, "e"), (6, "g"), (8, "i")):
        told = tried.file(f"/shared/arr_{ran.number}_{index}.txt")
        assert told == f"{ran.number} {index} {letter} 4 2 8\n"


def test_a_time_limit_ends_it(tried: Tried) -> None:
    ran = Ran(tried, script("echo begun", "sleep 4711"), "--time=00:00:01")
    assert ran.status != 0
    assert "ran longer than its time limit of 1 s" in ran.said
    assert ran.job["state"] in {"failed", "cancelled"}
    assert ran.out == "begun\n"


def test_another_directory_and_where_it_was_submitted(tried: Tried) -> None:
    tried.demo.run("mkdir", "-p", "/shared/sub/dir")
    ran = Ran(
        tried,
        script("#SBATCH --chdir=/shared/sub/dir", 'pwd; echo "$SLURM_SUBMIT_DIR"; cd '
               '"$SLURM_SUBMIT_DIR" && pwd'),
    )  # fmt: skip
    assert ran.out == "/shared/sub/dir\n/shared\n/shared\n"


def test_a_directory_that_is_not_there_is_named(tried: Tried) -> None:
    ran = Ran(tried, script("#SBATCH -D /shared/nowhere", "true"))
    assert "there is no directory /shared/nowhere" in ran.said


def test_a_chain_of_dependencies(tried: Tried) -> None:
    first = tried.sub(script("sleep 0.5; echo 1 >/shared/chain"))
    assert first.returncode == 0, first.stderr
    second = Ran(
        tried,
        script("cat /shared/chain", head="#!/bin/sh"),
        f"--dependency=afterok:{int(first.stdout)}",
    )
    assert (second.status, second.out) == (0, "1\n")
    failed = Ran(tried, script("exit 4"))
    never = Ran(tried, script("echo never"), "-d", f"afterok:{failed.number}")
    assert (failed.status, never.job["state"]) == (4, "failed")
    assert (never.tasks[0]["attempt"], str(failed.number) in never.job["reason"]) == (0, True)
    anyway = Ran(tried, script("echo anyway"), "-d", f"afternotok:{failed.number}")
    assert anyway.out == "anyway\n"


def test_exported_variables(tried: Tried) -> None:
    ran = Ran(
        tried,
        script("#SBATCH --export=GREETING='a b',HOME", 'echo "$GREETING" ${UNSAID-none}'),
    )
    assert ran.out == "a b none\n"
    other = Ran(tried, script("#SBATCH --export=ALL", "echo ok"))
    assert other.out == "ok\n"
    assert "line 2: --export=ALL is left out" in other.said


def test_cores_for_threads(tried: Tried) -> None:
    ran = Ran(
        tried,
        script("#SBATCH --nodes=1", "#SBATCH --ntasks=1", "#SBATCH --cpus-per-task=1",
               "export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK",
               'echo "$OMP_NUM_THREADS $SLURM_CPUS_ON_NODE $SLURM_NTASKS"'),
    )  # fmt: skip
    assert ran.out == "1 1 1\n"


def test_words_heredocs_and_a_status(tried: Tried) -> None:
    text = script(
        "#SBATCH -J words",
        "cat >/shared/made.txt <<'END'",
        "#SBATCH --mem=999T   only text",
        "$HOME `not run` \"quotes\" 'and' \\backslashes",
        "END",
        'printf "<%s>" "$0" "$#" "$@"',
        "exit 7",
    )
    ran = Ran(tried, text, "--", "a b", "", "-n", "*")
    assert (ran.status, ran.job["reason"]) == (7, "exit status 7")
    assert ran.out == "<job.sh><4><a b><><-n><*>"
    kept = tried.file("/shared/made.txt")
    assert kept.splitlines()[1] == "$HOME `not run` \"quotes\" 'and' \\backslashes"


def test_python_and_standard_input(tried: Tried) -> None:
    text = script(
        "#SBATCH -J python",
        "import os, sys",
        "print(os.environ['SLURM_JOB_NAME'], sys.argv[1:])",
        head="#!/usr/bin/python3",
    )
    assert Ran(tried, text, "--", "x").out == "python ['x']\n"


def test_what_has_no_meaning_is_said_and_the_rest_is_run(tried: Tried) -> None:
    ran = Ran(
        tried,
        script(
            "#SBATCH --partition=long",
            "#SBATCH --account=physics",
            "#SBATCH -q normal",
            "#SBATCH --mail-type=END,FAIL",
            "#SBATCH --mail-user=me@example.org",
            "#SBATCH --exclusive",
            "##SBATCH --mem=999T",
            "#SBATCH --requeue",
            "echo ran",
            "#SBATCH --mem=999T",
        ),
    )
    assert (ran.status, ran.out) == (0, "ran\n")
    for line, words in (
        (2, "--partition is left out: there are no partitions"),
        (3, "--account is left out: there are no partitions"),
        (4, "-q is left out: there are no partitions"),
        (7, "--exclusive is left out"),
        (11, "#SBATCH after the first command is only a comment"),
    ):
        assert f"line {line}: {words}" in ran.said
    assert "--mail-user is left out: this manager has no mail server for jobs" in ran.said
    assert (ran.job["request"]["restart"], ran.job["request"]["again"]) == ("start", 1)


def test_gpus_that_no_node_has_are_refused_in_words(tried: Tried) -> None:
    done = tried.sub(script("#SBATCH --gres=gpu:2", "nvidia-smi"))
    assert done.returncode == 2
    assert "no node has 2 GPUs" in done.stderr
    assert "it could never run" in done.stderr


MPI = """\
#!/bin/bash
#SBATCH --job-name=mpi
#SBATCH -N {nodes}
#SBATCH -n {tasks}
#SBATCH --time=5
#SBATCH --output=mpi_%j.out
cd $SLURM_SUBMIT_DIR
echo "$SLURM_JOB_NODELIST $SLURM_NNODES $SLURM_NTASKS $SLURM_TASKS_PER_NODE $SLURM_CPUS_ON_NODE"
echo "once on $(hostname)"
mpirun {words} ./sum
"""


@pytest.fixture(scope="module")
def alice(tried: Tried) -> Visitor:
    tried.compiled(SUM, "/shared/sum")
    return tried.visitor("alice")


def as_alice(tried: Tried, alice: Visitor, text: str) -> tuple[Any, str]:
    """Submit what `cl sub` makes of a script for a user of the nodes; return job and output."""
    made = tried.sub(text, "--dry-run", "--json")
    assert made.returncode == 0, made.stderr
    job = alice.ended(alice.submit(json.loads(made.stdout)))
    return job, alice.wrote(job["id"])  # errors go there too


def ranked(text: str) -> list[tuple[str, str]]:
    return sorted(re.findall(r"\d+ of (\d+) on (\S+):", text))


@pytest.mark.parametrize("words", ["", "-np $SLURM_NTASKS", "-n 4 --map-by node"])
def test_mpirun_over_four_nodes(tried: Tried, alice: Visitor, words: str) -> None:
    job, text = as_alice(tried, alice, MPI.format(nodes=4, tasks=4, words=words))
    assert job["state"] == "done", text
    assert ranked(text) == [("4", node) for node in NODES]
    assert text.startswith("node[1-4] 4 4 1(x4) 1\n")
    assert text.count("once on") == 1


def test_srun_starts_the_tasks_of_a_script(tried: Tried, alice: Visitor) -> None:
    text = MPI.format(nodes=4, tasks=4, words="").replace("mpirun ", "srun --mpi=pmix -l ")
    job, out = as_alice(tried, alice, f"{text}srun -n 1 echo 'one step'\n")
    assert job["state"] == "done", out
    assert ranked(out) == [("4", node) for node in NODES]
    assert out.count("one step") == 1


def test_srun_in_a_script_of_one_task(tried: Tried, alice: Visitor) -> None:
    job, out = as_alice(tried, alice, script("#SBATCH -o one_%j", "srun hostname"))
    assert (job["state"], out) == ("done", f"{job['tasks'][0]['nodes'][0]['node']}\n")


def test_mpirun_with_two_tasks_a_node(tried: Tried, alice: Visitor) -> None:
    text = MPI.format(nodes=2, tasks=4, words="").replace(
        "#SBATCH --time=5", "#SBATCH --ntasks-per-node=2"
    )
    job, out = as_alice(tried, alice, text)
    assert job["state"] == "done", out
    nodes = sorted(place["node"] for place in job["tasks"][0]["nodes"])
    assert ranked(out) == [("4", node) for node in nodes for _ in range(2)]


def test_mpirun_of_tasks_on_one_node(tried: Tried, alice: Visitor) -> None:
    job, out = as_alice(tried, alice, MPI.format(nodes=1, tasks=2, words=""))
    assert job["state"] == "done", out
    (node,) = (place["node"] for place in job["tasks"][0]["nodes"])
    assert ranked(out) == [("2", node)] * 2


def test_mpirun_as_root(tried: Tried, alice: Visitor) -> None:
    text = MPI.format(nodes=4, tasks=4, words="--allow-run-as-root")
    ran = Ran(tried, text)
    told = tried.file(f"/shared/mpi_{ran.number}.out")
    assert ran.status == 0, told
    assert ranked(told) == [("4", node) for node in NODES]


def test_a_script_over_nodes_of_which_one_is_away_names_it(tried: Tried, alice: Visitor) -> None:
    text = MPI.format(nodes=4, tasks=4, words="").replace("-n 4", "-n 4 -w node[1-4]")
    tried.demo.on("node2", "iptables -I INPUT -s 10.77.0.1 -j REJECT")
    try:
        job, _ = as_alice(tried, alice, text)
    finally:
        tried.demo.on("node2", "iptables -F INPUT")
    assert "node2 cannot be reached from node1 within 10 s" in job["tasks"][0]["reason"]
