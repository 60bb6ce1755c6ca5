"""The life of a job as a bar: how long it waited, how long it ran, how its tasks ended. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.jobs.model import Job, TaskState

WIDTH = 1000
_LEAST = 4  # of a part that would not be seen
_COLOURS: tuple[tuple[TaskState, str], ...] = (
    ("done", "done"),
    ("failed", "failed"),
    ("lost", "failed"),
    ("cancelled", "cancelled"),
    ("unknown", "unknown"),
    ("running", "running"),
    ("starting", "running"),
    ("pending", "waited"),
)


def life(job: Job, now: float) -> Markup:
    """Return the bar of a job: waited, then ran in the colour of its state."""
    over = job.ended or now
    begun = job.started or over
    look = {"done": "done", "failed": "failed", "cancelled": "cancelled"}.get(job.state, "running")
    parts = [("waited", begun - job.submitted), (look, over - begun if job.started else 0.0)]
    return bar([(name, max(0.0, length)) for name, length in parts])


def counts(job: Job) -> Markup:
    """Return the bar of an array: how many of its tasks are in which state."""
    return bar([(look, float(job.counts.get(state, 0))) for state, look in _COLOURS])


def bar(parts: Sequence[tuple[str, float]]) -> Markup:
    """Return parts side by side, each as wide as its share, none too narrow to be seen."""
    seen = [(look, size) for look, size in parts if size > 0]
    whole = sum(size for _, size in seen) or 1.0
    room = WIDTH - _LEAST * len(seen)
    drawn: list[Markup] = []
    at = 0.0
    for look, size in seen:
        width = _LEAST + room * size / whole
        drawn.append(
            Markup('<rect class="{}" x="{:.1f}" width="{:.1f}" height="10"/>').format(
                look, at, width
            )
        )
        at += width
    return Markup(
        '<svg class="life" viewBox="0 0 {} 10" preserveAspectRatio="none" aria-hidden="true">'
        "{}</svg>"
    ).format(WIDTH, Markup().join(drawn))
