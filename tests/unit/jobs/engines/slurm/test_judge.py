"""Every state of Slurm, with and without what the script left, as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.jobs.engine import Report
from clsh.jobs.engines._slurm.judge import Evidence, judge, reason_words
from clsh.jobs.engines._slurm.parse import Ended, Seen
from clsh.jobs.engines._slurm.shell import Kept
from clsh.jobs.model import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 2000.0
AHEAD_S = 100.0
RAN = Kept(job=7, is_claimed=True, runs=7, node="node1", started=1500.0)
DONE = Kept(
    job=7, is_claimed=True, runs=7, node="node1", started=1500.0, kind="ended", at=1600.0, status=3
)


def seen(state: str, reason: str = "", job: int = 7, *nodes: str) -> Seen:
    return Seen(job, state, reason, "alice", nodes or ("node1",))


def judged(
    some: Seen | Sequence[Seen] | None, kept: Kept | None, ended: Ended | None = None
) -> Report:
    all_ = [] if some is None else [some] if isinstance(some, Seen) else some
    request = Request(("x",), output="out", directory="/work")
    evidence = Evidence("a", request, NOW, AHEAD_S, all_, kept)
    return judge(evidence, {} if ended is None else {7: ended})


def test_it_waits() -> None:
    report = judged(seen("PENDING", "Priority"), Kept(job=7))
    assert (report.phase, report.at) == ("running", NOW)
    assert report.reason == "waits in Slurm as job 7: others come before it (Priority)"
    assert judged(seen("PENDING"), None).reason == "waits in Slurm as job 7"


@pytest.mark.parametrize("state", ["RUNNING", "CONFIGURING", "COMPLETING", "STAGE_OUT"])
def test_it_runs(state: str) -> None:
    begun = 1500 + AHEAD_S
    told = Report("a", "running", begun, nodes=("node1",), ran_s=NOW - begun)
    assert judged(seen(state), RAN) == told


@pytest.mark.parametrize("state", ["SUSPENDED", "STOPPED"])
def test_it_is_suspended(state: str) -> None:
    assert judged(seen(state), RAN).reason == "suspended by Slurm"


@pytest.mark.parametrize("state", ["COMPLETING", "RUNNING", "FAILED", "SOMETHING_NEW"])
def test_the_script_told_how_it_ended(state: str) -> None:
    assert judged(seen(state), DONE, Ended(9, 0)) == Report(
        "a", "ended", 1600 + AHEAD_S, 3, nodes=("node1",)
    )


def test_slurm_forgot_what_the_script_told() -> None:
    assert judged(None, DONE) == Report("a", "ended", 1600 + AHEAD_S, 3, nodes=("node1",))


def test_an_end_is_never_later_than_now() -> None:
    late = Kept(is_claimed=True, runs=7, kind="ended", at=5000.0)
    assert judged(None, late) == Report("a", "ended", NOW, 0)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, (0, "")),
        (137, (None, "KILL")),
        (139, (None, "SEGV")),
        (200, (200, "")),
        (255, (255, "")),
    ],
)
def test_a_status_as_a_shell_gives_it(status: int, expected: tuple[int | None, str]) -> None:
    report = judged(None, Kept(is_claimed=True, runs=7, kind="ended", status=status))
    assert (report.status, report.signal) == expected


def test_slurm_alone_told_how_it_ended() -> None:
    assert judged(seen("COMPLETED"), None, Ended(0, 0)).status == 0
    assert judged(seen("FAILED"), RAN, Ended(4, 0)).status == 4
    assert judged(seen("FAILED"), RAN, Ended(0, 11)).signal == "SEGV"
    report = judged(seen("FAILED"), RAN)
    assert (report.phase, report.reason) == ("lost", "Slurm says FAILED, and it left no status")


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("NODE_FAIL", "failed"),
        ("BOOT_FAIL", "boot"),
        ("PREEMPTED", "place"),
        ("REVOKED", "REVOKED"),
    ],
)
def test_it_is_gone(state: str, word: str) -> None:
    for kept in (RAN, DONE, None):
        report = judged(seen(state), kept, Ended(0, 0))
        assert report.phase == "lost"
        assert word in report.reason


@pytest.mark.parametrize("kept", [RAN, DONE])
def test_it_took_too_long(kept: Kept) -> None:
    report = judged(seen("TIMEOUT"), kept, Ended(0, 15, "00:01:00"))
    assert (report.phase, report.status, report.signal) == ("ended", None, "TERM")
    assert report.reason == "ended by Slurm at its time limit 00:01:00"
    assert judged(seen("DEADLINE"), kept).reason == "ended by Slurm at its time limit"


def test_it_took_too_much_memory() -> None:
    said = Kept(
        is_claimed=True,
        runs=7,
        words="slurmstepd-node1: error: StepId=7.batch exceeded memory limit"
        " (219275264 > 62914560), being killed",
    )
    report = judged(seen("FAILED", "JobLaunchFailure"), said, Ended(0, 9))
    assert (report.phase, report.signal, report.rss) == ("ended", "KILL", 219275264)
    assert report.reason == "209 MB of memory of 60 MB allowed"
    report = judged(seen("OUT_OF_MEMORY"), RAN, Ended(0, 125, "", "60M"))
    assert (report.signal, report.reason) == ("KILL", "more memory than the 60M allowed")
    assert judged(seen("OUT_OF_MEMORY"), RAN).signal == "KILL"


def test_it_was_cancelled() -> None:
    report = judged(seen("CANCELLED"), RAN, Ended(0, 0))
    assert (report.phase, report.status, report.signal) == ("ended", None, "TERM")
    report = judged(seen("CANCELLED"), DONE)
    assert (report.status, report.reason) == (3, "cancelled")
    before = Kept(is_claimed=True, kind="cancelled", at=1600.0)
    report = judged(seen("PENDING"), before)
    assert (report.phase, report.signal) == ("ended", "TERM")
    assert report.reason == "cancelled before it started"


def test_it_was_refused() -> None:
    words = "Invalid partition name specified"
    report = judged(None, Kept(is_claimed=True, kind="refused", at=1600.0, words=words))
    assert report == Report("a", "refused", 1600 + AHEAD_S, reason=words)
    report = judged(seen("FAILED", "BadConstraints"), Kept(job=7), Ended(0, 1))
    assert (report.phase, report.reason) == (
        "refused",
        "no node could ever run it (BadConstraints)",
    )
    report = judged(seen("CANCELLED", "DependencyNeverSatisfied"), Kept(job=7))
    assert report.phase == "refused"


def test_a_file_could_not_be_opened() -> None:
    report = judged(seen("FAILED", "JobLaunchFailure"), Kept(job=7), Ended(0, 53))
    assert report.phase == "refused"
    assert report.reason == "a file or directory of it cannot be opened on node1: out, /work"
    nowhere = Seen(7, "FAILED", "", "alice", ())
    assert "on ?" in judged(nowhere, None, Ended(0, 53)).reason
    assert judged(seen("FAILED"), RAN, Ended(0, 53)).status == 128 + 53


def test_nothing_of_it_is_known() -> None:
    assert judged(None, None).phase == "absent"
    assert judged(None, Kept()).phase == "absent"
    assert judged(None, Kept(is_busy=True)).phase == "unknown"
    for kept in (Kept(job=7), RAN):
        report = judged(None, kept)
        assert report.phase == "lost"
        assert report.reason == "Slurm no longer knows job 7, and it left no status"


def test_of_two_copies_the_one_that_claimed_counts() -> None:
    copies = [seen("COMPLETED", job=8), seen("RUNNING", job=7)]
    assert judged(copies, RAN).phase == "running"
    assert judged([copies[0]], RAN).phase == "lost"
    assert judged([copies[0]], DONE).status == 3
    assert judged(copies, Kept(job=8)).phase == "running"
    over = [seen("RUNNING", job=8), seen("FAILED", job=7)]
    assert judged(over, RAN, Ended(4, 0)).status == 4


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("Resources", "no room"),
        ("ReqNodeNotAvail, UnavailableNodes:node1", "not available"),
        ("AssocGrpCpuLimit", "limit of its account"),
        ("QOSMaxJobsPerUserLimit", "limit of its account"),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_a_reason_in_words(reason: str, word: str) -> None:
    said = reason_words(reason)
    assert word in said
    assert reason in said


def test_a_claim_of_nobody_is_no_success() -> None:
    """The node failed between the claim and its `by`, and the second run did nothing."""
    half = Kept(job=7, is_claimed=True)
    assert judged(seen("COMPLETED"), half, Ended(0, 0)).phase == "lost"
    assert judged(seen("COMPLETED"), RAN, Ended(0, 0)).status == 0
