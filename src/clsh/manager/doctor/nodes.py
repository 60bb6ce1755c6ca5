"""Look at each node as the manager would: over its transport, with its host keys.

What a node said is read by a pure function; nodes with the same finding are told together.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from clsh.manager.doctor import machine
from clsh.manager.doctor.finding import Finding
from clsh.nodes.nodeset import fold
from clsh.remote.fanout import FanOut, Plan
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clsh.nodes.model import Node
    from clsh.remote.fanout import Outcome
    from clsh.remote.transport import Exit, Session, Sink, Stream, Transport

# Printed in one go: what a login shell's start-up files say stays outside of the marks.
_SCRIPT = r"""
exec sh -c '
for file in stat meminfo loadavg net/dev diskstats; do
    [ -r /proc/$file ] || missing="$missing /proc/$file"
done
for tool in awk cat date sleep; do
    command -v $tool >/dev/null 2>&1 || missing="$missing $tool"
done
echo "<clsh $(uname -s) $(date +%s)$missing clsh>"
'
"""
_ANSWER = re.compile(rb"<clsh (\S+) (\d{1,12})((?: [\w/]+)*) clsh>")
_MOST = 64 * 1024
_TIMEOUT_S = 20.0
_SKEW_S = 5.0


class _Answers:
    """Keeps what the nodes say, and when; each one's beginning only."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.said: dict[str, _Said] = {}

    def opened(self, node: Node) -> Sink:
        self.said[node.name] = _Said()
        return self.said[node.name]

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


class _Said:
    def __init__(self) -> None:
        self.data = bytearray()
        self.at = 0.0

    def write(self, stream: Stream, data: bytes) -> None:
        self.at = time.time()
        if stream == "stdout" and len(self.data) < _MOST:
            self.data += data


async def look(transport: Transport, nodes: Sequence[Node], connect_s: float) -> list[Finding]:
    """Return what there is to say of the nodes, bad things first; never raises for a node."""

    async def work(session: Session, sink: Sink) -> Exit:
        return await session.run(Command(_SCRIPT), sink)

    answers = _Answers()
    plan = Plan(connect_timeout_s=connect_s, timeout_s=_TIMEOUT_S)
    await FanOut(transport, plan, answers).run(nodes, work)
    found: dict[tuple[str, str], list[str]] = {}
    skews: dict[str, float] = {}
    for outcome in answers.outcomes:
        name = outcome.node.name
        if trouble := unreachable(outcome):
            found.setdefault(trouble, []).append(name)
            continue
        said = answers.said[name]
        troubles, skew = read(bytes(said.data), said.at)
        for trouble in troubles:
            found.setdefault(trouble, []).append(name)
        if skew is not None:
            skews[name] = skew
    return list(told([node.name for node in nodes], found, skews))


def unreachable(outcome: Outcome) -> tuple[str, str] | None:
    """Return why the script did not run on a node and what to do, None when it ran."""
    if outcome.state == "done":
        return None
    reason = " ".join(outcome.reason.split()) or outcome.state
    if "host key not known" in reason:
        # The fingerprint is each node's own: without it they are told together.
        return (
            "host key not known",
            "clsh -h {nodes} true, as the user of the manager; it records the keys",
        )
    if "permission denied" in reason.lower():
        return reason, "ssh-copy-id {node}, or identity = in clsh.toml"
    if outcome.state == "timeout":
        return f"no answer within {_TIMEOUT_S:g} s", "ssh {node} true shows where it hangs"
    return reason, outcome.hint or "ssh {node} true shows more"


def read(said: bytes, at: float) -> tuple[list[tuple[str, str]], float | None]:
    """Return what is wrong by a node's answer, and how many seconds its clock is ahead."""
    answer = _ANSWER.search(said)
    if answer is None:
        return [("no POSIX shell: sh does not answer", "ssh {node} sh -c 'echo works'")], None
    system, seconds, missing = (part.decode() for part in answer.groups())
    troubles: list[tuple[str, str]] = []
    if missing:
        what = missing.strip().replace(" ", ", ")
        mend = "its source in clsh.toml may be another" if system != "Linux" else "ls -l /proc"
        troubles.append((f"{system} without {what}: not all metrics can be read", mend))
    # `date` tells whole seconds: the true time is half a second later on average.
    return troubles, int(seconds) + 0.5 - at


def told(
    names: Sequence[str], found: dict[tuple[str, str], list[str]], skews: dict[str, float]
) -> Iterator[Finding]:
    """Return findings: each trouble with all nodes that have it, then those that are well."""
    troubled = {name for some in found.values() for name in some}
    for (text, mend), some in found.items():
        nodes = fold(some)
        yield Finding(nodes, "bad", text, mend.format(nodes=nodes, node=some[0]))
    if own := machine.clock(skews):
        yield own
    else:
        for name, skew in skews.items():
            if abs(skew) > _SKEW_S:
                troubled.add(name)
                side = "ahead" if skew > 0 else "behind"
                mend = f"ssh {name} timedatectl set-ntp true, or start chronyd there"
                yield Finding(name, "bad", f"its clock is {abs(skew):.0f} s {side}", mend)
    well = [name for name in names if name not in troubled]
    if well:
        yield Finding(fold(well), "ok", "answers, and all that is read is there")
