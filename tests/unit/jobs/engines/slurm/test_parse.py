"""What Slurm prints, as it was recorded, and what others may have put into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clsh.jobs.engines._slurm import parse
from clsh.jobs.engines._slurm.parse import Ended, Seen

RECORDED = sorted((Path(__file__).parent / "recorded").iterdir())


@pytest.mark.parametrize("folder", RECORDED, ids=lambda path: path.name)
def test_every_version_is_read_alike(folder: Path) -> None:
    """One job each: status 3, no output file, cancelled, killed by SEGV, too long a wait."""
    seen = parse.squeue((folder / "squeue").read_text())
    told = {token: (one.state, one.lives) for (_, token), (one,) in seen.items()}
    assert told == {
        "tok-1": ("FAILED", False),
        "tok-2": ("FAILED", False),
        "tok-3": ("CANCELLED", False),
        "tok-4": ("FAILED", False),
        "tok-5": ("PENDING", True),
        "tok-6": ("RUNNING", True),
        "tok-7": ("COMPLETED", False),
    }
    assert seen["alice", "tok-5"][0].reason == "PartitionTimeLimit"
    assert seen["alice", "tok-6"][0].nodes in {("node1",), ("node2",)}
    assert {owner for owner, _ in seen} == {"alice"}
    ids = {token: one.job for (_, token), (one,) in seen.items()}
    ends = parse.scontrol((folder / "scontrol").read_text())
    codes = {token: (ends[job].status, ends[job].signal) for token, job in ids.items()}
    assert codes["tok-1"] == (3, 0)
    assert codes["tok-2"] == (0, 53)
    assert codes["tok-4"] == (0, 11)
    assert codes["tok-7"] == (0, 0)
    assert parse.sinfo((folder / "sinfo").read_text()) == (
        ["main", "short"],
        ["node1", "node2", "node3", "node4"],
    )


def test_jobs_by_owner_and_comment() -> None:
    text = (
        "12|RUNNING|None|alice|node[1-2,4]|q1-1.0.1\n"
        "11|PENDING|Resources|alice||q1-1.0.1\n"
        "13|RUNNING|None|bob|node3|q1-1.0.1\n"
    )
    assert parse.squeue(text) == {
        ("alice", "q1-1.0.1"): [
            Seen(11, "PENDING", "Resources", "alice", ()),
            Seen(12, "RUNNING", "", "alice", ("node1", "node2", "node4")),
        ],
        ("bob", "q1-1.0.1"): [Seen(13, "RUNNING", "", "bob", ("node3",))],
    }


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "12|RUNNING|None|alice|node1|a|b",
        "12|RUNNING|None|alice|node1|(null)",
        "|||||",
        "x|",
    ],
)
def test_lines_of_others_are_passed_over(line: str) -> None:
    assert parse.squeue(f"{line}\n1|RUNNING|None|alice|n1|q-1.1.1\n").keys() == {
        ("alice", "q-1.1.1")
    }


def test_nodes_that_cannot_be_read_are_shown_as_they_are() -> None:
    (some,) = parse.squeue("1|RUNNING|None|alice|n[1|q-1.1.1").values()
    assert some[0].nodes == ("n[1",)


def test_the_living_of_one_queue() -> None:
    jobs = parse.squeue(
        "1|RUNNING|None|a||q-1-7.0.1\n2|COMPLETED|None|a||q-1-7.1.1\n3|PENDING|None|a||q-1-7.2.1\n"
        "4|RUNNING|None|a||other-7.0.1\n5|RUNNING|None|a||thing\n"
    )
    assert parse.living_jobs(jobs, "q-1-9.0.1") == {7: [1, 3]}
    assert parse.living_jobs(jobs, "odd") == {}


def test_ends_by_scontrol() -> None:
    text = (
        "JobId=7 JobName=a=b ExitCode=3:0 TimeLimit=00:01:00 MinMemoryNode=60M Comment=x\n"
        "JobId=8 JobName=x ExitCode=0:15\n"
        "nonsense\n"
        "JobId=9 JobName=x\n"
    )
    assert parse.scontrol(text) == {
        7: Ended(3, 0, "00:01:00", "60M"),
        8: Ended(0, 15),
    }


def test_partitions_and_nodes() -> None:
    assert parse.sinfo("a|n[1-2]\nb|n2\nc|\nnothing\n") == (["a", "b", "c"], ["n1", "n2"])
