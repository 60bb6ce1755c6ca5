"""Kept shells over OpenSSH's sshd: interactive talks with real nodes, interrupted and cut off."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from tests.support.demo import Demo

pytestmark = pytest.mark.namespaces


class Talk:
    """An interactive clsh whose output is read as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._text = {"out": "", "err": ""}

    def send(self, *lines: str) -> None:
        for line in lines:
            self._stdin.write(f"{line}\n")
        self._stdin.flush()

    def sees(self, text: str, seconds: float = 15, of: str = "out") -> float:
        """Wait until `text`, a regular expression, has been written; forget all up to it."""
        begun = time.monotonic()
        while not (found := re.search(text, self._text[of], re.MULTILINE)):
            left = begun + seconds - time.monotonic()
            assert left > 0, f"no {text!r} in {self._text}"
            self._read(min(left, 0.1))
        self._text[of] = self._text[of][found.end() :]
        return time.monotonic() - begun

    def quit(self) -> int:
        self.send("quit")
        return self.process.wait(10)

    @property
    def _stdin(self) -> IO[str]:
        assert self.process.stdin
        return self.process.stdin

    def _read(self, seconds: float) -> None:
        assert self.process.stdout
        assert self.process.stderr
        files = {self.process.stdout.fileno(): "out", self.process.stderr.fileno(): "err"}
        for fd in select.select(list(files), [], [], seconds)[0]:
            self._text[files[fd]] += os.read(fd, 65536).decode()


@contextmanager
def talk(demo: Demo, *options: str, nodes: str = "node[1-4]") -> Iterator[Talk]:
    pipe = subprocess.PIPE
    with demo.popen(
        "clsh", "-h", nodes, *options, "-i", stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        try:
            talking = Talk(process)
            talking.sees("^clsh> ")
            yield talking
        finally:
            process.kill()


TRANSPORTS = ["asyncssh", "openssh"]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("user", ["root", "alice"])
def test_what_a_line_changes_lasts_and_an_interrupt_ends_only_the_line(
    demo4: Demo, transport: str, user: str
) -> None:
    with talk(demo4, "--transport", transport, "-l", user) as t:
        t.send("cd /tmp; x=5", "pwd; id -un; echo $x", "!uname")
        t.sees("LOCAL: Linux")
        t.send("sleep 1051 & echo begun; timeout 1053 sleep 1052; echo after")
        for _ in range(4):
            t.sees("^node.: begun$")
        t.process.send_signal(signal.SIGINT)
        assert t.sees("^-----\nclsh> $") < 3
        for name in demo4.names:
            assert not running(demo4, name, "sleep 1052")
            assert running(demo4, name, "sleep 1051")
        t.send("pwd; kill $!; id -un; echo $x")
        for _ in range(4):
            t.sees(rf"^node\d: {user}$")
        assert t.quit() == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_lost_node_is_named_and_the_others_go_on(demo4: Demo, transport: str) -> None:
    with talk(demo4, "--transport", transport) as t:
        with demo4.without_sshd("node2"):
            t.sees("^ERROR: node2 connection lost$", 8, "err")
            t.send("uname")
            for _ in range(3):
                t.sees("^node[134]: Linux$")
            t.sees("^-----\nclsh> $")
        t.send(":reconnect", "@node2 uname")
        t.sees("^node2: Linux$")
        assert t.quit() == 0


def test_a_link_that_is_cut_is_found_by_keep_alive(demo4: Demo) -> None:
    with talk(demo4) as t, demo4.dropping("node2"):
        t.send("@node2 sleep 1000")
        t.sees("^ERROR: node2 connection lost", 8, "err")
        t.sees("^-----\nclsh> $")
        assert t.quit() == 12


def test_with_on_lost_stop_all_end(demo4: Demo) -> None:
    with talk(demo4, "--on-lost", "stop") as t:
        t.send("echo begun; sleep 1054")
        for _ in range(4):
            t.sees("begun")
        with demo4.without_sshd("node2"):
            t.sees("^ERROR: node2 connection lost", 8, "err")
            assert t.process.wait(5) == 12
    nothing_left(demo4, "sleep 1054")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGQUIT, 131)])
def test_other_signals_leave_nothing_behind(demo4: Demo, signum: int, code: int) -> None:
    with talk(demo4) as t:
        t.send("echo begun; sleep 1055")
        for _ in range(4):
            t.sees("begun")
        t.process.send_signal(signum)
        assert t.process.wait(3) == code
    nothing_left(demo4, "sleep 1055")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_copies_are_whole(demo4: Demo, transport: str, tmp_path: object) -> None:
    made = demo4.run(
        "sh", "-c",
        f"mkdir -p {tmp_path}/tree/sub; head -c 3000000 /dev/urandom >{tmp_path}/tree/sub/big; "
        f"chmod 750 {tmp_path}/tree/sub; ln -s sub/big {tmp_path}/tree/link",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    nodes = ("clsh", "-h", "node[1-4]", "--transport", transport)
    sent = demo4.run(*nodes, "--copy", f"{tmp_path}/tree", "/run/")
    assert (sent.returncode, sent.stderr) == (0, "")
    came = demo4.run(*nodes, "--rcopy", "/run/tree", f"{tmp_path}/back")
    assert (came.returncode, came.stderr) == (0, "")
    for name in demo4.names:
        compared = demo4.run("diff", "-r", f"{tmp_path}/tree", f"{tmp_path}/back/{name}/tree")
        assert (compared.returncode, compared.stdout) == (0, "")
    demo4.run(*nodes, "rm -r /run/tree")


def running(demo: Demo, name: str, words: str) -> bool:
    return bool(demo.on(name, f"pgrep -x -f '{words}'", check=False))


def nothing_left(demo4: Demo, line: str) -> None:
    """What an end of clsh leaves on the nodes is gone within 2 s."""
    deadline = time.monotonic() + 2
    while left := [name for name in demo4.names if running(demo4, name, line)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
