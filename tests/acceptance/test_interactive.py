"""The section "Interactive mode" of the shell's design, line by line."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Shell


class Session:
    """An interactive clsh that is typed to line by line."""

    def __init__(self, shell: Shell, *options: str) -> None:
        self.process = shell.popen(*options, "-i", stdin=subprocess.PIPE)
        assert self.process.stdout is not None
        self._fd = self.process.stdout.fileno()
        os.set_blocking(self._fd, False)
        self.text = ""

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, wanted: str, limit_s: float = 15) -> str:
        """Return what was printed up to and with `wanted`."""
        end = time.monotonic() + limit_s
        while wanted not in self.text:
            assert time.monotonic() < end, f"no {wanted!r} in {self.text!r}"
            try:
                self.text += os.read(self._fd, 65536).decode()
            except BlockingIOError:
                time.sleep(0.02)
        at = self.text.index(wanted) + len(wanted)
        seen, self.text = self.text[:at], self.text[at:]
        return seen

    def answer(self, line: str) -> list[str]:
        """Type a line, and return what stands between the two rules, sorted."""
        self.type(line)
        self.until("-----\n")
        return sorted(self.until("-----\n").splitlines()[:-1])

    def end(self) -> str:
        _, err = self.process.communicate(timeout=20)
        return err


@pytest.fixture
def session(shell: Shell) -> Session:
    return Session(shell, "-h", "node[1-4]")


def test_the_transcript_of_the_design(shell: Shell) -> None:
    run = shell.clsh("-h", "node1,node2", "-i", stdin="uname\n!uname\nquit\n")
    assert run.returncode == 0
    lines = run.stdout.splitlines()
    lines[4:6] = sorted(lines[4:6])  # nodes answer in the order of arrival
    assert lines == [
        "Enter 'quit' to leave this interactive mode",
        "Working with nodes: node1, node2",
        "clsh> uname",
        "-----",
        "node1: Linux",
        "node2: Linux",
        "-----",
        "clsh> !uname",
        "-----",
        "LOCAL: Linux",
        "-----",
        "clsh> quit",
    ]


def test_the_shell_on_each_node_lasts(session: Session) -> None:
    assert session.answer("cd /tmp; umask 027; colour=blue") == [
        "node1:",
        "node2:",
        "node3:",
        "node4:",
    ]
    everywhere = [f"node{n}: /tmp blue 0027" for n in range(1, 5)]
    assert session.answer("echo $(pwd) $colour $(umask)") == everywhere


def test_words_that_begin_with_a_colon(session: Session) -> None:
    session.type(":only node[1-2]")
    assert session.answer("hostname") == ["node1: node1", "node2: node2"]
    session.type(":all")
    assert len(session.answer("hostname")) == 4
    assert session.answer("@node3 hostname") == ["node3: node3"]
    session.type("@node4 sh -c 'exit 7'")
    session.type(":status")
    assert "7" in session.until("7")
    session.type(":fold on")
    session.type("uname")
    assert "node[1-4]" in session.until("Linux\n")
    session.type(":help")
    session.until(":reconnect")
    session.type(":nodes")
    session.until("node4")


@pytest.mark.parametrize("word", ["quit", "exit", ""])
def test_leaving_closes_everything(shell: Shell, session: Session, word: str) -> None:
    assert len(session.answer("hostname")) == 4
    if word:
        session.type(word)
    assert session.process.stdin is not None
    session.process.stdin.close()
    session.process.stdin = None
    session.end()
    assert session.process.returncode == 0


def test_a_lost_node_is_named_and_the_session_goes_on(shell: Shell, session: Session) -> None:
    assert len(session.answer("hostname")) == 4
    begun = time.monotonic()
    with shell.demo.without_sshd("node2"):
        assert session.process.stderr is not None
        line = session.process.stderr.readline()
        assert line.startswith("ERROR: node2 connection lost")
        assert time.monotonic() - begun < 8
        assert session.answer("hostname") == [f"node{n}: node{n}" for n in (1, 3, 4)]
    session.type(":reconnect")
    end = time.monotonic() + 10
    while len(found := session.answer("hostname")) < 4:
        assert time.monotonic() < end, found
    session.type("quit")
    session.end()


def test_with_stop_a_lost_node_ends_all(shell: Shell) -> None:
    session = Session(shell, "-h", "node[1-4]", "--on-lost=stop")
    assert len(session.answer("hostname")) == 4
    with shell.demo.without_sshd("node2"):
        assert session.process.wait(20) == 12
    assert "ERROR: node2 connection lost" in session.end()


def test_out_is_ignored_and_said_once(shell: Shell) -> None:
    options = ["-h", "node1,node2", "-i", "--out", "o/", "--err", "e/"]
    run = shell.clsh(*options, stdin="hostname\nquit\n")
    assert {"node1: node1", "node2: node2"} < set(run.stdout.splitlines())
    assert run.stderr.count("--out") == 1
    assert not (shell.cwd / "o").exists()
