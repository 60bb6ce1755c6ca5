"""Whatever the login shell is, a command gets exactly the words that it was given."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clsh.base.errors import UsageError
from clsh.remote.quoting import in_sh, interpreter, quote, script_line, with_environment

if TYPE_CHECKING:
    from pathlib import Path

# Those that are not there are left out, not skipped: `make test` installs all of them.
SHELLS = [
    shell
    for shell in ("dash", "bash", "busybox sh", "zsh", "fish", "csh")
    if shutil.which(shell.split()[0])
]
HOSTILE = ["'", "\\", "\\\\", "!", "!!", "`id`", "$(id)", "$HOME", "~", "*", "^a^b", "%self", "\n",
           "a\nb", "{a,b}", "=ls", "a=b", "-n", "#", "é", "\r", "\t", '"', "\\n", "\\'", "\x01",
           "\udcff", "if", "&", ";", "|", "<", ">", "(", "@", "", " "]  # fmt: skip
words = st.lists(
    st.one_of(
        st.sampled_from(HOSTILE),
        st.lists(st.sampled_from(HOSTILE), max_size=6).map("".join),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    ),
    max_size=6,
)
real_shell = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def by(shell: str, line: str, stdin: bytes = b"", status: int = 0, **environ: str) -> list[str]:
    """Give a line to a login shell as sshd does, and return the words it printed."""
    done = subprocess.run(
        [*shell.split(), "-c", os.fsencode(line)],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, "SHELL": shutil.which(shell.split()[0]) or "", **environ},
    )
    assert (done.returncode, done.stderr) == (status, b"")
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


@pytest.mark.parametrize("shell", SHELLS)
@real_shell
@given(words)
def test_argv_goes_round(shell: str, argv: list[str]) -> None:
    printed = by(shell, quote(["/usr/bin/printf", r"%s\0", "first", *argv]))
    assert printed == ["first", *argv]


@pytest.mark.parametrize("shell", SHELLS)
@real_shell
@given(words)
def test_arguments_and_text_of_a_script_go_round(shell: str, args: list[str]) -> None:
    script = """printf '%s\\0' 'it'"'"'s!' "a\\b" "$@" """
    assert by(shell, in_sh(script, *args)) == ["it's!", "a\\b", *args]
    assert by(shell, in_sh(script + "\n", *args)) == ["it's!", "a\\b", *args]


@pytest.mark.parametrize("shell", [s for s in SHELLS if " " not in s])
@real_shell
@given(st.dictionaries(st.sampled_from(["A", "_b", "C3"]), words.map("".join), max_size=3))
def test_variables_reach_a_line_that_the_same_shell_reads(
    shell: str, environment: dict[str, str]
) -> None:
    line = quote(["/usr/bin/printenv", "-0", *environment]) if environment else "true"
    line = with_environment(f"{line} && test -n 'x' ", environment)
    assert by(shell, line) == list(environment.values())


def test_the_line_itself_is_read_by_the_login_shell_not_by_sh() -> None:
    fish = shutil.which("fish")
    if fish:
        line = with_environment("begin; printf '%s\\0' $A; end", {"A": "x y"})
        assert by("fish", line) == ["x y"]


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=8, deadline=None)
@given(words, st.integers(0, 200_000), st.binary(max_size=30))
def test_a_script_runs_with_its_arguments_and_the_input_behind_it(
    shell: str, args: list[str], padding: int, rest: bytes
) -> None:
    script = b"#!/bin/bash -e\n" + b"#" * padding + b"\nprintf '%s\\0' \"$@\"; exec tr -d '\\0'\n"
    line = script_line(script, *args)
    done = subprocess.run(
        [*shell.split(), "-c", os.fsencode(line)], input=script + rest, capture_output=True
    )
    assert done.stderr == b""
    head = b"".join(os.fsencode(arg) + b"\0" for arg in args or [""])
    assert done.stdout == head + rest.replace(b"\0", b"")


def test_a_script_leaves_nothing_behind_and_has_no_name_while_it_runs(tmp_path: Path) -> None:
    script = b'#!/usr/bin/env -S python3 -s\nimport os; print(os.listdir(os.environ["TMPDIR"]))\n'
    folder = tmp_path / "tmp"
    folder.mkdir()
    done = subprocess.run(
        ["dash", "-c", script_line(script)],
        input=script,
        capture_output=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert (done.stdout, done.stderr) == (b"[]\n", b"")
    assert not list(folder.iterdir())


def test_half_a_script_is_not_run() -> None:
    script = b"touch /nowhere/at/all\n" * 3
    done = subprocess.run(
        ["dash", "-c", script_line(script)], input=script[:30], capture_output=True
    )
    assert done.returncode == 1
    assert done.stderr == b"clsh: the script did not arrive whole\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ("/bin/sh",)),
        (b"echo hi", ("/bin/sh",)),
        (b"#! /bin/sh\t-e -u \n", ("/bin/sh", "-e -u")),
        (b"#!/usr/bin/env -S python3 -u", ("/usr/bin/env", "-S python3 -u")),
    ],
)
def test_what_a_script_is_run_by(content: bytes, expected: tuple[str, ...]) -> None:
    assert interpreter(content) == expected


@pytest.mark.parametrize("content", [b"\x7fELF\0\0", b"#!/bin/sh\r\necho", b"#!\n", b"#! "])
def test_what_is_no_script(content: bytes) -> None:
    with pytest.raises(UsageError):
        interpreter(content)


def test_refused() -> None:
    with pytest.raises(UsageError, match="NUL"):
        quote(["a\0b"])
    for name in ("", "1A", "A B", "A-B", "A;id", "A\n", "é"):
        with pytest.raises(UsageError, match="bad variable name"):
            with_environment("id", {name: "x"})


def test_plain_words_stay_readable() -> None:
    assert quote(["ls", "-l", "/tmp/a.b"]) == "ls -l /tmp/a.b"
    assert quote(["it's"]) == "'it'\"'\"'s'"
    assert quote(["a!b"]) == "'a'\\!'b'", "the csh of some systems looks into quotes"
    assert with_environment("ls | wc", {}) == "ls | wc"
