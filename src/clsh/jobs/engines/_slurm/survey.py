"""Ask Slurm and the spool what became of attempts: one squeue for all, then what it leaves open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.errors import NodeError
from clsh.base.messages import tr
from clsh.jobs.engine import Report
from clsh.jobs.engines._slurm import parse, shell
from clsh.jobs.engines._slurm.batches import by_owner
from clsh.jobs.engines._slurm.files import Named, files
from clsh.jobs.engines._slurm.judge import Evidence, judge, seen_of
from clsh.jobs.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clsh.base.clock import Clock
    from clsh.jobs.engine import Launch
    from clsh.jobs.engines._slurm.host import Host
    from clsh.jobs.engines._slurm.parse import Ended, Seen
    from clsh.jobs.engines._slurm.shell import Kept

ANSWER_S = 15.0
"""How long an answer is waited for."""

_SPOOL = ".clsh/slurm"
_SQUEUE = 'date +%s\nexec squeue -h -a -t all -u "$1" -o "$2"\n'
_SCONTROL = 'for job; do scontrol -o show job "$job" 2>/dev/null; done; :\n'


class Survey:
    """Looks at attempts; `spool` is "" for the homes of their owners."""

    def __init__(self, host: Host, clock: Clock, spool: str) -> None:
        self._host = host
        self._clock = clock
        self._spool = spool

    async def spool(self, owner: str) -> str:
        """Return the directory for the attempts of a user; raises NodeError."""
        home = await self._host.home(owner)
        return f"{self._spool}/{owner}" if self._spool else f"{home}/{_SPOOL}"

    async def squeue(
        self, owners: Collection[str]
    ) -> tuple[dict[tuple[str, str], list[Seen]], float]:
        """Return the jobs of users by (owner, comment), and the time there; raises NodeError."""
        args = ",".join(sorted(owners)), parse.SQUEUE
        time, _, rest = (await self._host.run(_SQUEUE, ANSWER_S, *args)).partition("\n")
        return parse.squeue(rest), float(time)

    async def reports(self, launches: Sequence[Launch], *, is_all: bool) -> list[Report]:
        """Return a report for each, never raising NodeError: what cannot be asked is unknown.

        Unless `is_all`, the spool of what Slurm says to live is not looked at.
        """
        groups = by_owner(launches)
        if not groups:
            return []
        now, why = self._clock.unix(), ""
        seens: dict[tuple[str, str], list[Seen]] = {}
        ahead_s = 0.0
        try:
            seens, there = await self.squeue(groups)
            ahead_s = now - there
        except NodeError as error:
            why = error.reason
        kept: dict[str, Kept | None] = {}
        blind: dict[str, str] = {}
        await asyncio.gather(
            *(
                self._look(
                    owner, [one for one in some if is_all or _is_open(seens, one)], kept, blind
                )
                for owner, some in groups.items()
            )
        )
        found = [
            Evidence(
                one.id,
                one.request,
                now,
                ahead_s,
                seens.get((one.owner, one.id), ()),
                kept.get(one.id),
            )
            for one in launches
        ]
        ends = await self._ends(found)
        return [_report(one, ends, blind.get(one.id) or why) for one in found]

    async def _look(
        self,
        owner: str,
        launches: Sequence[Launch],
        kept: dict[str, Kept | None],
        blind: dict[str, str],
    ) -> None:
        """Add to `kept` what the spool has of each, or to `blind` why it cannot be read."""
        if not launches:
            return
        try:
            home, spool = await self._host.home(owner), await self.spool(owner)
            program = shell.look(
                spool, [(one.id, _error_file(one, home, spool)) for one in launches]
            )
            text = (await self._host.run_as(owner, program, ANSWER_S)).decode(errors="replace")
        except NodeError as error:
            blind.update(dict.fromkeys((one.id for one in launches), error.reason))
            return
        answers = shell.answers(text)
        for one in launches:
            if one.id in answers:
                kept[one.id] = shell.kept(answers[one.id])
            else:
                blind[one.id] = tr("its spool gave no answer")

    async def _ends(self, evidence: Sequence[Evidence]) -> Mapping[int, Ended]:
        """Ask for the ends that the spool does not tell."""
        jobs = [
            str(seen.job)
            for one in evidence
            if (seen := seen_of(one)) is not None
            and not seen.lives
            and not (one.kept is not None and one.kept.kind in {"refused", "cancelled"})
        ]
        if not jobs:
            return {}
        try:
            return parse.scontrol(await self._host.run(_SCONTROL, ANSWER_S, *jobs))
        except NodeError:
            return {}


def _report(evidence: Evidence, ends: Mapping[int, Ended], blind: str) -> Report:
    """Judge, unless what is not known (`blind` says why) could make a difference."""
    seen, kept = seen_of(evidence), evidence.kept
    is_told = (seen is not None and seen.lives) or (kept is not None and kept.kind != "")
    if blind and not is_told:
        return Report(evidence.id, "unknown", evidence.now, reason=blind)
    return judge(evidence, ends)


def _is_open(seens: Mapping[tuple[str, str], Sequence[Seen]], launch: Launch) -> bool:
    """Tell whether its spool may say how it ended; one with a time to begin was requeued."""
    some = seens.get((launch.owner, launch.id), ())
    return not any(
        seen.lives and seen.state != "COMPLETING" and seen.reason != "BeginTime" for seen in some
    )


def _error_file(launch: Launch, home: str, spool: str) -> Named:
    """Return where slurmstepd says why it ended a job."""
    try:
        return files(launch, home, spool).error
    except RequestError:  # it was refused, so nothing was said
        return Named((f"{spool}/{launch.id}/error",))
