"""Run tasks by Slurm, over one login to a host where sbatch is.

Each task is a batch job of its own with the attempt's id as `--comment`, submitted as its
owner. Slurm chooses the nodes: there are no slots here, and launches have no places. The
spool must be on a file system that the submit host and all nodes share; it is below the
owner's home unless `spool` is said, then each owner has a directory there.

Nothing is ever run twice: a submit holds a lock in the spool and leaves Slurm's id there; one
that was cut off is found again by its comment, and the script claims the attempt before it
runs anything. A refusal is kept as well, so it is told alike ever after.

Settings: `host` (a node of the inventory, or `local://`), `partition`, `account`, `qos`,
`mpi` (for `srun --mpi`; pmix or pmi2 if Slurm has them), `path` (where its commands are).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.errors import ConfigError, NodeError, UsageError
from clsh.base.messages import tr
from clsh.jobs.engine import Report
from clsh.jobs.engines._slurm import options, parse, shell
from clsh.jobs.engines._slurm.batches import Batches, by_owner
from clsh.jobs.engines._slurm.files import files, folder
from clsh.jobs.engines._slurm.host import Host, OwnerError
from clsh.jobs.engines._slurm.script import script
from clsh.jobs.engines._slurm.survey import ANSWER_S, Survey
from clsh.jobs.errors import RequestError
from clsh.nodes import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clsh.base.errors import ClshError
    from clsh.jobs.engine import Engine, EngineContext, Launch, Stream
    from clsh.jobs.engines._slurm.host import Facts
    from clsh.jobs.engines._slurm.parse import Seen
    from clsh.jobs.model import Request, Slots
    from clsh.nodes.model import Node

POLL_S = 1.0

_LONGEST_PAUSE_S = 15.0
_SUBMIT_S = 90.0
_CANCEL_S = 30.0
_ASK_S = 10.0
_FORGET_S = 60.0
_LEARN_S = 300.0
_OVER = frozenset({"ended", "lost", "refused"})


def build(context: EngineContext) -> Engine:
    """Return the engine; raises ConfigError when there is no way to a submit host."""
    return Slurm(context)


class Slurm:
    """The engine; see Engine."""

    chooses = True

    def __init__(self, context: EngineContext) -> None:
        if context.transport is None:
            raise ConfigError("the engine 'slurm' needs a way to its submit host")
        path = str(context.settings.get("path", ""))
        self._clock = context.clock
        self._settings = context.settings
        self._host = Host(_submit_host(context), context.transport, path)
        self._survey = Survey(self._host, context.clock, context.spool)
        self._batches = Batches(self._submit)
        self._watched: dict[str, tuple[Launch, Report]] = {}
        self._news = asyncio.Event()
        self._learned = float("-inf")

    async def run(self, tell: Callable[[Report], None]) -> None:
        """Ask Slurm every second while anything is open; see Engine.

        A change of nodes, or of why a job waits, is told as `running`.
        """
        pause_s = POLL_S
        while True:
            if not self._watched:
                self._news.clear()
                await self._news.wait()
            await asyncio.sleep(pause_s)
            launches = [launch for launch, _ in self._watched.values()]
            reports = await self._survey.reports(launches, is_all=False)
            for launch, report in zip(launches, reports, strict=True):
                self._note(launch, report, tell)
            is_away = any(report.phase == "unknown" for report in reports)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S) if is_away else POLL_S

    def slots(self) -> Sequence[Slots]:
        """Return none: Slurm chooses the nodes."""
        return ()

    def complaints(self, request: Request) -> Sequence[str]:
        """See Engine."""
        return options.complaints(request)

    async def start(self, launch: Launch) -> Report:
        """Submit, together with all that wait to be submitted; see Engine."""
        report = await self._batches.start(launch)
        if report.phase == "running":
            self._watch(launch, report)
        return report

    async def ask(self, launches: Sequence[Launch]) -> Sequence[Report]:
        """See Engine."""
        try:
            async with asyncio.timeout(_ASK_S):
                reports = await self._survey.reports(launches, is_all=True)
        except TimeoutError:
            node = self._host.node.name
            why = tr("{node} gave no answer for {seconds} s", node=node, seconds=f"{_ASK_S:g}")
            now = self._clock.unix()
            reports = [Report(one.id, "unknown", now, reason=why) for one in launches]
        for launch, report in zip(launches, reports, strict=True):
            if report.phase in {"running", "unknown"}:
                self._watch(launch, report)
        return reports

    async def cancel(self, launch: Launch) -> None:
        """See Engine."""
        spool = await self._survey.spool(launch.owner)
        text = await self._host.run_as(launch.owner, shell.drop(spool, launch.id), _CANCEL_S)
        kind, words = shell.first_two(shell.answers(text.decode()).get(launch.id))
        if kind != "gone":
            raise self._error(words)
        self._watch(launch, Report(launch.id, "running", self._clock.unix()))

    async def read(self, launch: Launch, stream: Stream, offset: int, limit: int) -> bytes:
        """Return a part of an output file, b"" when there is none yet; see Engine."""
        home = await self._host.home(launch.owner)
        spool = await self._survey.spool(launch.owner)
        file = files(launch, home, spool).of(stream)
        program = shell.show(spool, launch.id, file, offset, limit)
        return await self._host.run_as(launch.owner, program, ANSWER_S)

    async def forget(self, launches: Sequence[Launch]) -> None:
        """Delete their directories in the spools of their owners; see Engine."""
        reports = await self._survey.reports(launches, is_all=True)
        unknown = [one for one in reports if one.phase == "unknown"]
        over = {one.id for one in reports if one.phase in _OVER}
        for owner, some in by_owner([one for one in launches if one.id in over]).items():
            spool = await self._survey.spool(owner)
            program = shell.forget(spool, [one.id for one in some])
            await self._host.run_as(owner, program, _FORGET_S)
        if unknown:
            raise self._error(unknown[0].reason)

    def _watch(self, launch: Launch, report: Report) -> None:
        self._watched.setdefault(launch.id, (launch, report))
        self._news.set()

    def _note(self, launch: Launch, report: Report, tell: Callable[[Report], None]) -> None:
        """Tell what is new; what has ended is not asked for again."""
        _, before = self._watched[launch.id]
        if report.phase in _OVER:
            del self._watched[launch.id]
            tell(report)
        elif report.phase == "absent":
            del self._watched[launch.id]  # it was unknown, and turned out never to have begun
        elif report.phase == "running" and (report.nodes, report.reason) != (
            before.nodes,
            before.reason,
        ):
            self._watched[launch.id] = launch, report
            tell(report)

    async def _submit(
        self, owner: str, launches: Sequence[Launch]
    ) -> Mapping[str, Report | Exception]:
        """Submit the jobs of one owner; returns a report or a NodeError for each."""
        try:
            home, spool = await self._host.home(owner), await self._survey.spool(owner)
        except OwnerError as error:
            return {one.id: self._refusal(one, error) for one in launches}
        facts = await self._facts()
        living: Mapping[tuple[str, str], list[Seen]] = {}
        if any(one.request.after for one in launches):
            living, _ = await self._survey.squeue({owner})
        outcomes: dict[str, Report | Exception] = {}
        jobs: list[tuple[str, str, list[str]]] = []
        for launch in launches:
            after = parse.living_jobs(living, launch.id)
            try:
                found = files(launch, home, spool)
                text = script(launch, found, folder(spool, launch), self._mpi(facts))
                words = options.options(launch, found, facts.nodes, after, self._settings)
            except RequestError as error:
                outcomes[launch.id] = self._refusal(launch, error)
            else:
                jobs.append((launch.id, text, words))
        answers = await self._host.run_as(owner, shell.submit(spool, jobs), _SUBMIT_S)
        sent = self._sent(shell.answers(answers.decode(errors="replace")), jobs)
        known = [one for one in launches if sent.get(one.id, one) is None]
        outcomes.update({id_: outcome for id_, outcome in sent.items() if outcome is not None})
        for report in await self._survey.reports(known, is_all=True):
            is_sure = report.phase in {*_OVER, "running"}
            outcomes[report.id] = report if is_sure else self._error(report.reason)
        return outcomes

    def _sent(
        self, answers: Mapping[str, Sequence[str]], jobs: Sequence[tuple[str, str, list[str]]]
    ) -> dict[str, Report | Exception | None]:
        """Return the outcome of each submission, None for what was submitted before or refused."""
        found: dict[str, Report | Exception | None] = {}
        for id_, _, _ in jobs:
            kind, words = shell.first_two(answers.get(id_))
            if kind == "sent":
                why = tr("waits in Slurm as job {job}", job=words)
                found[id_] = Report(id_, "running", self._clock.unix(), reason=why)
            else:
                found[id_] = None if kind == "known" else self._error(words)
        return found

    def _error(self, words: str) -> NodeError:
        return NodeError(self._host.node.name, words or tr("Slurm did not say what it did"))

    def _refusal(self, launch: Launch, error: ClshError) -> Report:
        words = f"{error}: {error.hint}" if error.hint else str(error)
        return Report(launch.id, "refused", self._clock.unix(), reason=words)

    def _mpi(self, facts: Facts) -> str:
        """Return what parallel jobs are started with."""
        said = str(self._settings.get("mpi", ""))
        return said or next((name for name in ("pmix", "pmi2") if name in facts.mpi), "")

    async def _facts(self) -> Facts:
        """Return what Slurm has, asked again after some minutes."""
        now = self._clock.steady()
        is_old = now - self._learned > _LEARN_S
        facts = await self._host.facts(again=is_old)
        self._learned = now if is_old else self._learned
        return facts


def _submit_host(context: EngineContext) -> Node:
    """Return the node that the setting `host` names; raises ConfigError."""
    name = context.settings.get("host")
    if not isinstance(name, str) or not name:
        raise ConfigError(
            "the engine 'slurm' needs a submit host", hint='host = "NODE", or "local://"'
        )
    for node in context.nodes:
        if node.name == name:
            return node
    try:
        (node,) = entry.parse(name)
    except (UsageError, ValueError) as error:
        raise ConfigError(f"bad submit host of the engine 'slurm': {error}") from error
    return node
