"""What became of an attempt, from what squeue, scontrol and the spool say of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from signal import Signals
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.jobs.engine import Report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.jobs.engines._slurm.parse import Ended, Seen
    from clsh.jobs.engines._slurm.shell import Kept
    from clsh.jobs.model import Request

_NOT_OPENED = 53  # what slurmstepd makes of a file or directory that is not there
_OVER = re.compile(r"exceeded memory limit \((\d+) > (\d+)\)")
_GONE = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of an attempt at `now`; `ahead_s` is how far our clock is ahead.

    `seen` are the jobs with its token, of which there is more than one only after a fault.
    """

    id: str
    request: Request
    now: float
    ahead_s: float
    seen: Sequence[Seen]
    kept: Kept | None


def seen_of(evidence: Evidence) -> Seen | None:
    """Return the job that counts: the one that claimed the attempt, else one that lives."""
    kept = evidence.kept
    if kept is not None and kept.runs:
        return next((one for one in evidence.seen if one.job == kept.runs), None)
    return next((one for one in evidence.seen if one.lives), next(iter(evidence.seen), None))


def judge(evidence: Evidence, ends: Mapping[int, Ended]) -> Report:
    """Return the report; `ends` tells by Slurm's id how jobs ended."""
    kept, seen = evidence.kept, seen_of(evidence)
    if kept is not None and kept.kind == "refused":
        return Report(evidence.id, "refused", _at(evidence), reason=kept.words)
    if kept is not None and kept.kind == "cancelled":
        why = tr("cancelled before it started")
        return Report(evidence.id, "ended", _at(evidence), signal="TERM", reason=why)
    if kept is not None and kept.kind == "lost":
        why = tr("Slurm requeued it by itself; it was not run a second time")
        nodes = (kept.node,) if kept.node else ()
        return Report(evidence.id, "lost", _at(evidence), reason=why, nodes=nodes)
    if seen is None:
        return _forgotten(evidence)
    if not seen.lives:
        return _over(evidence, seen, ends.get(seen.job))
    if kept is not None and kept.kind == "ended":
        return _status(evidence, kept.status, seen.nodes)
    at = evidence.now if kept is None or not kept.started else kept.started + evidence.ahead_s
    ran_s = max(0.0, evidence.now - at)
    return Report(evidence.id, "running", at, reason=_waits(seen), ran_s=ran_s, nodes=seen.nodes)


def reason_words(reason: str) -> str:
    """Return why a job waits, in words with Slurm's own behind them."""
    words = {
        "Priority": tr("others come before it"),
        "Resources": tr("there is no room now"),
        "Dependency": tr("it waits for another job"),
        "DependencyNeverSatisfied": tr("the job that it waits for did not end as it should"),
        "PartitionNodeLimit": tr("the partition does not allow so many nodes"),
        "PartitionTimeLimit": tr("the partition does not allow so much time"),
        "PartitionConfig": tr("the partition never has so much"),
        "PartitionDown": tr("the partition is down"),
        "PartitionInactive": tr("the partition is not active"),
        "ReqNodeNotAvail": tr("a node that it needs is not available"),
        "NodeDown": tr("a node that it needs is down"),
        "BadConstraints": tr("no node could ever run it"),
        "BeginTime": tr("its time has not come"),
        "Licenses": tr("there is no license free"),
        "Reservation": tr("it waits for its reservation"),
        "JobHeldUser": tr("its user holds it"),
        "JobHeldAdmin": tr("an administrator holds it"),
    }
    # ReqNodeNotAvail goes on with the nodes, limits are Assoc... and QOS... by the dozen.
    name = re.split(r"[,_ (]", reason, maxsplit=1)[0]
    if name.startswith(("Assoc", "QOS", "MaxJobs", "MaxNode")):
        return tr("a limit of its account is reached ({reason})", reason=reason)
    return f"{words[name]} ({reason})" if name in words else reason


def _waits(seen: Seen) -> str:
    if seen.state == "PENDING":
        if not seen.reason:
            return tr("waits in Slurm as job {job}", job=seen.job)
        return tr("waits in Slurm as job {job}: {why}", job=seen.job, why=reason_words(seen.reason))
    if seen.state in {"SUSPENDED", "STOPPED"}:
        return tr("suspended by Slurm")
    return ""


def _at(evidence: Evidence) -> float:
    kept = evidence.kept
    return min(evidence.now, kept.at + evidence.ahead_s) if kept and kept.at else evidence.now


def _status(
    evidence: Evidence, status: int, nodes: tuple[str, ...] = (), reason: str = ""
) -> Report:
    """Return the end by the status of a shell: 128 + N for signal N."""
    signal = _signal(status - 128)
    number = None if signal else status
    return Report(evidence.id, "ended", _at(evidence), number, signal, reason, nodes=nodes)


def _signal(number: int) -> str:
    try:
        return Signals(number).name.removeprefix("SIG")
    except ValueError:
        return ""


def _forgotten(evidence: Evidence) -> Report:
    """Judge what Slurm does not know, or no longer."""
    kept = evidence.kept
    if kept is not None and kept.is_busy:
        why = tr("it is being submitted")
        return Report(evidence.id, "unknown", evidence.now, reason=why)
    if kept is None or not (kept.job or kept.is_claimed):
        return Report(evidence.id, "absent", evidence.now)
    nodes = (kept.node,) if kept.node else ()
    if kept.kind == "ended":
        return _status(evidence, kept.status, nodes)
    why = tr("Slurm no longer knows job {job}, and it left no status", job=kept.runs or kept.job)
    return Report(evidence.id, "lost", evidence.now, reason=why, nodes=nodes)


def _over(evidence: Evidence, seen: Seen, ended: Ended | None) -> Report:
    """Judge what Slurm says has ended."""
    kept = evidence.kept
    if seen.state in _GONE:
        why = {
            "NODE_FAIL": tr("a node of it failed"),
            "BOOT_FAIL": tr("a node of it did not boot"),
            "PREEMPTED": tr("Slurm gave its place to another job"),
        }.get(seen.state, seen.state)
        return Report(evidence.id, "lost", evidence.now, reason=why, nodes=seen.nodes)
    if seen.state in {"TIMEOUT", "DEADLINE"}:
        limit = ended.time_limit if ended else ""
        why = tr("ended by Slurm at its time limit {limit}", limit=limit).rstrip()
        return _killed(evidence, seen, "TERM", why)
    if over := _memory(evidence, seen, ended):
        return over
    if seen.state == "CANCELLED":
        if seen.reason == "DependencyNeverSatisfied":
            why = reason_words(seen.reason)
            return Report(evidence.id, "refused", evidence.now, reason=why)
        why = tr("cancelled")
        if kept is not None and kept.kind == "ended":
            return _status(evidence, kept.status, seen.nodes, why)
        return _killed(evidence, seen, "TERM", why)
    if kept is not None and kept.kind == "ended":
        return _status(evidence, kept.status, seen.nodes)
    return _by_slurm(evidence, seen, ended)


def _memory(evidence: Evidence, seen: Seen, ended: Ended | None) -> Report | None:
    """Tell of too much memory: some versions say FAILED, and why on the job's stderr only."""
    kept = evidence.kept
    found = _OVER.search(kept.words) if kept is not None and kept.kind == "" else None
    if found:
        used, allowed = int(found[1]), int(found[2])
        why = tr(
            "{used} MB of memory of {allowed} MB allowed", used=used >> 20, allowed=allowed >> 20
        )
        return _killed(evidence, seen, "KILL", why, used)
    if seen.state == "OUT_OF_MEMORY":
        why = tr("more memory than the {allowed} allowed", allowed=ended.memory if ended else "")
        return _killed(evidence, seen, "KILL", why)
    return None


def _killed(evidence: Evidence, seen: Seen, signal: str, reason: str, rss: int = 0) -> Report:
    return Report(
        evidence.id, "ended", _at(evidence), None, signal, reason, rss=rss, nodes=seen.nodes
    )


def _by_slurm(evidence: Evidence, seen: Seen, ended: Ended | None) -> Report:
    """Judge by Slurm's own words what left no status: it never began, or was killed."""
    if seen.reason == "BadConstraints":
        return Report(evidence.id, "refused", evidence.now, reason=reason_words(seen.reason))
    is_half = evidence.kept is not None and evidence.kept.is_claimed and not evidence.kept.runs
    if ended is None or is_half:
        why = tr("Slurm says {state}, and it left no status", state=seen.state)
        return Report(evidence.id, "lost", evidence.now, reason=why, nodes=seen.nodes)
    if ended.signal == _NOT_OPENED and not (evidence.kept and evidence.kept.is_claimed):
        request = evidence.request
        names = [request.input, request.output, request.error, request.directory]
        why = tr(
            "a file or directory of it cannot be opened on {node}: {names}",
            node=seen.nodes[0] if seen.nodes else "?",
            names=", ".join(filter(None, names)),
        )
        return Report(evidence.id, "refused", evidence.now, reason=why, nodes=seen.nodes)
    status = 128 + ended.signal if ended.signal else ended.status
    return _status(evidence, status, seen.nodes)
