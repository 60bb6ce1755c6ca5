"""`cl jobs`, `cl queue` and what is done to jobs by their numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base import client, users
from clsh.base.errors import UsageError
from clsh.cli.jobs import acting, choosing, finding
from clsh.cli.main import main
from clsh.jobs.forms import asking
from clsh.jobs.model import Place

if TYPE_CHECKING:
    from tests.support.job_manager import Managed


def submitted(manager: Managed, *requests: dict[str, Any], owner: str = "") -> list[int]:
    return asking.submit([{"argv": ["sleep", "9"], **one} for one in requests], owner)


def move(manager: Managed, number: int, index: int = 0, **values: Any) -> None:
    manager.call(lambda: manager.jobs.move(number, index, **values))


def test_mine_with_the_newest_last(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {"name": "one"}, {"name": "two", "array": "0-9"})
    submitted(manager, {"name": "theirs"}, owner="alice")
    move(manager, 1, state="failed", status=3, started=100.0, ended=190.0)
    move(manager, 2, 3, state="done", status=0)
    assert main(["jobs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["JOB", "1", "2"]
    assert "OWNER" not in lines[0]
    assert lines[1].split()[1:3] == ["failed", "one"]
    assert "1 min 30 s" in lines[1]
    assert lines[2].split()[1:4] == ["running", "two", "1/10"]
    assert lines[2].endswith("sleep 9")


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["-a"], [1, 2, 3]),
        (["-a", "-r"], [3, 2, 1]),
        (["-u", "alice"], [3]),
        (["-a", "-s", "failed", "-s", "held"], [1]),
        (["-a", "--open"], [2, 3]),
        (["-a", "--name", "b"], [1, 3]),
        (["-a", "-w", "node7"], [2]),
        (["-a", "--sort", "name"], [2, 1, 3]),
        (["-a", "--sort", "name", "-r"], [3, 1, 2]),
        (["-a", "-n", "2"], [2, 3]),
    ],
)
def test_narrowed_and_sorted(
    manager: Managed, words: list[str], numbers: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    submitted(manager, {"name": "b"}, {"name": "a"})
    submitted(manager, {"name": "bc"}, owner="alice")
    move(manager, 1, state="failed", status=1)
    move(manager, 2, state="running", places=(Place("node7"),))
    assert main(["jobs", "--json", *words]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == numbers


def test_none_and_more(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs"]) == 0
    assert capsys.readouterr().err == "No jobs of yours; `cl jobs -a` lists all.\n"
    assert main(["jobs", "-a"]) == 0
    assert capsys.readouterr().err == "No jobs.\n"
    submitted(manager, *[{}] * 5)
    assert main(["jobs", "-n", "2"]) == 0
    assert capsys.readouterr().err == "2 of 5 jobs; -n shows more\n"


def test_many_pages(manager: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(manager, *[{}] * 7)
    monkeypatch.setattr(finding, "_PAGE", 3)
    rows, total = finding.pages(6, sort="id")
    assert ([row["id"] for row in rows], total) == ([1, 2, 3, 4, 5, 6], 7)
    submitted(manager, {"array": "0-7"})
    assert [task["index"] for task in finding.tasks(8)] == list(range(8))


def test_hostile_names_do_not_act(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {"argv": ["\x1b]0;evil\x07\x1b[2J", "a\nb"]})
    move(manager, 1, reason="\x1b[2Jx", why="\x1b]0;y\x07")
    for words in (["jobs"], ["job", "1"], ["queue"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert out.replace("\n", "").isprintable(), (words, out)


@pytest.mark.parametrize("limit", ["0", "-3", "100001"])
def test_a_limit_that_is_none(limit: str) -> None:
    with pytest.raises(UsageError, match="-n cannot be"):
        main(["jobs", f"-n{limit}"])


def test_somebody_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "of_uid", lambda _: None)
    with pytest.raises(UsageError, match="has no name"):
        finding.me()
    assert users.of_uid(0) == users.User("root", is_admin=True)
    assert users.of_uid(54321) is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["12"], [(12, None)]),
        (["12.3"], [(12, 3)]),
        (["12-14", "13", "20"], [(12, None), (13, None), (14, None), (20, None)]),
        (["1.0-2,5"], [(1, 0), (1, 1), (1, 2), (5, None)]),
    ],
)
def test_numbers(words: list[str], found: list[tuple[int, int | None]]) -> None:
    assert choosing.jobs(words) == found


@pytest.mark.parametrize(
    "word", ["", "x", "0", "-1", "3-1", "1.5-2", "1.2.3", "1-2.3", "1..2", "²", "1" * 30]
)
def test_what_is_no_number(word: str) -> None:
    with pytest.raises(UsageError, match="is no job"):
        choosing.jobs([word])


def test_too_many_numbers_and_one_too_many() -> None:
    with pytest.raises(UsageError, match="more than 10,000 jobs at once"):
        choosing.jobs(["1-20000"])
    with pytest.raises(UsageError, match="is more than one job"):
        choosing.one("1-2")
    assert choosing.one("3.4") == (3, 4)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("cancel", "job {} will end"),
        ("hold", "job {} is held"),
        ("release", "job {} is released"),
        ("requeue", "job {} will run again"),
    ],
)
def test_acts(manager: Managed, act: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {}, {"array": "0-3"}, {})
    for number, index in ((1, 0), (2, 0), (2, 1), (3, 0)):
        move(manager, number, index, state="running")
    assert main([act, "1", "2.0-1", "3"]) == 0
    assert manager.jobs.acts == [(act, 1, None), (act, 2, 0), (act, 2, 1), (act, 3, None)]
    assert capsys.readouterr().out.splitlines() == [
        said.format(name) for name in ("1", "2.0", "2.1", "3")
    ]
    assert set(acting._SAID) == {"cancel", "hold", "release", "requeue"}


def test_an_act_that_fails_does_not_stop_the_others(
    manager: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    submitted(manager, {}, {})
    assert main(["cancel", "7", "1", "9-10", "2"]) == 1
    told = capsys.readouterr()
    assert told.out == "job 1 will end\njob 2 will end\n"
    assert told.err.count("there is no job") == 3
    assert main(["requeue", "--json", "1", "8"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        {"job": 1, "task": None, "error": None},
        {"job": 8, "task": None, "error": "there is no job 8"},
    ]


def test_all_of_mine(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {}, {}, {})
    submitted(manager, {}, owner="alice")
    move(manager, 2, state="done", status=0)
    assert main(["cancel", "--mine"]) == 0
    assert capsys.readouterr().out == "job 1 will end\njob 3 will end\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [([], "no job was named"), (["--mine", "1"], "--mine and numbers"), (["x"], "is no job")],
)
def test_what_cannot_be_done(words: list[str], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        main(["cancel", *words])


def test_no_manager_is_told_once() -> None:
    with pytest.raises(client.NoManagerError):
        main(["cancel", "1-9"])


def test_the_queue(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue"]) == 0
    assert capsys.readouterr().out == "no jobs\n"
    submitted(manager, {"name": "a"}, {"array": "0-3"}, {}, {"name": "first", "priority": 5}, {})
    move(manager, 1, state="running", places=(Place("node2", 4), Place("node10", 4)))
    move(manager, 2, 1, state="unknown", places=(Place("node2"),))
    move(manager, 3, state="done", status=0)
    move(manager, 4, why="needs 64 GB: node1 is busy")
    assert main(["queue"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 pending, 2 running, 1 done",
        "next: job 4 (first): needs 64 GB: node1 is busy",
        "",
        "NODE    TASKS  JOBS",
        "node2       2  1 2.1",
        "node10      1  1",
    ]
    assert main(["queue", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["nodes"] == {"node2": ["1", "2.1"], "node10": ["1"]}
    assert told["next"]["job"] == 4
    assert told["states"]["held"] == 0


def test_a_queue_with_much_in_it(
    manager: Managed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(manager, {}, {}, {})
    for number in (1, 2, 3):
        move(manager, number, state="running", places=(Place("n"),))
    monkeypatch.setattr("clsh.cli.jobs.queueing._MOST", 2)
    assert main(["queue"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "and 1 more running jobs"
