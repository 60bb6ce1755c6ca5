"""The order of the queue, and what is kept back for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.jobs import book as books
from clsh.jobs.book import Book
from clsh.jobs.engine import Report
from clsh.jobs.model import Request, Slots
from clsh.jobs.placement import Moment
from clsh.jobs.queue.codec import encode
from clsh.jobs.queue.rows import JobRow, Loaded, Whole
from clsh.jobs.states import Cancelled, Told

if TYPE_CHECKING:
    from clsh.jobs.current import Current
    from clsh.jobs.model import JobState

NOW = 1000.0


@pytest.fixture
def book() -> Book:
    made = Book()
    made.rooms.see([Slots("n1", 2), Slots("n2", 2)], {})
    return made


def add(
    book: Book,
    number: int,
    at: float = NOW,
    others: dict[int, JobState] | None = None,
    **more: object,
) -> Current:
    request = Request(("x",), **more)  # type: ignore[arg-type]  # the fields are those of Request
    size = len(request.array) or 1
    state: JobState = "waiting" if request.after else "pending"
    row = JobRow(number, state, 0.0, 0.0, request.held, 0, "pending", {"pending": size}, "")
    whole = Whole(row, "alice", at, size, encode(request))
    return book.add(Loaded(whole, (), frozenset()), others or {}, NOW)


def placed(book: Book, now: float = 0.0, most: int = 100) -> list[tuple[int, int, str]]:
    """Place what can be, and return job, index and first node of each, in order."""
    book.take()
    book.place(Moment({}, now), NOW, most)
    batch = book.take().batch
    return [(job, index, task.places[0].node) for (job, index), (task, _) in batch.tasks.items()]


def end(book: Book, job: Current, index: int = 0) -> None:
    task = job.live[index]
    book.happen(job, task, Told(task.attempt, Report("", "ended", NOW, 0)), NOW)


def test_first_come_first_served_but_for_priority_and_age(book: Book) -> None:
    add(book, 1, at=NOW - 5)
    add(book, 2, at=NOW - 6)
    add(book, 3, at=NOW, priority=1)
    add(book, 4, at=NOW - 601)
    add(book, 5, at=NOW, priority=-1)
    assert [job for job, _, _ in placed(book)] == [4, 3, 2, 1]
    assert placed(book) == []


def test_those_with_other_needs_do_not_wait_behind_one_that_does_not_fit(book: Book) -> None:
    big = add(book, 1, slots=2, nodes=("n1",))
    add(book, 2, at=NOW - 50, nodes=("n1",))
    add(book, 3, at=NOW + 1)
    assert [job for job, _, _ in placed(book)] == [2, 3]
    assert book.why_waiting(big.id) == "needs 2 cores: n1 is busy"


def test_who_waits_too_long_gets_nodes_kept_free(book: Book) -> None:
    first = [add(book, number) for number in (1, 2)]
    assert [node for *_, node in placed(book)] == ["n1", "n2"]
    big = add(book, 3, kind="parallel", tasks=4)
    array = add(book, 4, kind="batch", array=tuple(range(100)))
    for now in (10.0, 20.0):  # the small ones go past it
        assert len(placed(book, now)) in {0, 2}
    for index in list(array.live):
        end(book, array, index)
    assert placed(book, 400.0) == [], "its patience is over: nothing more is placed"
    for job in first:
        end(book, job)
    assert placed(book, 401.0) == [(3, 0, "n1")]
    end(book, big)
    assert len(placed(book, 402.0)) == 4


def test_so_many_of_an_array_at_once(book: Book) -> None:
    job = add(book, 1, kind="batch", array=(5, 6, 7), at_once=2)
    add(book, 2, at=NOW + 1, kind="batch", array=(1, 2, 3))
    assert [(n, index) for n, index, _ in placed(book)] == [(1, 5), (1, 6), (2, 1), (2, 2)]
    assert book.why_waiting(job.id) == "2 of its tasks may run at once"
    end(book, job, 5)
    assert [(n, index) for n, index, _ in placed(book)] == [(1, 7)]


def test_in_turn(book: Book) -> None:
    add(book, 1, kind="batch", array=(1, 2, 3), metric="round-robin")
    assert [node for *_, node in placed(book)] == ["n1", "n2", "n1"]


def test_no_more_than_asked_for_and_few_in_vain(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "_MOST_NEEDS", 1)
    add(book, 1, kind="batch", array=(1, 2, 3))
    assert len(placed(book, most=2)) == 2
    add(book, 2, at=NOW - 2, memory=1, nodes=("n9",))
    add(book, 3, at=NOW - 1, memory=2, nodes=("n9",))
    assert placed(book) == []


@pytest.mark.parametrize(
    ("when", "state", "reason"),
    [
        ("ok", "failed", "job 9, which this one was to wait for, is gone"),
        ("any", "pending", ""),
    ],
)
def test_after_a_job_that_is_gone(book: Book, when: str, state: str, reason: str) -> None:
    job = add(book, 1, after=((9, when),))
    assert (job.state, job.reason) == (state, reason)


def test_a_job_that_ends_waits_for_nobody_any_more(book: Book) -> None:
    first = add(book, 1)
    second = add(book, 2, after=((1, "ok"),))
    assert book.why_waiting(second.id) == "waits for the end of job 1"
    book.cancel(second, NOW, "cancelled by alice")
    assert (second.state, second.reason) == ("cancelled", "cancelled by alice")
    placed(book)
    end(book, first)
    assert (second.state, first.state) == ("cancelled", "done")


def test_what_could_not_be_stored_is_kept_with_what_happened_since(book: Book) -> None:
    job = add(book, 1)
    book.place(Moment({}, 0.0), NOW, 9)
    taken = book.take()
    assert [(one.order, one.attempt) for one in taken.orders] == [("start", 1)]
    book.happen(job, job.live[0], Cancelled(NOW, "no"), NOW)
    book.put_back(taken)
    again = book.take()
    ((task, position),) = again.batch.tasks.values()
    assert (task.cancelled, position) == (True, 0)
    assert [one.order for one in again.orders] == ["start", "cancel"]
    assert not book.has_news()


def test_a_job_that_is_as_it_was_stored_is_not_stored_again(book: Book) -> None:
    add(book, 1)
    assert not book.has_news()


def test_the_reason_of_many(book: Book) -> None:
    job = add(book, 1, kind="batch", array=(0, 1))
    assert book.why_waiting(job.id) == "its turn has not come"
    assert book.cancel_waiting(job, 1, NOW, "no")
    assert not book.cancel_waiting(job, 1, NOW, "no")
    assert placed(book) == [(1, 0, "n1")]
    end(book, job)
    assert (job.state, job.reason, job.counts["cancelled"]) == ("cancelled", "", 1)
