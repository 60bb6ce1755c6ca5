"""What a transition is told as."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.jobs.book import Book
from clsh.jobs.engine import Report
from clsh.jobs.model import Request, Slots
from clsh.jobs.notices.notice import decode
from clsh.jobs.placement import Moment
from clsh.jobs.queue.codec import encode
from clsh.jobs.queue.rows import JobRow, Loaded, Whole
from clsh.jobs.states import Cancelled, Told

if TYPE_CHECKING:
    from clsh.jobs.current import Current
    from clsh.jobs.engine import Phase

NOW = 1000.0


@pytest.fixture
def book() -> Book:
    made = Book()
    made.rooms.see([Slots("n1", 2), Slots("n2", 2)], {})
    return made


def add(book: Book, *notify: str, **more: object) -> Current:
    request = Request(("/bin/prog",), notify=notify, **more)  # type: ignore[arg-type]  # fields of Request
    size = len(request.array) or 1
    row = JobRow(7, "pending", 0.0, 0.0, request.held, 0, "pending", {"pending": size}, "")
    job = book.add(
        Loaded(Whole(row, "alice", 900.0, size, encode(request)), (), frozenset()), {}, NOW
    )
    book.place(Moment({}, 0.0), NOW, 9)
    return job


def tell(
    book: Book, job: Current, phase: Phase, index: int = 0, at: float = NOW, **more: object
) -> None:
    report = Report("", phase, at, **more)  # type: ignore[arg-type]  # fields of Report
    task = job.live[index]
    book.happen(job, task, Told(task.attempt, report), at)


def said(book: Book) -> list[tuple[str, str, str]]:
    return [(one.id, one.who, one.facts.state) for one in book.take().batch.notices]


def test_nobody_who_wants_nothing_is_told(book: Book) -> None:
    job = add(book)
    tell(book, job, "running")
    tell(book, job, "ended", status=0)
    assert said(book) == []


def test_a_job_begins_and_ends(book: Book) -> None:
    job = add(book, "all:ops", "end:a@x.org", "fail:bad", name="train")
    assert said(book) == [], "it was placed, and does not run yet"
    tell(book, job, "running", at=1001.0)
    tell(book, job, "unknown", reason="away")
    tell(book, job, "running", at=1002.0)
    (begun,) = book.take().batch.notices
    assert (begun.id, begun.who) == ("7-begin-1", "ops")
    assert begun.facts.encode() == decode(begun.facts.encode()).encode()
    assert (begun.facts.at, begun.facts.nodes, begun.facts.name) == (1001.0, ("n1",), "train")
    tell(book, job, "ended", at=1003.0, status=0)
    assert said(book) == [("7-end-1003000", "ops", "done"), ("7-end-1003000", "a@x.org", "done")]


def test_a_failure_says_how(book: Book) -> None:
    job = add(book, "fail:ops")
    tell(book, job, "running")
    tell(book, job, "ended", status=3)
    (one,) = book.take().batch.notices
    facts = one.facts
    assert (facts.state, facts.status, facts.reason) == ("failed", 3, "exit status 3")
    assert (facts.owner, facts.name, facts.task, facts.counts) == ("alice", "prog", None, {})
    assert decode(one.facts.encode()) == facts
    assert decode('{"colour":1,' + one.facts.encode()[1:]) == facts


def test_what_ends_before_it_was_told_to_run_began_too(book: Book) -> None:
    job = add(book, "all:ops")
    tell(book, job, "ended", status=0)
    assert said(book) == [("7-begin-1", "ops", "running"), ("7-end-1000000", "ops", "done")]


def test_what_is_refused_never_began(book: Book) -> None:
    job = add(book, "all:ops", "tasks+all:each")
    tell(book, job, "refused", reason="no directory")
    assert said(book) == [("7.0-end-1", "each", "failed"), ("7-end-1000000", "ops", "failed")]


def test_an_array_is_told_of_as_a_whole(book: Book) -> None:
    job = add(book, "all:ops", kind="batch", array=(3, 5, 8))
    tell(book, job, "running", 3)
    tell(book, job, "running", 5)
    tell(book, job, "ended", 3, status=0)
    tell(book, job, "ended", 5, status=1)
    tell(book, job, "running", 8)  # by the same id: it is stored once
    tell(book, job, "lost", 8, at=1009.0)
    notices = book.take().batch.notices
    assert [one.id for one in notices] == ["7-begin-1", "7-begin-1", "7-end-1009000"]
    assert notices[-1].facts.reason == "2 of 3 tasks failed"
    assert notices[-1].facts.counts == {"done": 1, "failed": 1, "lost": 1}


def test_each_task_is_told_of_where_that_is_wanted(book: Book) -> None:
    job = add(book, "tasks+begin+fail:ops", kind="batch", array=(3, 5))
    tell(book, job, "running", 3)
    tell(book, job, "running", 5)
    tell(book, job, "ended", 3, status=0)
    tell(book, job, "ended", 5, status=1)
    notices = book.take().batch.notices
    assert [one.id for one in notices] == ["7.3-begin-1", "7.5-begin-1", "7.5-end-1"]
    assert (notices[-1].facts.task, notices[-1].facts.status) == (5, 1)


def test_what_never_had_a_place_is_no_task_to_tell_of(book: Book) -> None:
    job = add(book, "tasks:each", "ops", kind="batch", array=tuple(range(9)))
    book.cancel_waiting(job, 8, NOW, "cancelled by alice")
    assert said(book) == []
    book.cancel(job, NOW, "cancelled by alice")
    for index in range(4):
        tell(book, job, "ended", index, signal="TERM")
    found = said(book)
    assert [one for one, _, _ in found] == [*(f"7.{n}-end-1" for n in range(4)), "7-end-1000000"]
    assert {state for _, _, state in found} == {"cancelled"}


def test_another_attempt_begins_anew(book: Book) -> None:
    job = add(book, "begin:ops", restart="start", again=1)
    tell(book, job, "running")
    report = Report("", "lost", NOW)
    book.happen(job, job.live[0], Told(1, report, 1), NOW)
    book.place(Moment({}, 0.0), NOW, 9)
    tell(book, job, "running")
    assert said(book) == [("7-begin-1", "ops", "running"), ("7-begin-2", "ops", "running")]


def test_where_nodes_are_chosen_by_others_it_begins_with_them() -> None:
    book = Book(chooses=True)
    job = add(book, "begin:ops")
    tell(book, job, "running", reason="waits in Slurm as job 12")
    assert said(book) == []
    tell(book, job, "running", nodes=("c1",))
    assert said(book) == [("7-begin-1", "ops", "running")]
    tell(book, job, "running", nodes=("c1",), reason="still")
    assert said(book) == []


def test_a_job_that_is_cancelled_and_run_again_ends_twice(book: Book) -> None:
    job = add(book, "ops", held=True)
    book.cancel(job, NOW, "cancelled by alice")
    first = said(book)
    book.jobs[job.id] = job
    book.requeue_rest(job, NOW + 1)
    book.cancel(job, NOW + 2, "cancelled by alice")
    assert [*first, *said(book)] == [
        ("7-end-1000000", "ops", "cancelled"),
        ("7-end-1002000", "ops", "cancelled"),
    ]


def test_what_could_not_be_stored_is_told_later(book: Book) -> None:
    job = add(book, "all:ops")
    tell(book, job, "running")
    taken = book.take()
    book.happen(job, job.live[0], Cancelled(NOW, "no"), NOW)
    tell(book, job, "ended", signal="TERM")
    book.put_back(taken)
    assert [one for one, _, _ in said(book)] == ["7-begin-1", "7-end-1000000"]
