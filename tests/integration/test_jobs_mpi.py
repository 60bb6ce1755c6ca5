"""Real Open MPI over four nodes through a real manager, asked for in every ordinary way."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_jobs_remote import SUM
from tests.support.manager import eventually
from tests.support.tried import NODES, Tried

if TYPE_CHECKING:
    from tests.support.tried import Visitor

# Each rank goes on for long, so that one that is left would be seen.
LONG = SUM.replace("MPI_Finalize", "fflush(stdout); sleep(4711); MPI_Finalize").replace(
    "#include <stdio.h>", "#include <stdio.h>\n#include <unistd.h>"
)
AS_ROOT = ("--env", "OMPI_ALLOW_RUN_AS_ROOT=1", "--env", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
TOLD = re.compile(r"(\d) of 4 on (\S+): 6")


@pytest.fixture(scope="module")
def program(tried: Tried) -> str:
    return tried.compiled(SUM, "/shared/sum")


@pytest.fixture(scope="module")
def alice(tried: Tried) -> Visitor:
    return tried.visitor("alice")


def summed_on_all(text: str) -> bool:
    found = dict(TOLD.findall(text))
    return sorted(found) == ["0", "1", "2", "3"] and sorted(found.values()) == NODES


def test_the_form_of_the_page(alice: Visitor, program: str) -> None:
    fields = {"kind": "parallel", "tasks": "4", "tasks_per_node": "1", "argv": program}
    got = alice.form(**fields, name="from the page")
    assert got.status == 303, got.text
    number = int(got.headers["location"].rpartition("/")[2])
    job = alice.ended(number)
    assert (job["owner"], job["state"]) == ("alice", "done"), (job, alice.wrote(number, "error"))
    assert summed_on_all(alice.wrote(number))
    assert sorted(one["node"] for one in job["tasks"][0]["nodes"]) == NODES


def test_cl_submit_as_root(tried: Tried, program: str) -> None:
    """Root has keys between the nodes of the demo; Open MPI wants to be allowed."""
    words = ("submit", "--wait", "-n", "4", "--tasks-per-node", "1", "-D", "/shared")
    done = tried.person.cl(*words, *AS_ROOT, program)
    assert done.returncode == 0, done.stderr
    number = int(done.stdout)
    text = tried.person.cl("job", str(number), "--output").stdout
    assert summed_on_all(text)


def test_two_ranks_on_each_of_two_nodes(alice: Visitor, program: str) -> None:
    fields = {"kind": "parallel", "tasks": 4, "tasks_per_node": 2, "nodes": ["node2", "node3"]}
    number = alice.submit({"argv": [program], **fields})
    assert alice.ended(number)["state"] == "done"
    found = [node for _, node in TOLD.findall(alice.wrote(number))]
    assert sorted(found) == ["node2", "node2", "node3", "node3"]


def ranks(tried: Tried, path: str, names: list[str]) -> int:
    return sum(len(tried.demo.processes(name, path)) for name in names)


def ended(alice: Visitor, program: str, way: str) -> Any:
    """Return what became of a job over all nodes."""
    sizes = {"tasks": "4", "tasks_per_node": "1", "nodes": "node[1-4]"}
    if way == "API":
        return alice.ended(alice.submit({"kind": "parallel", "argv": [program], **sizes}))
    got = alice.form(kind="parallel", argv=program, **sizes)
    assert got.status == 303, got.text
    return alice.ended(int(got.headers["location"].rpartition("/")[2]))


def test_cl_submit_names_a_node_that_the_first_cannot_reach(tried: Tried, program: str) -> None:
    sizes = ("-n", "4", "--tasks-per-node", "1", "-w", "node[1-4]", "-D", "/shared")
    tried.demo.on("node4", "iptables -I INPUT -s 10.77.0.1 -j REJECT")
    try:
        done = tried.person.cl("submit", "--wait", *sizes, *AS_ROOT, program)
    finally:
        tried.demo.on("node4", "iptables -F INPUT")
    assert done.returncode == 1
    assert "node4 cannot be reached from node1 within 10 s" in done.stderr


@pytest.mark.parametrize(("way", "does"), [("API", "REJECT"), ("form", "DROP")])
def test_a_node_that_the_first_cannot_reach_is_named(
    tried: Tried, alice: Visitor, way: str, does: str
) -> None:
    """The manager goes on to reach it, so only the first node can find out; it waits for 10 s."""
    path = tried.compiled(LONG, "/shared/long")
    began = time.time()
    tried.demo.on("node3", f"iptables -I INPUT -s 10.77.0.1 -j {does}")
    try:
        job = ended(alice, path, way)
    finally:
        tried.demo.on("node3", "iptables -F INPUT")
    assert job["ended"] - began < 30
    (task,) = job["tasks"]
    assert (job["state"], task["reason"]) == (
        "failed",
        "node3 cannot be reached from node1 within 10 s",
    )
    assert ranks(tried, path, NODES) == 0


def test_what_runs_is_ended_on_all_nodes(tried: Tried, alice: Visitor) -> None:
    path = tried.compiled(LONG, "/shared/long")
    job = {"kind": "parallel", "tasks": 4, "tasks_per_node": 1, "argv": [path]}
    number = alice.submit(job)
    eventually(lambda: ranks(tried, path, NODES) == 4, 40)
    assert alice.ask(f"/api/v1/jobs/{number}/cancel", {}).status == 200
    assert alice.ended(number)["state"] == "cancelled"
    eventually(lambda: ranks(tried, path, NODES) == 0, 20)


def test_a_node_that_dies_in_the_middle_ends_the_others(tried: Tried, alice: Visitor) -> None:
    path = tried.compiled(LONG, "/shared/long")
    job = {"kind": "parallel", "tasks": 4, "tasks_per_node": 1, "argv": [path], "nodes": NODES}
    number = alice.submit(job)
    eventually(lambda: ranks(tried, path, NODES) == 4, 40)
    with tried.demo.killed("node3"):
        found = alice.ended(number)
        assert found["state"] == "failed"
        others = [name for name in NODES if name != "node3"]
        eventually(lambda: ranks(tried, path, others) == 0, 20)
        assert "10.77.0.3" in alice.wrote(number, "error")
