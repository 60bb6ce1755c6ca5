"""Whatever happens to a task in whatever order, no attempt is started when another may live."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, get_args

from hypothesis import given
from hypothesis import strategies as st

from clsh.jobs import states
from clsh.jobs.engine import Phase, Report
from clsh.jobs.model import ENDED, PLACED, Place, Request, Task, TaskState
from clsh.jobs.queue import codec

if TYPE_CHECKING:
    from clsh.jobs.states import Event

PHASES: tuple[Phase, ...] = get_args(Phase)
STATES: tuple[TaskState, ...] = get_args(TaskState)


def told(attempt: int, phase: Phase, status: int | None, again: int) -> states.Told:
    report = Report("", phase, 7.0, status, "" if status is not None else "KILL")
    return states.Told(attempt, report, again)


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(states.Placed((Place("n1"),), "why")),
    st.builds(
        told,
        st.integers(0, 4),
        st.sampled_from(PHASES),
        st.sampled_from([0, 3, None]),
        st.integers(0, 2),
    ),
    st.just(states.Cancelled(5.0, "asked")),
    st.just(states.Requeued()),
)


@given(st.lists(EVENTS, max_size=40))
def test_any_history(events: list[Event]) -> None:
    task = Task(1, 0)
    started: Counter[int] = Counter()
    for event in events:
        before = task
        task, orders = states.decide(task, event)
        assert task.attempt in {before.attempt, before.attempt + 1}
        if before.state in ENDED and task != before:
            assert isinstance(event, states.Requeued)
            assert task.state == "pending"
        if task.attempt > before.attempt:
            assert before.state == "pending"
        if isinstance(event, states.Told) and event.report.phase == "unknown":
            assert task.attempt == before.attempt
            assert task.state not in {"pending", "starting"} or task == before
        for order in orders:
            assert task.state in PLACED
            if order == "start":
                # again only when the node has just said that it never had it, nor said before
                absent = isinstance(event, states.Told) and event.report.phase == "absent"
                assert absent or not started[task.attempt]
                assert not before.started or before.attempt < task.attempt
                assert not task.cancelled
                started[task.attempt] += 1
        if task.state == "pending" and before.state in PLACED:
            assert isinstance(event, states.Told)
            assert event.report.phase in {"lost", "ended", "absent"}


@given(st.sampled_from(STATES), EVENTS)
def test_an_older_attempt_and_what_has_ended_move_nothing(state: TaskState, event: Event) -> None:
    task = Task(1, 0, state, 9)
    if isinstance(event, states.Told) or (
        state in ENDED and not isinstance(event, states.Requeued)
    ):
        assert states.decide(task, event) == (task, ())


@given(st.dictionaries(st.sampled_from(STATES), st.integers(0, 3)), st.booleans(), st.booleans())
def test_a_job_has_ended_when_all_its_tasks_have(
    counts: dict[TaskState, int], held: bool, waiting: bool
) -> None:
    state = states.fold(counts, held=held, waiting=waiting)
    there = {one for one, count in counts.items() if count}
    assert (state in ENDED) == (there <= ENDED)
    assert (state == "running") == bool(there & {"running", "unknown"})


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=60))
def test_indexes_are_the_same_again(indexes: list[int]) -> None:
    text = codec.ranges(indexes)
    assert list(codec.numbers(text) if text else ()) == indexes


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    st.builds(
        Request,
        argv=st.lists(TEXT, min_size=1, max_size=5).map(tuple),
        name=TEXT,
        environment=st.dictionaries(TEXT, TEXT, max_size=3),
        priority=st.integers(-9, 9),
        array=st.lists(st.integers(0, 99), unique=True, max_size=9).map(tuple),
        after=st.lists(
            st.tuples(st.integers(1, 9), st.sampled_from(["ok", "notok", "any"])), max_size=3
        ).map(tuple),
        nodes=st.lists(TEXT, max_size=3).map(tuple),
        held=st.booleans(),
    )
)
def test_a_request_is_the_same_again(request: Request) -> None:
    assert codec.decode(codec.encode(request)) == request


@given(
    st.lists(st.builds(Place, st.from_regex(r"n[0-9]{1,3}", fullmatch=True), st.integers(1, 99)))
)
def test_places_are_the_same_again(places: list[Place]) -> None:
    assert codec.decode_places(codec.encode_places(places)) == tuple(places)
