from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from clsh.demo.processes import Process, ancestors, end, everyone, find, network, parse_stat, words

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

STAT = "1234 (a b) c) S 77 1 1 0 -1 4194560 9 0 0 0 0 0 0 0 20 0 1 0 5678 100 2"
IGNORING = ["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.05; done"]


def test_a_name_may_hold_spaces_and_parentheses() -> None:
    assert parse_stat(STAT) == Process(pid=1234, parent=77, start=5678)


def test_find_tells_a_later_process_by_its_start() -> None:
    me = find(os.getpid())
    assert me is not None
    assert find(me.pid, me.start) == me
    assert find(me.pid, me.start + 1) is None
    assert me.parent in ancestors(me.pid)
    assert me.pid in {one.pid for one in everyone()}


def test_a_process_that_is_gone() -> None:
    with subprocess.Popen(["true"]) as child:
        pass
    assert find(child.pid) is None
    assert words(child.pid) == []
    assert network(child.pid) is None
    assert ancestors(child.pid) == set()


def test_words_are_the_command_line() -> None:
    argv = ["sh", "-c", "echo; read x", "a word"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as child:
        assert child.stdout
        child.stdout.readline()  # an exec has a moment without a command line
        assert words(child.pid) == argv
        assert network(child.pid) == network(os.getpid())
        child.kill()


def test_end_waits_for_the_end() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        process = find(child.pid)
        assert process
        began = time.monotonic()
        assert end([process], signal.SIGTERM, 5) == []
        assert time.monotonic() - began < 2
        assert child.wait() == -signal.SIGTERM


def test_end_names_who_is_still_there() -> None:
    with subprocess.Popen(IGNORING, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        process = find(child.pid)
        assert process
        assert end([process], signal.SIGTERM, 0.1) == [process]
        assert end([process], signal.SIGKILL, 5) == []


def test_end_never_hits_another_process() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        process = find(child.pid)
        assert process
        other = Process(process.pid, process.parent, process.start - 1)
        assert end([other], signal.SIGKILL, 0.2) == []
        assert child.poll() is None
        child.kill()
    assert end([process], signal.SIGKILL, 0.2) == []  # gone by now
