"""`cl job`: what is told of a job, and what it wrote, live and afterwards."""

from __future__ import annotations

import json
import re
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base import client
from clsh.base.errors import ClshError, UnreachableError, UsageError
from clsh.cli import render
from clsh.cli.jobs import ending
from clsh.cli.main import main
from clsh.jobs.forms import asking
from clsh.jobs.model import Place
from clsh.jobs.notices.notice import Facts
from clsh.jobs.queue.notices import Fate
from tests.unit.cli.job_commands.test_jobs import move, submitted

if TYPE_CHECKING:
    from tests.support.job_manager import Managed

HOSTILE = b"one\n\x1b]0;evil\x07two\x1b[2J\r\n\x9bthree"


def write(
    manager: Managed, data: bytes, number: int = 1, index: int = 0, of: Any = "output"
) -> None:
    def add() -> None:
        out = manager.jobs.out
        out[number, index, of] = out.get((number, index, of), b"") + data

    manager.call(add)


def test_a_job_that_failed(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {"name": "x", "memory": "4G", "environment": {"A": "1", "B": "2"}})
    move(
        manager, 1, state="failed", status=3, attempt=2, rss=3 << 30, started=100.0, ended=3700.0,
        places=(Place("node1", 2), Place("node2", 2)), why="node1: score 0.21, the lowest of 8",
        reason="RSS 8.2 GB of 8 GB allowed",
    )  # fmt: skip
    write(manager, b"".join(b"line %d\n" % n for n in range(30)))
    write(manager, b"oh no", of="error")
    assert main(["job", "1"]) == 0
    out = capsys.readouterr().out
    lines = dict(line.split("  ", 1) for line in out.split("\n\n")[0].splitlines() if "  " in line)
    told = {name.strip(): text.strip() for name, text in lines.items()}
    assert told["job"] == "1  x"
    assert told["state"] == "failed"
    assert told["owner"] == "root"
    assert told["command"] == "sleep 9"
    assert told["memory"] == "4G"
    assert told["environment"] == "A=1 B=2"
    assert told["nodes"] == "node[1-2] (4)"
    assert told["why"] == "node1: score 0.21, the lowest of 8"
    assert told["exit"] == "3"
    assert told["reason"] == "RSS 8.2 GB of 8 GB allowed"
    assert told["attempt"] == "2"
    assert told["memory used"] == "3.0 GB"
    assert "output:\nline 20\n" in out
    assert "line 19" not in out
    assert out.endswith("line 29\n\nerror:\noh no\n")


def test_who_was_told(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {"notify": ["ops"], "send": ["0" * 64 + "+x:prog", "1" * 64 + ":b"]})
    move(manager, 1, state="done", status=0)
    facts = Facts("end", 1, None, "x", "root", "done", 2.0, 1.0)
    manager.jobs.fates = [
        Fate("ops", facts, "told", 3.0, 1, ""),
        Fate("a@x.org", facts, "given up", 4.0, 9, "OSError: \x1b[2Jno"),
    ]
    assert main(["job", "1"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^send files +prog, b$", out, re.MULTILINE)
    assert re.search(r"^notice +ops \(end\): told 1970-01-01 ", out, re.MULTILINE)
    assert re.search(r"^notice +a@x.org \(end\): given up .*: OSError: .*no", out, re.MULTILINE)
    assert "\x1b" not in out


def test_a_job_that_waits(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {})
    assert main(["job", "1"]) == 0
    out = capsys.readouterr().out
    assert "why" in out
    assert "no node is free" in out
    assert "output:" not in out


def test_a_reason_is_told_once(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {})
    move(manager, 1, state="failed", status=3, reason="exit status 3")
    manager.jobs.found[1] = replace(manager.jobs.found[1], reason="exit status 3")
    assert main(["job", "1"]) == 0
    assert capsys.readouterr().out.count("exit status 3") == 1


def test_an_array(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {"array": "0-149"})
    move(manager, 1, 0, state="done", status=0, places=(Place("weird name"),))
    move(manager, 1, 1, state="failed", signal="KILL", reason="too much")
    assert main(["job", "1"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("TASK"))
    assert lines[at + 1].split()[:4] == ["0", "done", "weird", "name"]
    assert lines[at + 2].split()[:4] == ["1", "failed", "-", "KILL"]
    assert lines[at + 2].endswith("too much")
    assert len(lines) - at == 101
    assert told.err == "50 more tasks; --json has all\n"
    assert any(line.split() == ["tasks", "2/150"] for line in lines)


@pytest.mark.parametrize("words", [["1.5"], ["1", "--task", "5"], ["1.5", "--task", "5"]])
def test_one_task(manager: Managed, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {"array": "0-9"})
    write(manager, b"five\n", 1, 5)
    assert main(["job", *words]) == 0
    assert capsys.readouterr().out.endswith("\noutput:\nfive\n")
    assert main(["job", "--json", *words]) == 0
    (task,) = json.loads(capsys.readouterr().out)["tasks"]
    assert task["index"] == 5


def test_as_json(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {"array": "0-9", "memory": "1G"})
    assert main(["job", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["tasks"]) == 10
    assert told["request"]["memory"] == 1 << 30
    assert "version" not in told


def test_one_file_for_both_is_shown_once(
    manager: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    submitted(manager, {"output": "o", "error": "o"})
    write(manager, b"both\n")
    write(manager, b"both\n", of="error")
    assert main(["job", "1"]) == 0
    assert capsys.readouterr().out.count("both") == 1


def test_output_that_cannot_be_read(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    submitted(manager, {})
    manager.jobs.fails = UnreachableError("node1", "timed out")
    assert main(["job", "1"]) == 0
    assert capsys.readouterr().err == (
        "output: node1 unreachable: timed out\nerror: node1 unreachable: timed out\n"
    )


@pytest.mark.parametrize(
    ("words", "kind", "error"),
    [
        (["9"], ClshError, "there is no job 9"),
        (["1.4"], ClshError, "job 1 has no task 4"),
        (["1.4", "--output"], ClshError, "job 1 has no task 4"),
        (["x"], UsageError, "'x' is no job"),
        (["1.2", "--task", "3"], UsageError, "1.2 and --task 3"),
        (["1", "-f"], ClshError, "job 1 has 3 tasks"),
        (["1", "--output", "--error"], UsageError, "not allowed with"),
    ],
)
def test_what_is_not_there(
    manager: Managed, words: list[str], kind: type[Exception], error: str
) -> None:
    submitted(manager, {"array": "0-2"})
    with pytest.raises(kind, match=error):
        main(["job", *words])


@pytest.mark.parametrize("of", ["output", "error"])
def test_the_whole_of_it_as_it_is(
    manager: Managed, of: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    submitted(manager, {})
    data = HOSTILE * 50_000
    write(manager, data, of=of)
    assert main(["job", "1", f"--{of}"]) == 0
    assert capfdbinary.readouterr().out == data


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bool]]:
    """Let stdout and stderr be terminals; returns what is put there."""
    put: list[tuple[bytes, bool]] = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(render, "put", lambda data, error=False: put.append((data, error)))
    return put


def test_on_a_terminal_it_is_made_safe(
    manager: Managed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put = on_a_terminal(monkeypatch)
    ending.show([HOSTILE[:9], HOSTILE[9:]])
    assert put == [(b"one\n", False), (b"two\n", False), (b"three", False)]
    put.clear()
    screen = ending.Screen(error=True)
    screen.put(b"50 %")
    assert put == []
    screen.put(b"")
    screen.put(b"")
    assert put == [(b"50 %", True)]


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 5", 5), ("kill -9 $$", 137)])
def test_followed_to_its_end(
    running: Managed, script: str, status: int, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    submitted(running, {"argv": ["sh", "-c", f"echo out; echo err >&2; sleep 0.2; {script}"]})
    if status == 137:  # the fake tells no signals
        move(running, 1, state="failed", signal="KILL", reason="told to")
        write(running, b"out\n")
        write(running, b"err\n", of="error")
    assert main(["job", "-f", "1"]) == status
    told = capfdbinary.readouterr()
    assert told.out == b"out\n"
    assert told.err == b"err\n" + (b"job 1 failed: told to\n" if status == 137 else b"")


def test_followed_as_it_comes(manager: Managed) -> None:
    submitted(manager, {})
    write(manager, b"begun")
    found = asking.follow(1)
    assert next(found) == ("output", b"begun")
    assert next(found) == ("error", b"")
    timer = threading.Timer(0.1, write, (manager, b", more"))
    timer.start()
    assert next(found) == ("output", b", more")
    timer.join()
    move(manager, 1, state="done", status=0)
    write(manager, b"late", of="error")
    assert [part for part in found if part[1]] == [("error", b"late")]


def test_one_file_is_followed_alone(manager: Managed) -> None:
    submitted(manager, {"output": "o", "error": "o"})
    write(manager, b"both")
    move(manager, 1, state="done", status=0)
    assert list(asking.follow(1, error=False)) == [("output", b"both"), ("output", b"")]


def test_a_manager_that_restarts_is_waited_for(
    manager: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(manager, {})
    write(manager, b"x")
    move(manager, 1, state="done", status=0)
    kept = (client.raw, client.get)
    left = [client.NoManagerError(), client.BrokenOffError(), client.NoManagerError()]

    def away(kind: int) -> Any:
        def ask(path: str) -> object:
            if left:
                raise left.pop()
            return kept[kind](path)

        return ask

    monkeypatch.setattr(asking, "_PAUSE_S", 0)
    monkeypatch.setattr(client, "raw", away(0))
    monkeypatch.setattr(client, "get", away(1))
    assert [part for part in asking.follow(1) if part[1]] == [("output", b"x")]
    assert left == []
    left.append(client.NoManagerError())
    assert asking.wait(1)["state"] == "done"


def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PAUSE_S", 0)
    monkeypatch.setattr(asking, "_PATIENCE_S", 0.05)
    with pytest.raises(client.NoManagerError):
        asking.wait(1)
    with pytest.raises(client.NoManagerError):
        list(asking.follow(1))


def test_waiting_has_an_end(manager: Managed) -> None:
    submitted(manager, {})
    with pytest.raises(TimeoutError, match=r"job 1 has not ended within 0\.2 s"):
        asking.wait(1, 0.2)


def test_interrupted_while_following(
    manager: Managed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    submitted(manager, {})

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asking, "follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["job", "-f", "1"])
    assert "job 1 goes on" in capsys.readouterr().err
