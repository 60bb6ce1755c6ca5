"""`cl status`, over a manager that answers what it is told to."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from clsh.cli.client import NoManagerError
from clsh.cli.main import main
from tests.support.manager import STATUS, answering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.manager import Answering


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with answering() as server:
        yield server
    monkeypatch.undo()
    time.tzset()


def test_in_words(answers: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "manager  pid 4711, since 2023-11-14 22:13:20",
        "page     http://127.0.0.1:8650/",
        "nodes    3 up, 0 lost, 0 not heard yet",
        "alerts   0",
        "viewers  2",
        "source   procfs: well",
        "store    sqlite, 2.5 MB: well",
        "state    /var/lib/clsh",
    ]


def test_troubles(answers: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    answers.answers["/api/v1/status"] = (
        200,
        {
            **STATUS,
            "lost": 2,
            "sources": [
                {"source": "web", "ok": False, "reason": "refused\x1b[2J\n"},
                {"source": "store", "ok": False, "reason": "the disk is full"},
            ],
            "store": {"trouble": "the disk is full", "size": 0},
            "facts": {
                "store": "sqlite",
                "state": "/s",
                "ganglia": "TCP 8649: in use",
                "jobs": "jobs.db is damaged",
            },
        },
    )
    reasons = {"node3": "no key (a)", "node4": "no key (b)", "node5": "refused\x1b[2J"}
    lost = {"nodes": [{"name": name, "reason": why} for name, why in reasons.items()]}
    answers.answers["/api/v1/nodes?state=lost"] = (200, lost)
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:6] == [
        "lost     node[3-4]: no key",
        "lost     node5: refused",
        "         `cl doctor` says what mends it",
    ]
    assert len([line for line in lines if "the disk is full" in line]) == 1
    assert "source   web: refused" in lines
    assert "store    sqlite, 0.0 MB: the disk is full" in lines
    assert lines[-2:] == ["ports    TCP 8649: in use", "jobs     jobs.db is damaged"]


def test_as_json(answers: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": True, **STATUS}


def test_none_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoManagerError) as caught:
        main(["status"])
    assert caught.value.exit_code == 1
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"running": False}
