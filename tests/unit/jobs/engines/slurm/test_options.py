"""Each field of the form as an option of sbatch, and what has no equivalent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clsh.jobs.engines._slurm import options
from clsh.jobs.engines._slurm.files import files, folder
from clsh.jobs.errors import RequestError
from clsh.jobs.model import Request
from tests.support.slurm import launch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.jobs.model import After

ID = "q1-12.3.1"
NODES = ["node1", "node2", "node3", "node4"]
SPOOL = "/home/alice/.clsh/slurm"


def words(
    *,
    attempt: int = 1,
    living: Mapping[int, Sequence[int]] | None = None,
    settings: Mapping[str, object] | None = None,
    **fields: Any,
) -> set[str]:
    one = launch(ID, "/opt/app", "-x", attempt=attempt, **fields)
    found = files(one, "/home/alice", SPOOL)
    made = options.options(one, found, NODES, living or {}, settings or {})
    assert len(set(made)) == len(made)
    assert all(word.startswith("--") for word in made)
    return set(made)


def test_what_every_job_has() -> None:
    assert words() == {
        "--comment=q1-12.3.1",
        "--job-name=app",
        "--chdir=/home/alice",
        f"--output={SPOOL}/{ID}/output",
        f"--error={SPOOL}/{ID}/error",
        "--open-mode=truncate",
        "--no-requeue",
        "--export=ALL",
        "--cpus-per-task=1",
        "--nodes=1",
        "--ntasks=1",
    }


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({"name": "a job\nof -mine"}, {"--job-name=a job?of -mine"}),
        ({"directory": "/work"}, {"--chdir=/work"}),
        ({"directory": "work/../a"}, {"--chdir=/home/alice/a"}),
        ({"input": "in"}, {"--input=/home/alice/in"}),
        ({"output": "o.%j.%t.%N.%%.5%"}, {"--output=/home/alice/o.12.3.%N.%%.5%%"}),
        ({"error": "/tmp/e"}, {"--error=/tmp/e"}),
        ({"slots": 3}, {"--cpus-per-task=3"}),
        ({"memory": (64 << 20) + 1}, {"--mem=65M"}),
        ({"memory": 64 << 20, "rss_limit": 32 << 20}, {"--mem=32M"}),
        ({"time_limit": 61}, {"--time=0-00:02:00"}),
        ({"time_limit": 90000}, {"--time=1-01:00:00"}),
        ({"priority": -7}, {"--nice=7"}),
        ({"gpus": 2}, {"--gres=gpu:2"}),
        ({"nodes": ("node2",)}, {"--nodelist=node2"}),
        ({"nodes": ("node2", "node4")}, {"--exclude=node1,node3"}),
        ({"restart": "own", "checkpoint_signal": "USR1"}, {"--signal=B:USR1@60"}),
        ({"attempt": 2}, {"--open-mode=append"}),
        (
            {"settings": {"partition": "short", "account": "a", "qos": "q"}},
            {"--partition=short", "--account=a", "--qos=q"},
        ),
    ],
)
def test_a_field(fields: dict[str, Any], more: set[str]) -> None:
    assert more <= words(**fields)


def test_a_priority_above_the_usual_is_not_said() -> None:
    assert not {word for word in words(priority=5) if "nice" in word}


def test_all_nodes_named_are_no_option() -> None:
    assert words(nodes=tuple(NODES)) == words()


def test_one_file_for_output_and_error() -> None:
    assert not {word for word in words(output="a", error="./a") if word == "--error=/home/alice/a"}
    assert not {word for word in words(output="a", error="a") if word.startswith("--error")}


def test_a_parallel_job() -> None:
    found = words(kind="parallel", tasks=7, tasks_per_node=2, slots=2, memory=5 << 20, gpus=1)
    assert {
        "--ntasks=7",
        "--nodes=4",
        "--ntasks-per-node=2",
        "--cpus-per-task=2",
        "--mem-per-cpu=3M",
        "--gpus-per-task=1",
    } <= found
    assert "--ntasks=1" not in found
    assert not {word for word in words(kind="parallel", tasks=3) if word.startswith("--nodes")}


@pytest.mark.parametrize(
    ("after", "text"),
    [
        ([(1, "ok")], "afterok:11:12"),
        ([(1, "notok")], "afternotok:11?afternotok:12"),
        ([(1, "any"), (2, "ok")], "afterany:11:12,afterok:21"),
        ([(3, "ok"), (4, "ok")], ""),
    ],
)
def test_a_dependency_is_told_by_slurms_ids(after: list[tuple[int, After]], text: str) -> None:
    living = {1: [11, 12], 2: [21], 4: list[int]()}
    assert options.dependency(after, living) == text
    found = words(after=tuple(after), living=living)
    assert ("--kill-on-invalid-dep=yes" in found) == bool(text)
    assert (f"--dependency={text}" in found) == bool(text)


def test_a_node_that_slurm_does_not_have() -> None:
    with pytest.raises(RequestError, match="no node node9") as caught:
        words(nodes=("node1", "node9"))
    assert caught.value.field == "nodes"


@pytest.mark.parametrize("field", ["directory", "input", "output", "error"])
def test_a_backslash_in_a_name(field: str) -> None:
    """Slurm would then put in no field, and drop it."""
    fields: dict[str, Any] = {field: "a\\b"}
    with pytest.raises(RequestError, match="backslash") as caught:
        words(**fields)
    assert caught.value.field == field


def test_the_folder_of_an_attempt() -> None:
    assert folder(SPOOL, launch(ID, "x")) == f"{SPOOL}/{ID}"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"metric": "queue"}, "load"),
        ({"metric": "round-robin"}, "load"),
        ({"priority": 1}, "priority"),
        ({"restart": "criu"}, "CRIU"),
        ({"restart": "dmtcp"}, "DMTCP"),
        ({"restart": "own", "checkpoint_signal": "USR1"}, "checkpoint signal"),
        ({"time_limit": 90}, "whole minutes"),
        ({"memory": 1, "rss_limit": 2}, "RSS"),
    ],
)
def test_what_has_no_equivalent_is_said(fields: dict[str, Any], word: str) -> None:
    fields = {"metric": "free", **fields}
    (said,) = options.complaints(Request(("x",), **fields))
    assert word in said


def test_what_has_an_equivalent_is_not_complained_about() -> None:
    request = Request(
        ("x",),
        metric="named",
        nodes=("node1",),
        priority=-1,
        restart="own",
        checkpoint_signal="USR1",
        time_limit=120,
        memory=1,
        rss_limit=1,
    )
    assert options.complaints(request) == []
