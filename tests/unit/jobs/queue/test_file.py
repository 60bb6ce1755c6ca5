from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, get_args

import pytest

from clsh.jobs.model import Place, Request, Task
from clsh.jobs.queue import Batch, JobRow, New, QueueError, QueueFullError, notices
from clsh.jobs.queue import file as queue_file
from clsh.jobs.queue.codec import encode
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.queue.format import MIGRATIONS
from clsh.jobs.queue.listing import failed_since, find
from clsh.jobs.queue.rows import words_of
from clsh.jobs.wish import Order, TaskWish, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clsh.jobs.model import JobState
    from clsh.jobs.wish import Listing


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[QueueFile]:
    made = QueueFile(tmp_path)
    yield made
    made.close()


def new(owner: str = "alice", key: str = "", name: str = "", size: int = 1, at: float = 1.0) -> New:
    request = Request(("prog", "x", name))
    words = words_of(name, request.argv)
    return New(owner, encode(request), "pending", name, words, key, at, False, size)


def put(queue: QueueFile, *jobs: New) -> list[int]:
    return [one.id for one in queue.write(Batch(jobs))]


def end(queue: QueueFile, number: int, state: JobState, at: float, node: str = "n1") -> None:
    task = Task(number, 0, "done", 1, (Place(node),), "why", 1.0, at, 0)
    row = JobRow(number, state, 1.0, at, False, 1, "pending", {"done": 1}, "")
    queue.write(Batch((), {(number, 0): (task, 0)}, {number: row}))


def test_the_name_stays_and_is_no_others(tmp_path: Path) -> None:
    names: list[str] = []
    for folder in ("a", "a", "b"):
        queue = QueueFile(tmp_path / folder)
        names.append(queue.name())
        queue.close()
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("q")
    assert names[0].isalnum()


def test_what_is_written_is_on_the_disk(queue: QueueFile) -> None:
    assert queue._db is not None
    assert queue._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert queue._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_owner_and_key_are_one_job(queue: QueueFile) -> None:
    first = queue.write(Batch([new(key="k"), new(key="k"), new("bob", "k"), new(), new()]))
    assert [one.id for one in first] == [1, 1, 2, 3, 4]
    assert [one.is_new for one in first] == [True, False, True, True, True]


def test_a_batch_is_all_or_nothing(queue: QueueFile) -> None:
    bad = Task(1, 0, "done", 1, (), "why", reason=None)  # type: ignore[arg-type]  # refused by the table
    with pytest.raises(QueueError, match=r"cannot use .*NOT NULL"):
        queue.write(Batch([new()], {(1, 0): (bad, 0)}))
    assert queue.load() == ([], [])
    assert put(queue, new()) == [1]


def test_what_is_open_is_loaded(queue: QueueFile) -> None:
    one, two = put(queue, new(size=5), new())
    end(queue, two, "done", 9.0)
    task = Task(one, 0, "running", 2, (Place("n1"), Place("n2", 3)), "w", 1.0, 0.0, None, "", "", 7)
    apart = Task(one, 3, "cancelled", ended=5.0, reason="cancelled by alice")
    counts = {"running": 1, "cancelled": 1, "pending": 3}
    row = JobRow(one, "running", 1.0, 0.0, True, 1, "pending", counts, "r")  # type: ignore[arg-type]  # a dict is invariant
    queue.write(Batch((), {(one, 0): (task, 0), (one, 3): (apart, 3)}, {one: row}))
    (loaded,), _ = queue.load()
    assert loaded.whole.row == row
    assert (list(loaded.live), loaded.apart) == ([task], frozenset({3}))
    assert queue.apart(one) == {3}
    found = queue.job(one)
    assert found is not None
    assert found[1] == [task, apart]
    assert queue.job(99) is None
    assert queue.owners([one, two, 99]) == {1: ("alice", "running"), 2: ("alice", "done")}


def test_tasks_without_rows_are_as_the_job_says(queue: QueueFile) -> None:
    request = Request(("x",), kind="batch", array=(7, 8, 9))
    (one,) = put(queue, New("alice", encode(request), "pending", "", "", "", 1.0, False, 3))
    task = Task(one, 8, "done", 1)
    row = JobRow(one, "cancelled", 1.0, 9.0, False, 0, "cancelled", {}, "by alice")
    queue.write(Batch((), {(one, 8): (task, 1)}, {one: row}))
    found = queue.page(one, TaskWish())
    assert found is not None
    first, second, third = found[1]
    assert (first.index, first.state, first.ended, first.reason) == (
        7,
        "cancelled",
        9.0,
        "by alice",
    )
    assert second == task
    assert (third.index, third.state) == (9, "cancelled")


@pytest.fixture
def many(queue: QueueFile) -> QueueFile:
    for number in range(12):
        name = f"Sim-{number % 3}"
        (one,) = put(queue, new("bob" if number % 4 else "alice", name=name, at=100.0 - number))
        if number >= 6:
            end(queue, one, "done" if number % 2 else "failed", 200.0 + number, f"n{number % 3}")
    return queue


def ids(queue: QueueFile, wish: Wish) -> list[int]:
    return [job.id for job in look(queue, wish).jobs]


def look(queue: QueueFile, wish: Wish) -> Listing:
    return queue.ask(lambda db: find(db, wish))


def test_listings(many: QueueFile) -> None:
    listing = look(many, Wish(limit=2, offset=1))
    assert [job.id for job in listing.jobs] == [11, 10]
    assert listing.total == 12
    assert listing.states == {"pending": 6, "done": 3, "failed": 3}
    assert ids(many, Wish(order="id", limit=3)) == [1, 2, 3]
    assert ids(many, Wish(order="submitted", limit=3)) == [12, 11, 10]
    assert ids(many, Wish(order="-submitted", limit=3)) == [1, 2, 3]
    assert ids(many, Wish(order="name", limit=3)) == [1, 4, 7]
    assert ids(many, Wish(order="-name", limit=3)) == [12, 9, 6]
    assert ids(many, Wish(order="owner", limit=4)) == [1, 5, 9, 2]
    assert ids(many, Wish(order="-owner", limit=2)) == [12, 11]
    assert ids(many, Wish(order="; DROP TABLE jobs", limit=1)) == [12]  # type: ignore[arg-type]  # from a request
    listing = look(many, Wish(owner="alice", states=frozenset({"pending"})))
    assert ([job.id for job in listing.jobs], listing.total) == ([5, 1], 2)
    assert listing.states == {"pending": 2, "failed": 1}
    assert ids(many, Wish(text="sim-2")) == [12, 9, 6, 3]
    assert ids(many, Wish(text="PROG", owner="alice")) == [9, 5, 1]
    assert ids(many, Wish(text="%")) == []
    assert ids(many, Wish(node="n1")) == [11, 8]
    assert ids(many, Wish(node="n1", text="sim-1", states=frozenset({"done"}))) == [8]
    assert ids(many, Wish(limit=-1)) == []


ORDERS: tuple[Order, ...] = get_args(Order)


@pytest.mark.parametrize("order", ORDERS)
def test_pages_are_slices_of_all_in_every_order(many: QueueFile, order: Order) -> None:
    """From whichever end they are walked."""
    for more in (
        {}, {"owner": "bob"}, {"text": "sim"}, {"node": "n1"}, {"states": frozenset({"pending"})},
        {"owner": "bob", "states": frozenset({"done", "failed"}), "text": "sim-1"},
    ):  # fmt: skip
        every = look(many, Wish(order=order, **more))
        key = order.removeprefix("-")
        keys = [
            (job.request.argv[2] if key == "name" else getattr(job, key), job.id)
            for job in every.jobs
        ]
        assert keys == sorted(keys, reverse=order.startswith("-"))
        assert len(keys) == every.total
        for offset in range(len(keys) + 1):
            for limit in (1, 3):
                wish = Wish(order=order, offset=offset, limit=limit, **more)
                assert ids(many, wish) == [number for _, number in keys[offset : offset + limit]]


def test_no_listing_reads_all_rows_or_sorts_them(many: QueueFile) -> None:
    """Rows are five times as long as an index, and each order has one that is walked."""
    asked: list[str] = []

    def plan(db: sqlite3.Connection) -> None:
        for order in ORDERS:
            for wish in (
                Wish(order=order),
                Wish("alice", order=order),
                Wish(text="i", order=order),
            ):
                asked.clear()
                db.set_trace_callback(asked.append)
                find(db, wish)
                db.set_trace_callback(None)
                pages = [one for one in asked if "LIMIT" in one]
                assert len(pages) == 1
                steps = [step for *_, step in db.execute(f"EXPLAIN QUERY PLAN {pages[0]}")]
                assert any("COVERING INDEX" in step for step in steps), steps
                is_sorted = any("TEMP B-TREE" in step for step in steps)
                assert is_sorted == (bool(wish.text) and order not in {"id", "-id"}), steps

    many.ask(plan)


def test_what_is_counted_is_what_is_there(many: QueueFile) -> None:
    """The tallies follow each submission, change and removal."""

    def counted(db: sqlite3.Connection) -> tuple[set[object], set[object]]:
        tallies = db.execute("SELECT owner, state, jobs FROM tallies WHERE jobs>0")
        jobs = db.execute("SELECT owner, state, count(*) FROM jobs GROUP BY owner, state")
        return set(tallies.fetchall()), set(jobs.fetchall())

    told, true = many.ask(counted)
    assert told == true
    assert many.forget(209.0, 100) == 3
    told, true = many.ask(counted)
    assert told == true
    assert sum(look(many, Wish()).states.values()) == 9


def test_failures_since_a_moment(many: QueueFile) -> None:
    def failed(owner: str, at: float) -> int:
        return many.ask(lambda db: failed_since(db, owner, at))

    assert [failed("", at) for at in (0.0, 206.0, 208.0, 999.0)] == [3, 2, 1, 0]
    assert (failed("alice", 0.0), failed("bob", 0.0)) == (1, 2)


def test_a_file_of_the_first_format_is_brought_up(tmp_path: Path) -> None:
    """As that clsh wrote it: its jobs are counted, and its name is kept."""
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as db:
        for statement in filter(str.strip, MIGRATIONS[0].split(";")):
            db.execute(statement)
        db.execute("PRAGMA user_version=1")
        db.execute(
            "INSERT INTO jobs(owner, state, name, words, submitted, held, size, counts, request)"
            " VALUES ('alice', 'pending', 'a', 'a', 1, 0, 1, '{}', '{\"argv\":[\"a\"]}')"
        )
        db.execute(
            "INSERT INTO tasks VALUES (1, 0, 0, 'pending', 1, '', '', 0, 0, NULL, '', '', 0, 0)"
        )
        (name,) = db.execute("SELECT value FROM facts").fetchone()
    queue = QueueFile(tmp_path)
    assert queue.name() == name
    assert look(queue, Wish()).states == {"pending": 1}
    assert queue.ask(notices.lanes) == []
    found = queue.page(1, TaskWish())
    assert found is not None
    assert [(task.attempt, task.queue) for task in found[1]] == [(1, "")]
    queue.close()


def test_old_jobs_go_in_slices(many: QueueFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_file, "_SLICE", 2)
    assert many.forget(0.0, 6) == 0
    assert many.forget(209.0, 100) == 2
    assert many.forget(209.0, 100) == 1
    assert many.forget(209.0, 100) == 0
    assert many.forget(0.0, 1) == 2
    assert many.forget(0.0, 1) == 0
    assert ids(many, Wish()) == [12, 6, 5, 4, 3, 2, 1]
    assert many._db is not None
    for table in ("tasks", "job_nodes"):
        assert many._db.execute(f"SELECT job FROM {table}").fetchall() == [(12,)]
    assert put(many, new()) == [13]


def test_a_newer_file_is_refused_and_left(tmp_path: Path) -> None:
    QueueFile(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as db:
        db.execute("PRAGMA user_version=9")
    with pytest.raises(QueueError, match="has format 9, written by a newer clsh") as told:
        QueueFile(tmp_path)
    assert "use the newer clsh" in told.value.hint


def test_an_older_file_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = QueueFile(tmp_path)
    put(queue, new())
    queue.close()
    more = (*MIGRATIONS, "ALTER TABLE jobs ADD COLUMN project TEXT NOT NULL DEFAULT ''")
    monkeypatch.setattr(queue_file, "MIGRATIONS", more)
    queue = QueueFile(tmp_path)
    assert put(queue, new()) == [2]
    assert ids(queue, Wish()) == [2, 1]
    queue.close()


def test_fields_of_a_newer_version_are_left_out(queue: QueueFile) -> None:
    text = '{"argv":["x"],"colour":"red"}'
    put(queue, New("alice", text, "pending", "", "", "", 1.0, False, 1))
    (job,) = look(queue, Wish()).jobs
    assert job.request == Request(("x",))


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(QueueError, match="Not a directory"):
        QueueFile(tmp_path / "file" / "state")
    (tmp_path / "jobs.db").mkdir()
    with pytest.raises(QueueError, match="unable to open"):
        QueueFile(tmp_path)


def test_no_room(queue: QueueFile) -> None:
    assert queue._db is not None
    put(queue, new())
    (pages,) = queue._db.execute("PRAGMA page_count").fetchone()
    queue._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(QueueFullError, match="no room for") as told:
        put(queue, *[new(name="x" * 90) for _ in range(200)])
    assert told.value.hint == "free some space on its disk"
    assert look(queue, Wish()).total == 1
    queue._db.execute(f"PRAGMA max_page_count={pages + 1000}")
    assert put(queue, new()) == [2]


def test_closed(tmp_path: Path) -> None:
    queue = QueueFile(tmp_path)
    queue.close()
    queue.close()
    with pytest.raises(QueueError, match="is closed"):
        queue.load()


def test_a_backup_a_day(queue: QueueFile) -> None:
    assert queue._chores is not None
    put(queue, new())
    for day in (0, 0, 1):
        queue.back_up(86_400.0 * (20_000 + day))
        queue._chores.wait()
    (backup,) = queue.file.parent.glob("jobs.db.bak-*")
    assert backup.name == "jobs.db.bak-2024-10-05"
    with closing(sqlite3.connect(backup)) as db:
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_a_backup_that_finds_damage_says_so(queue: QueueFile) -> None:
    assert queue._chores is not None
    queue._chores.damage = sqlite3.DatabaseError("database disk image is malformed")
    queue._chores.damage.sqlite_errorname = "SQLITE_CORRUPT"
    queue.back_up(0.0)
    assert "is damaged" in queue.damage
    assert queue.back_up(0.0) == ""
    with pytest.raises(QueueError, match="is damaged"):
        put(queue, new())
    assert look(queue, Wish()).total == 0
