"""The prompt: completion and history as values, and a talk on a real terminal."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.cli.prompt import WORDS, completions, make_private, programs
from tests.support.terminal import CLSH, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = ["node1", "node2", "web01"]
COMMANDS = ["uname", "uptime", "ls"]


@pytest.mark.parametrize(
    ("before", "begun", "found"),
    [
        ("u", "u", ["uname", "uptime"]),
        ("!upt", "upt", ["uptime"]),
        ("@node1 un", "un", ["uname"]),
        ("ls | up", "up", ["uptime"]),
        ("ls; un", "un", ["uname"]),
        ("ls && un", "un", ["uname"]),
        ("ping no", "no", ["node1", "node2"]),
        ("ping ls", "ls", []),
        (":", ":", sorted(WORDS)),
        (":st", ":st", [":status"]),
        (":only no", "no", ["node1", "node2"]),
        (":only node1,w", "w", ["web01"]),
        (":fold o", "o", ["off", "on"]),
        ("@", "", NODES),
        ("@w", "w", ["web01"]),
        ("@node1,node", "node", ["node1", "node2"]),
        ("", "", []),
        ("ls ", "", []),
    ],
)
def test_completion(before: str, begun: str, found: list[str]) -> None:
    assert completions(before, NODES, lambda: COMMANDS) == (begun, found)


def test_programs_are_those_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{tmp_path}/nowhere")
    assert "mine" in programs()
    assert "cd" in programs()


def test_the_history_is_the_user_s_own(tmp_path: Path) -> None:
    file = tmp_path / "a/history"
    assert make_private(file)
    file.chmod(0o644)
    assert make_private(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(file)
    assert not make_private(tmp_path / "link")
    assert not make_private(file / "below")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    env = {"SHELL": "/bin/sh", "XDG_STATE_HOME": str(tmp_path), "PROMPT_TOOLKIT_NO_CPR": "1"}
    with Terminal([CLSH, "-h", "local://", "-i"], env=env) as terminal:
        terminal.until("clsh> ")
        yield terminal


def test_a_talk_on_a_terminal(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("echo fi''rst\r")
    terminal.until(": first")
    terminal.until("clsh> ")
    terminal.type("\x1b[A")  # up: the history
    terminal.until("clsh> echo fi''rst")
    terminal.type("\x03")  # Ctrl-C clears the line
    terminal.type(":sta\t")
    terminal.until("clsh> :status")
    terminal.type("\r")
    terminal.until("exit 0")
    terminal.type("\x04")
    assert terminal.finish() == 0
    history = tmp_path / "clsh/history"
    assert "echo fi''rst" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_interrupts_on_a_terminal(terminal: Terminal) -> None:
    terminal.type("echo be''gun; sleep 1041\r")
    terminal.until(": begun")
    terminal.type("\x03")
    terminal.until("(exit 130)")
    terminal.type("un''finished")
    terminal.until("un''finished")
    terminal.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    terminal.type("echo o''n\r")
    terminal.until(": on")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.finish() == 143


def test_what_comes_while_one_types_does_not_garble_the_line(terminal: Terminal) -> None:
    terminal.type("(sleep 0.5; echo l''ate) &\r")
    terminal.until("-----")
    terminal.type("echo ty''ped")
    terminal.until(": late")
    terminal.until("clsh> echo ty''ped")
    assert [line for line in terminal.text if "late" in line][-1].endswith(": late")
    terminal.type("\r")
    terminal.until(": typed")
    terminal.until("clsh> ")
    terminal.type("\x04")
    assert terminal.finish() == 0


def test_prompt_toolkit_is_not_needed_without_a_terminal(tmp_path: Path) -> None:
    code = (
        "import sys; from clsh.cli.clsh import main; "
        "code = main(['-h', 'local://', '-i']); "
        "print('loaded' if 'prompt_toolkit' in sys.modules else 'not loaded')"
    )
    read, write = os.pipe()
    os.write(write, b"quit\n")
    os.close(write)
    with Terminal([sys.executable, "-c", code], env={"SHELL": "/bin/sh"}, stdin=read) as terminal:
        terminal.until("not loaded")
        assert terminal.finish() == 0
    os.close(read)


def test_plain_lines_when_only_stdin_is_a_terminal(tmp_path: Path) -> None:
    script = f'"{CLSH}" -h local:// -i | cat'
    with Terminal(["/bin/sh", "-c", script], env={"SHELL": "/bin/sh"}) as terminal:
        terminal.until("clsh> ")
        terminal.type("echo ty''ped\n")
        terminal.until(": typed")
        terminal.until("clsh> ")
        terminal.type("\x03")
        time.sleep(0.2)
        terminal.type("quit\n")
        terminal.finish()
