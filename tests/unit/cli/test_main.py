from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh import __version__
from clsh.base import plugins
from clsh.base.errors import ConfigError, UsageError
from clsh.cli import main

if TYPE_CHECKING:
    import argparse

CL = Path(sys.executable).with_name("cl")
# Coverage would import asyncio into what is started here.
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


class Echo:
    """A sub-command that prints its words and returns its number."""

    HELP = "prints words"

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("words", nargs="*")
        parser.add_argument("--status", type=int, default=0)

    def run(self, args: argparse.Namespace) -> int:
        if self.error:
            raise self.error
        print(*args.words)
        status: int = args.status
        return status


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Echo:
    """`cl` has two sub-commands, and only `echo` can be imported."""
    made = Echo()
    room = main.ROOMS[0]
    monkeypatch.setattr(plugins, "names", lambda of: ["demo", "echo"] if of == room else [])
    commands = {f"{room}.echo": made}
    monkeypatch.setattr(importlib, "import_module", commands.__getitem__)
    return made


def call(monkeypatch: pytest.MonkeyPatch, *argv: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cl", *argv])
    return main.entry()


def test_the_chosen_command_runs_and_gives_the_status(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "echo", "a", "b", "--status", "7") == 7
    assert capsys.readouterr().out == "a b\n"


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *argv) == 0
    out = capsys.readouterr().out
    for name in main.commands():
        assert f"\n    {name}" in out


def test_a_wrong_command_names_the_nearest(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "dmeo") == UsageError.exit_code
    assert capsys.readouterr().err == "cl: cl has no command 'dmeo'\n  did you mean 'demo'?\n"


def test_a_wrong_option_of_cl(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--nodes") == UsageError.exit_code
    assert capsys.readouterr().err.startswith("cl: '--nodes' is no option of cl\n")


@pytest.mark.parametrize("argv", [["echo", "--statu", "1"], ["echo", "--status", "x"]])
def test_a_wrong_option_of_a_command_says_where_help_is(
    argv: list[str],
    echo: Echo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, *argv) == UsageError.exit_code
    assert "cl echo --help" in capsys.readouterr().err


def test_an_error_is_told_with_its_hint_and_code(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    echo.error = ConfigError("it is bad", hint="make it good")
    assert call(monkeypatch, "echo") == ConfigError.exit_code
    assert capsys.readouterr().err == "cl: it is bad\n  make it good\n"


def test_ctrl_c(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    echo.error = KeyboardInterrupt()
    assert call(monkeypatch, "echo") == 130


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([CL], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_every_command_has_one_line_of_help() -> None:
    for name in main.commands():
        command = main._load(name)
        assert command.HELP
        assert "\n" not in command.HELP
        assert not command.HELP.endswith(".")


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"cl {__version__}\n"


def test_version_is_quick() -> None:
    took: list[float] = []
    for _ in range(100):  # the machine may be busy with other things
        began = time.perf_counter()
        done = subprocess.run(
            [CL, "--version"], capture_output=True, text=True, check=True, env=ENVIRON
        )
        took.append(time.perf_counter() - began)
        assert done.stdout == f"cl {__version__}\n"
        if took[-1] <= 0.060:
            return
    pytest.fail(f"the best of 100 took {min(took) * 1000:.0f} ms")


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["demo", "--help"], ["dmeo"]])
def test_what_is_not_needed_is_not_imported(argv: list[str]) -> None:
    code = (
        "import sys; sys.argv[0] = 'cl'\n"
        "from clsh.cli.main import entry\n"
        "try: entry()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRON,
    )
    loaded = set(done.stderr.split())
    assert "clsh.cli.main" in loaded
    slow = {"asyncio", "asyncssh", "prompt_toolkit", "ClusterShell", "subprocess", "tomllib"}
    assert not loaded & slow
    assert "argparse" not in loaded or argv != ["--version"]
