"""The submit host: one login, by which programs for sh are run as the owners of jobs.

The login must be root's, or the owner's own: nobody else may submit for somebody.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.errors import DeadlineError, NodeError
from clsh.base.messages import tr
from clsh.jobs.engines._slurm import parse
from clsh.remote.quoting import in_sh
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from clsh.nodes.model import Node
    from clsh.remote.transport import Stream, Transport

OPEN_S = 10.0
MOST = 64 << 20

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._@-]{0,63}", re.ASCII)
_AWAY = re.compile(r"[Uu]nable to contact slurm controller|slurm_load_jobs error: .*ontact")
# Nothing of the login's own environment reaches a job but where programs are.
_CLEAN = (
    "u=$1 h=$2 p=$3${3:+:}$PATH; shift 3; "
    'set -- env -i HOME="$h" USER="$u" LOGNAME="$u" SHELL=/bin/sh PATH="$p" '
    '${LANG:+"LANG=$LANG"} ${SLURM_CONF:+"SLURM_CONF=$SLURM_CONF"} /bin/sh "$@"; '
)
_OTHER = _CLEAN + 'exec runuser -u "$u" -- "$@"'
_SELF = _CLEAN + 'exec "$@"'
_FACTS = """\
command -v sbatch >/dev/null || { echo "there is no sbatch on the PATH" >&2; exit 1; }
for mpi in $(srun --mpi=list 2>&1 | tr -d '\\t'); do echo "mpi $mpi"; done
sinfo -h -a -o "$1"
"""
# getent finds who is in no file, too.
_WHO = 'IFS=: read -r name _ uid _ _ home _ <<E\n$(getent passwd -- "$1")\nE\necho "$uid:$home"'


class OwnerError(NodeError):
    """Jobs cannot be run as this user."""

    state = "refuses"


@dataclass(frozen=True, slots=True)
class Facts:
    """What Slurm has; `mpi` are the names that `srun --mpi` takes."""

    partitions: tuple[str, ...]
    nodes: tuple[str, ...]
    mpi: frozenset[str]


class Host:
    """Runs programs on the submit host; `path` is where Slurm's commands are, "" the usual.

    All raise NodeError: UnreachableError, NodeLostError, DeadlineError, or with what the
    program said when its status is not 0.
    """

    def __init__(self, node: Node, transport: Transport, path: str) -> None:
        self.node = node
        self._transport = transport
        self._path = path
        self._facts: Facts | None = None
        self._name = ""
        self._homes: dict[str, str] = {}
        self._asking = asyncio.Lock()

    async def facts(self, *, again: bool = False) -> Facts:
        """Return what was learned of Slurm, asked once unless `again`."""
        async with self._asking:
            if self._facts is None or again:
                self._facts = await self._learn()
            return self._facts

    async def login(self) -> str:
        """Return who logs in; Slurm itself is not asked, so that output is read without it."""
        async with self._asking:
            if not self._name:
                self._name = (await self.run("id -un", 10)).strip()
            return self._name

    async def home(self, owner: str) -> str:
        """Return the home of a user; raises OwnerError for one whose jobs cannot be run."""
        login = await self.login()
        if login not in {"root", owner}:
            raise OwnerError(
                self.node.name,
                tr("{login} cannot submit the jobs of {owner}", login=login, owner=owner),
                hint=tr("let the engine log in as root, or each user have their own"),
            )
        if owner not in self._homes:
            if not _NAME.fullmatch(owner):
                raise OwnerError(self.node.name, tr("{owner} is no user", owner=repr(owner)))
            uid, _, home = (await self._run(in_sh(_WHO, owner), "", 10)).strip().partition(":")
            if not uid.isdigit() or not home.startswith("/"):
                raise OwnerError(self.node.name, tr("there is no user {owner} on it", owner=owner))
            self._homes[owner] = home
        return self._homes[owner]

    async def run_as(self, owner: str, program: str, deadline_s: float) -> bytes:
        """Run a program as a user and return its output."""
        return await self._bytes(await self._line(owner), _fed(program), deadline_s)

    async def feed(
        self,
        owner: str,
        script: str,
        args: Sequence[str],
        data: AsyncIterator[bytes] | None,
        deadline_s: float,
    ) -> str:
        """Run a script of sh as a user, with something else as its standard input."""
        line = await self._line(owner, "-c", script, "sh", *args)
        return (await self._bytes(line, data, deadline_s)).decode(errors="replace")

    async def _line(self, owner: str, *args: str) -> str:
        """Return the line by which the login becomes a shell of a user."""
        home = await self.home(owner)
        login = await self.login()
        return in_sh(_SELF if login == owner else _OTHER, owner, home, self._path, *args)

    async def run(self, program: str, deadline_s: float, *args: str) -> str:
        """Run a program as who logs in."""
        before = f"PATH={self._path}:$PATH\n" if self._path else ""
        return await self._run(in_sh('exec /bin/sh -s "$@"', *args), before + program, deadline_s)

    async def _learn(self) -> Facts:
        mpi, rest = set[str](), list[str]()
        for line in (await self.run(_FACTS, 30, parse.SINFO)).splitlines():
            kind, _, value = line.partition(" ")
            if kind == "mpi":
                mpi.add(value)
            else:
                rest.append(line)
        partitions, nodes = parse.sinfo("\n".join(rest))
        return Facts(tuple(partitions), tuple(nodes), frozenset(mpi))

    async def _run(self, line: str, program: str, deadline_s: float) -> str:
        return (await self._bytes(line, _fed(program), deadline_s)).decode(errors="replace")

    async def _bytes(
        self, line: str, data: AsyncIterator[bytes] | None, deadline_s: float
    ) -> bytes:
        said = _Said()
        try:
            async with asyncio.timeout(deadline_s):
                session = await self._transport.open(self.node, OPEN_S)
                try:
                    exit_ = await session.run(Command(line), said, data)
                finally:
                    await session.aclose()
        except TimeoutError:
            raise DeadlineError(
                self.node.name,
                tr("it gave no answer for {seconds} s", seconds=f"{deadline_s:g}"),
            ) from None
        if exit_.code != 0:
            words = " ".join(bytes(said.stderr).decode(errors="replace").split())
            if _AWAY.search(words):
                words = tr("Slurm's controller does not answer: {words}", words=words)
            raise NodeError(self.node.name, words[:2000] or f"status {exit_.code}")
        return bytes(said.stdout)


class _Said:
    """The sink of what a program says."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()

    def write(self, stream: Stream, data: bytes) -> None:
        kept = self.stdout if stream == "stdout" else self.stderr
        kept += data[: MOST - len(kept)]


async def _fed(program: str) -> AsyncIterator[bytes]:
    yield program.encode(errors="surrogateescape")
