"""A notice in words, in the manager's language: one line that says all, and the facts. Pure.

Names and reasons come from users and nodes: no control character of theirs gets through.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.jobs.notices.notice import Facts, Message

_LONGEST_NAME = 60
_MOST_NODES = 20


def line(facts: Facts) -> str:
    """Return what happened: `job 12 (train) failed: exit status 3`."""
    job = tr("job {job} ({name})", job=facts.job, name=plain(facts.name)[:_LONGEST_NAME])
    if facts.task is not None:
        job = tr("task {task} of {job}", task=facts.task, job=job)
    if facts.event == "begin":
        nodes = _nodes(facts)
        return (
            tr("{job} runs on {nodes}", job=job, nodes=nodes)
            if nodes
            else tr("{job} runs", job=job)
        )
    said = {
        "done": tr("{job} is done", job=job),
        "failed": tr("{job} failed", job=job),
        "cancelled": tr("{job} was cancelled", job=job),
        "lost": tr("{job} was lost", job=job),
    }.get(facts.state, f"{job}: {facts.state}")
    reason = plain(facts.reason)
    return f"{said}: {reason}" if reason else said


def details(facts: Facts) -> Sequence[tuple[str, str]]:
    """Return labels and texts of what a reader may want to know besides; no times."""
    found = [(tr("job"), str(facts.job)), (tr("owner"), facts.owner)]
    if facts.task is not None:
        found.append((tr("task"), str(facts.task)))
    found.append((tr("state"), tr(facts.state)))
    if facts.signal:
        found.append((tr("signal"), plain(facts.signal)))
    elif facts.status is not None:
        found.append((tr("exit"), str(facts.status)))
    if facts.nodes:
        found.append((tr("nodes"), _nodes(facts)))
    found += [(tr(state), str(count)) for state, count in facts.counts.items()]
    return found


def as_json(message: Message) -> str:
    """Return all of it as one JSON object; chat programs show its `text`."""
    told = {"id": message.id, **asdict(message.facts), "text": line(message.facts)}
    return json.dumps(told, ensure_ascii=False)


def environment(message: Message) -> dict[str, str]:
    """Return it as variables for a command."""
    facts = message.facts
    return {
        "CLSH_NOTICE_ID": message.id,
        "CLSH_JOB_EVENT": facts.event,
        "CLSH_JOB_ID": str(facts.job),
        "CLSH_JOB_TASK": "" if facts.task is None else str(facts.task),
        "CLSH_JOB_NAME": plain(facts.name),
        "CLSH_JOB_OWNER": facts.owner,
        "CLSH_JOB_STATE": facts.state,
        "CLSH_JOB_STATUS": "" if facts.status is None else str(facts.status),
        "CLSH_JOB_SIGNAL": plain(facts.signal),
        "CLSH_JOB_REASON": plain(facts.reason),
        "CLSH_JOB_NODES": ",".join(facts.nodes),
        "CLSH_JOB_TEXT": line(facts),
    }


def plain(text: str) -> str:
    """Return text on one line, free of control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _nodes(facts: Facts) -> str:
    names = ", ".join(map(plain, facts.nodes[:_MOST_NODES]))
    more = len(facts.nodes) - _MOST_NODES
    return f"{names} (+{more})" if more > 0 else names
