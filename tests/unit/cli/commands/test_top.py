"""`cl top` without a terminal: once, so often, as JSON; and what it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import UsageError
from clsh.cli.main import main

if TYPE_CHECKING:
    from tests.unit.cli.monitoring.manager import FakeManager

CL = str(Path(sys.executable).with_name("cl"))


@pytest.mark.parametrize("options", [[], ["--once"]])
def test_one_picture_as_a_table(
    options: list[str], manager: FakeManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", *options]) == 3
    printed = capsys.readouterr()
    head, first, second = printed.out.splitlines()
    assert head.split()[:3] == ["NODE", "STATE", "LOAD"]
    assert first.split()[:5] == ["node1", "up", "0.50", "12", "%"]
    assert second.split()[:3] == ["node2", "lost", "-"]
    assert printed.err.startswith("ERROR: node2 unreachable: connection lost\n")


def test_sorted(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    main(["top", "--once", "--sort", "node"])
    by_name = capsys.readouterr().out
    main(["top", "--once", "--sort", "DISK"])
    assert capsys.readouterr().out == by_name


def test_an_object_a_picture(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--json", "-n", "2", "--interval", "0.2"]) == 3
    pictures = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(pictures) == 2
    assert pictures[0]["at"] < pictures[1]["at"]
    assert pictures[0]["nodes"][0]["memory_used"] == 2**31
    assert pictures[0]["nodes"][0]["disk"] == 95
    assert pictures[0]["nodes"][1]["reason"] == "connection\x1b[2J lost"


def test_a_signal_ends_an_endless_one(manager: FakeManager) -> None:
    with subprocess.Popen(
        [CL, "top", "--json", "--interval", "0.2"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["nodes"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


def test_a_reader_who_leaves(manager: FakeManager) -> None:
    with subprocess.Popen(
        [CL, "top", "--json", "--interval", "0.2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    "options",
    [["-n", "0"], ["--interval", "0.1"], ["--interval", "nan"], ["--sort", "no"], ["-n", "x"]],
)
def test_what_it_refuses(options: list[str]) -> None:
    with pytest.raises(UsageError):
        main(["top", *options])


def test_without_manager_and_nodes() -> None:
    with pytest.raises(UsageError, match="no manager runs, and no nodes are named") as error:
        main(["top", "--once"])
    assert "cl up" in error.value.hint
    assert "-h node1" in error.value.hint
    with pytest.raises(UsageError, match="--hostfile option was not given"):
        main(["top", "--once", "--login", "alice"])


def test_over_ssh_without_a_manager() -> None:
    words = [CL, "top", "-h", "local://,127.0.0.1:1", "--transport", "asyncssh", "--json", "--once"]
    words += ["--interval", "0.3"]
    printed = subprocess.run(words, capture_output=True, text=True, check=False)
    assert printed.returncode == 3
    here, away = json.loads(printed.stdout)["nodes"]
    assert (here["node"], here["state"]) == ("local", "up")
    assert 0 <= here["cpu"] <= 100
    assert (away["node"], away["state"]) == ("127.0.0.1", "lost")
    assert "ERROR: 127.0.0.1 unreachable: " in printed.stderr
