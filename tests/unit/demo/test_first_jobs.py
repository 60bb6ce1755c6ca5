"""Which jobs a person sees first, by what the machine has."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from clsh.demo import first_jobs
from clsh.demo.cluster import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What stands for mpicc: it keeps what it is given.
KEEPS = "import sys; open(sys.argv[-1], 'wb').write(sys.stdin.buffer.read())"
FAILS = "import sys; sys.exit('no header mpi.h')"
WAITS = "import time; time.sleep(60)"


class Nodes:
    """A cluster as far as it is asked; `mpicc` is what runs instead of it."""

    def __init__(self, flavour: str, count: int, mpicc: str, lost: int) -> None:
        self._status = Status(flavour, {f"node{n}": n > lost for n in range(1, count + 1)})
        self._mpicc = mpicc

    def running(self) -> Status:
        return self._status

    def entered(self, argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", self._mpicc, *argv], dict(os.environ)


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[..., first_jobs.First]:
    monkeypatch.setattr(first_jobs, "PROGRAM", str(tmp_path / "allreduce"))

    def made(
        *tools: str,
        flavour: str = "namespaces",
        count: int = 4,
        mpicc: str = KEEPS,
        lost: int = 0,
    ) -> first_jobs.First:
        def which(name: str) -> str | None:
            return name if name in tools else None

        monkeypatch.setattr("clsh.demo.first_jobs.shutil.which", which)
        return first_jobs.first_jobs(Nodes(flavour, count, mpicc, lost))  # type: ignore[arg-type]  # as far as it is asked

    return made


def test_one_of_each_class(first: Callable[..., first_jobs.First]) -> None:
    found = first("mpirun", "mpicc")
    assert (found.owner, found.left_out) == ("alice", "")
    single, batch, mpi = found.jobs
    assert [job["name"] for job in found.jobs] == ["single", "batch", "mpi"]
    assert (single["argv"], batch["array"]) == (["uname", "-n"], "1-8")
    assert (mpi["tasks"], mpi["tasks_per_node"]) == (4, 1)
    with open(first_jobs.PROGRAM, encoding="utf-8") as file:  # noqa: PTH123 - a text
        assert "MPI_Allreduce" in file.read()
    assert mpi["argv"] == [first_jobs.PROGRAM]


@pytest.mark.parametrize(
    ("count", "lost", "ranks"), [(1, 0, 1), (3, 0, 3), (9, 0, 4), (4, 2, 2), (9, 3, 4), (2, 2, 1)]
)
def test_no_more_ranks_than_nodes_that_are_up(
    first: Callable[..., first_jobs.First], count: int, lost: int, ranks: int
) -> None:
    assert first("mpirun", count=count, lost=lost).jobs[2]["tasks"] == ranks


def test_without_open_mpi_there_are_no_ranks(first: Callable[..., first_jobs.First]) -> None:
    found = first("mpicc")
    assert len(found.jobs) == 2
    assert "there is no mpirun here" in found.left_out


@pytest.mark.parametrize(
    ("tools", "mpicc", "limit_s", "said"),
    [
        (("mpirun",), KEEPS, 30.0, "There is no mpicc here"),
        (("mpirun", "mpicc"), FAILS, 30.0, "mpicc failed (no header mpi.h)"),
        (("mpirun", "mpicc"), WAITS, 0.1, "mpicc failed (0.1 s)"),
    ],
)
def test_without_a_compiler_they_say_who_they_are(
    first: Callable[..., first_jobs.First],
    monkeypatch: pytest.MonkeyPatch,
    tools: tuple[str, ...],
    mpicc: str,
    limit_s: float,
    said: str,
) -> None:
    monkeypatch.setattr(first_jobs, "_COMPILE_S", limit_s)
    found = first(*tools, mpicc=mpicc)
    argv: Any = found.jobs[2]["argv"]
    assert said in found.left_out
    assert argv[:2] == ["sh", "-c"]
    assert "OMPI_COMM_WORLD_RANK" in argv[2]


def test_servers_of_our_own_run_what_needs_no_sshd(
    first: Callable[..., first_jobs.First],
) -> None:
    found = first("mpirun", "mpicc", flavour="servers")
    assert (found.owner, len(found.jobs)) == ("", 2)
    assert "the nodes need sshd" in found.left_out
    assert {job["directory"] for job in found.jobs} == {"/"}
