"""The command in this process, on this machine as its only node."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from clsh import __version__
from clsh.base.errors import UsageError
from clsh.cli import clsh, last_run
from clsh.nodes.model import Node, node_name

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = ["-h", "local://"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def state(tmp_path: Path) -> Path:
    return tmp_path / "home/.local/state/clsh"


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert clsh.main(["--version"]) == 0
    assert capsys.readouterr().out == f"clsh {__version__}\n"
    assert clsh.main(["--help"]) == 0
    assert "-h LIST, --hosts LIST" in capsys.readouterr().out


def test_a_command_runs(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert clsh.main([*LOCAL, "-n", "-e", "A=a  b", 'echo "$A"; exit 4']) == 3
    assert capfd.readouterr() == ("local: a  b\n", "clsh: 1 of 1 failed: local (exit 4)\n")
    assert last_run.load(state(tmp_path))[0].name == "local"
    assert clsh.main(["--failed", "-S", "-n", "exit 5"]) == 5


def test_a_script_runs_with_its_arguments(
    capfd: pytest.CaptureFixture[str], elsewhere: Path
) -> None:
    script = elsewhere / "script"
    script.write_text("#!/bin/sh\necho $# $2\ncat\n")
    (elsewhere / "input").write_text("given\n")
    fd = os.open(elsewhere / "input", os.O_RDONLY)
    kept = os.dup(0)
    os.dup2(fd, 0)
    try:
        assert clsh.main([*LOCAL, "--script", str(script), "one", "two words"]) == 0
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(fd)
    assert capfd.readouterr().out == "local: 2 two words\nlocal: given\n"


def test_a_script_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="cannot read script"):
        clsh.main([*LOCAL, "--script", "nowhere"])


def test_output_goes_into_files(elsewhere: Path, capfd: pytest.CaptureFixture[str]) -> None:
    argv = [*LOCAL, "-n", "--out", "run/", "--err=all", "echo out; echo err >&2"]
    assert clsh.main(argv) == 0
    assert (elsewhere / "run/local.out").read_text() == "out\n"
    assert (elsewhere / "all").read_text() == "local: err\n"
    assert clsh.main([*argv[:3], "--append", *argv[3:]]) == 0
    assert (elsewhere / "run/local.out").read_text() == "out\nout\n"
    assert capfd.readouterr() == ("", "")


def test_files_are_copied_there_and_back(
    elsewhere: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "file").write_text("content")
    (elsewhere / "there").mkdir()
    assert clsh.main([*LOCAL, "--copy", "file", f"{elsewhere}/there"]) == 0
    assert (elsewhere / "there/file").read_text() == "content"
    assert clsh.main([*LOCAL, "--rcopy", f"{elsewhere}/there/file", "back"]) == 0
    assert (elsewhere / "back/local/file").read_text() == "content"
    assert capfd.readouterr() == ("", "")


def test_nothing_runs_in_a_dry_run(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert clsh.main(["-h", "n[1-9]", "--batch", "2", "--dry-run", "touch", "x"]) == 0
    assert capsys.readouterr().out == "would run on 9 nodes, 2 at a time: n[1-9]\n    touch x\n"
    for argv, told in (
        (["--copy", "a", "b"], "--copy a b"),
        (["--rcopy", "a", "b"], "--rcopy a b"),
        (["--script", "s", "x"], "--script s x"),
        (["-e", "A=1", "--sudo", "id"], "sudo -u root: A=1 id"),
    ):
        assert clsh.main(["-h", "n1", "--dry-run", *argv]) == 0
        assert capsys.readouterr().out.splitlines()[1] == f"    {told}"
    assert list(elsewhere.iterdir()) == []


def test_where_the_nodes_come_from_is_said(
    elsewhere: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / ".hostfile").write_text("local://\n")
    assert clsh.main(["-n", "echo x"]) == 0
    assert capfd.readouterr() == ("local: x\n", "Note: use hostfile '.hostfile' (default)\n")


def test_failed_nodes_can_be_taken_away(tmp_path: Path) -> None:
    last_run.save(state(tmp_path), [Node(node_name("n1"), "n1")])
    with pytest.raises(UsageError, match="no node is left"):
        clsh.main(["--failed", "-x", "n1", "x"])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["x"], "--hostfile option was not given"),
        (["-h", "-x", "y"], "expected one argument"),
        (["-h", "n1", "--pass-file", "nowhere", "x"], "cannot read password file"),
    ],
)
def test_an_error_is_told_with_its_exit_status(
    argv: list[str], says: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["clsh", *argv])
    assert clsh.entry() == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("clsh: ")
    assert says in err


def test_an_interrupt_before_the_run_is_an_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(clsh, "main", interrupted)
    assert clsh.entry() == 130


def test_a_reader_that_went_away_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: object) -> int:
        raise BrokenPipeError

    kept = os.dup(1)
    monkeypatch.setattr(clsh, "main", closed)
    try:
        assert clsh.entry() == 141
    finally:
        os.dup2(kept, 1)
        os.close(kept)
