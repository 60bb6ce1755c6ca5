"""Who changed what: one line each, appended, bounded, and for the owner alone."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from typing import TYPE_CHECKING

import pytest

from clsh.base import audit
from clsh.base.audit import Audit, append, stamp
from clsh.base.users import User
from tests.support.clocks import NOON, Stopped

if TYPE_CHECKING:
    from pathlib import Path

ALICE = User("alice", how="token")


async def test_a_line_for_each_act(tmp_path: Path) -> None:
    clock = Stopped()
    kept = Audit(tmp_path, clock)
    await kept.note(ALICE, "cancel", "job 12", address="10.0.0.7")
    clock.go(60)
    await kept.note("mallory", "login", outcome="wrong")
    assert await kept.read(0.0, 10) == [
        {
            "time": "2027-01-15T08:00:00.000Z", "who": "alice", "how": "token", "act": "cancel",
            "object": "job 12", "outcome": "done", "address": "10.0.0.7",
        },
        {
            "time": "2027-01-15T08:01:00.000Z", "who": "mallory", "how": "", "act": "login",
            "object": "", "outcome": "wrong", "address": "",
        },
    ]  # fmt: skip
    assert [one["act"] for one in await kept.read(NOON + 1, 10)] == ["login"]
    assert [one["act"] for one in await kept.read(0.0, 1)] == ["login"]
    assert oct(mode(tmp_path)) == "0o600"
    kept.close()


def mode(folder: Path) -> int:
    return (folder / audit.FILE_NAME).stat().st_mode & 0o777


async def test_what_somebody_says_ends_no_line(tmp_path: Path) -> None:
    kept = Audit(tmp_path, Stopped())
    await kept.note(ALICE, "login", 'x"}\n{"who": "root"\x1b[2J' + "y" * 5000)
    (line,) = await kept.read(0.0, 10)
    assert line["who"] == "alice"
    assert line["object"].startswith('x"}\n{"who": "root"')
    assert len(line["object"]) == 1000
    assert len(lines(tmp_path)) == 1


def lines(folder: Path) -> list[str]:
    return (folder / audit.FILE_NAME).read_text().splitlines()


async def test_without_a_directory_nothing_is_kept() -> None:
    kept = Audit(None, Stopped())
    await kept.note(ALICE, "login")
    assert await kept.read(0.0, 10) == []


async def test_files_are_put_aside_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_LARGEST", 300)
    monkeypatch.setattr(audit, "_OLD_FILES", 2)
    kept, clock = Audit(tmp_path, clock := Stopped()), clock
    for number in range(20):
        clock.go(1)
        await kept.note(ALICE, "act", str(number))
    assert names(tmp_path) == ["audit.log", "audit.log.1", "audit.log.2"]
    found = [int(one["object"]) for one in await kept.read(0.0, 100)]
    assert found == list(range(found[0], 20))
    assert 5 <= len(found) <= 9


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("audit*"))


async def test_what_is_none_of_our_lines_is_left_out(tmp_path: Path) -> None:
    kept = Audit(tmp_path, Stopped())
    await kept.note(ALICE, "one")
    await asyncio.to_thread(append, tmp_path / audit.FILE_NAME, b"{broken\n[1]\n\xff\n")
    await kept.note(ALICE, "two")
    assert [one["act"] for one in await kept.read(0.0, 10)] == ["one", "two"]


async def test_a_full_disk_keeps_nobody_from_acting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audit, "_write", full)
    await Audit(tmp_path, Stopped()).note(ALICE, "cancel", "job 12")
    assert "No space left" in caplog.text
    assert "job 12" in caplog.text, "the log has it then"


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "audit.log"
    append(file, b"whole\n")
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
        with pytest.raises(OSError, match="no room"):
            append(file, b"another\n")
    append(file, b"last\n")
    assert file.read_bytes() == b"whole\nlast\n"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        append(tmp_path / "audit.log", b"x\n")
    assert not (tmp_path / "elsewhere").exists()


def test_stamps_sort_as_moments_do() -> None:
    moments = [0.0, 1.0, 1.5, 999_999_999.9, 1e9, NOON]
    assert sorted(map(stamp, reversed(moments))) == list(map(stamp, moments))
    assert json.dumps(stamp(1.5)) == '"1970-01-01T00:00:01.500Z"'
