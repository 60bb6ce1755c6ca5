"""What a run came to, in words and as an exit status. Pure.

Where several things went wrong, the exit status is that of the one about which least is
known: a lost connection before an unreachable node, before a timeout, before a failure on
this side, before a command that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.nodes.nodeset import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.remote.fanout import Outcome

SOME_FAILED = 3
_ORDER = ("lost", "unreachable", "timeout", "failed", "stopped")


def is_well(outcome: Outcome) -> bool:
    """Tell whether a command ran to its end and returned 0."""
    return outcome.state == "done" and outcome.code == 0


def exit_code(outcomes: Sequence[Outcome], *, largest: bool = False) -> int:
    """Return the exit status of a run that was not stopped by a signal.

    With `largest` it is the largest remote status when commands failed, instead of 3.
    """
    for state in _ORDER:
        if found := [outcome.code for outcome in outcomes if outcome.state == state]:
            return max(found)
    codes = [outcome.code for outcome in outcomes if outcome.code]
    if not codes:
        return 0
    return max(codes) if largest else SOME_FAILED


def error_line(outcome: Outcome, lines: int = 0) -> str | None:
    """Return what is said the moment a node fails for another reason than its command."""
    node = outcome.node.name
    reason = " ".join(outcome.reason.split())
    match outcome.state:
        case "lost":
            told = tr(
                "ERROR: {node} connection lost {so_far}", node=node, so_far=_so_far(outcome, lines)
            )
            return f"{told}: {reason}" if reason else told
        case "unreachable":
            return tr("ERROR: {node} unreachable: {reason}", node=node, reason=reason)
        case "timeout":
            return tr("ERROR: {node} timed out {so_far}", node=node, so_far=_so_far(outcome, lines))
        case "failed":
            return tr("ERROR: {node} failed: {reason}", node=node, reason=reason)
        case _:
            return None


def _so_far(outcome: Outcome, lines: int) -> str:
    seconds = f"{outcome.seconds:.1f}"
    if lines == 1:
        return tr("(after {seconds} s, 1 line kept)", seconds=seconds)
    return tr("(after {seconds} s, {lines} lines kept)", seconds=seconds, lines=lines)


def summary(outcomes: Sequence[Outcome]) -> str | None:
    """Return the final line, which names the nodes that failed; None when there is none."""
    kinds: dict[str, list[str]] = {}
    for outcome in outcomes:
        if not is_well(outcome):
            kinds.setdefault(_kind(outcome), []).append(outcome.node.name)
    if not kinds:
        return None
    return tr(
        "clsh: {failed} of {all} failed: {nodes}",
        failed=sum(map(len, kinds.values())),
        all=len(outcomes),
        nodes=", ".join(f"{fold(names)} ({kind})" for kind, names in sorted(kinds.items())),
    )


def _kind(outcome: Outcome) -> str:
    match outcome.state:
        case "lost":
            return tr("connection lost")
        case "unreachable":
            return tr("unreachable")
        case "timeout":
            return tr("timed out")
        case "failed":
            return tr("not complete")
        case "stopped":
            return tr("stopped") if outcome.seconds else tr("not run")
        case _ if outcome.exit is not None and outcome.exit.signal:
            return tr("signal {name}", name=outcome.exit.signal)
        case _:
            return tr("exit {status}", status=outcome.code)
