"""What `cl doctor` finds on the manager's machine."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from clsh.access import pam
from clsh.base.config import Config
from clsh.base.errors import ConfigError
from clsh.manager import state
from clsh.manager.doctor import machine
from clsh.manager.state import Holder, Place
from clsh.monitor.settings import Settings
from clsh.monitor.settings.values import Address
from tests.support.manager import STATUS

MB = 2**20


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "state", tmp_path / "run/manager.sock")


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(size, 0, size))


def test_all_is_well(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 100 << 30)
    settings = Settings(Address("127.0.0.1", 0), gmond_port=0, gmetad_port=0, gmetad_query_port=0)
    found = list(machine.look(settings, place, 4, runs=False))
    assert {one.grade for one in found} == {"ok"}
    assert place.directory.stat().st_mode & 0o777 == 0o700
    assert list(place.directory.iterdir()) == []
    assert len(list(machine.look(settings, place, 4, runs=True))) == len(found) - 1


def test_no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found = machine.programs()
    assert (found.grade, "openssh-client" in found.mend) == ("note", True)


def test_a_directory_that_is_not_ours(place: Place, tmp_path: Path) -> None:
    place.directory.symlink_to(tmp_path)
    (found,) = machine.directories(place, 0)
    assert found.grade == "bad"
    assert f"{place.directory} is not a directory of yours" in found.text
    assert "XDG_STATE_HOME" in found.mend


def test_a_directory_that_cannot_be_written(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    (found,) = machine.directories(place, 0)
    assert f"cannot write in {place.directory}: " in found.text
    assert found.mend == f"ls -ld {place.directory}; df -h"


@pytest.mark.parametrize(
    ("size", "limit", "grade", "mend"),
    [
        (199 * MB, 10 * MB, "bad", "du -xh"),
        (300 * MB, 1000 * MB, "note", '[monitor] store_limit = "150M"'),
        (300 * MB, 250 * MB, "ok", ""),
    ],
)
def test_room(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    limit: int,
    grade: str,
    mend: str,
) -> None:
    free(monkeypatch, size)
    found = machine.room(tmp_path, limit)
    assert found.grade == grade
    assert found.mend.startswith(mend)


def test_what_the_store_has_already_is_not_needed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 300 * MB)
    with (tmp_path / "metrics.db").open("wb") as file:
        os.truncate(file.fileno(), 800 * MB)
    assert machine.room(tmp_path, 1000 * MB).grade == "ok"


@pytest.mark.parametrize(
    ("most", "grade"), [(2255, "bad"), (2256, "ok"), (resource.RLIM_INFINITY, "ok")]
)
def test_open_files(monkeypatch: pytest.MonkeyPatch, most: int, grade: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, most))
    found = machine.limits(1000)
    assert found.grade == grade
    assert (grade == "ok") or "LimitNOFILE=2256" in found.mend


def test_ports_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as two:
        page, gmond = (each.getsockname()[1] for each in (one, two))
        settings = Settings(Address("127.0.0.1", page), gmond_port=gmond, gmetad_port=0)
        found = list(machine.ports(settings))
    assert f"port {page} on 127.0.0.1 is in use" in found[0].text
    assert (found[0].grade, found[1].grade) == ("bad", "note")
    assert f"port {gmond}: {os.strerror(errno.EADDRINUSE)}" in found[1].text
    assert found[1].mend.endswith("[monitor] gmond_port = 0")


def test_what_a_manager_says_of_itself() -> None:
    (well,) = machine.running(STATUS)
    assert well.grade == "ok"
    told = {
        **STATUS,
        "store": {"trouble": "the disk is full", "size": 0},
        "sources": [{"source": "web", "ok": False, "reason": "refused"}],
        "facts": {
            "state": "/s",
            "address": "https://head:8650/",
            "ganglia": "port 8649 is in use",
            "jobs": "jobs.db is damaged",
        },
    }
    found = list(machine.running(told))
    assert [one.grade for one in found] == ["ok", "bad", "bad", "bad", "note"]
    assert found[0].text.endswith("at https://head:8650/")
    assert [one.text for one in found[1:]] == [
        "the store: the disk is full",
        "source web: refused",
        "the jobs: jobs.db is damaged",
        "Ganglia's ports: port 8649 is in use",
    ]


def test_the_store_is_told_once() -> None:
    told = {
        **STATUS,
        "store": {"trouble": "the disk is full", "size": 0},
        "sources": [{"source": "store", "ok": False, "reason": "the disk is full"}],
    }
    assert len(list(machine.running(told))) == 2


def test_a_manager_that_does_not_answer(place: Place) -> None:
    assert machine.stopped(place).mend == "cl up"
    state.private(place.directory)
    lock = state.lock(place.directory)
    lock.tell(Holder(4711))
    found = machine.stopped(place)
    lock.release()
    assert (found.grade, found.mend) == ("bad", "kill -9 4711; cl up")


@pytest.mark.parametrize(
    ("skews", "said"),
    [
        ({"a": 60.0, "b": 60.0}, ""),  # two may be wrong as well as one
        ({"a": 60.0, "b": 60.5, "c": 61.0, "d": 0.0}, "60 s behind"),
        ({"a": -60.0, "b": -60.5, "c": -60.2, "d": 0.0}, "60 s ahead of"),
        ({"a": 0.0, "b": 0.4, "c": 90.0}, ""),
        ({"a": -90.0, "b": 30.0, "c": 90.0}, ""),
    ],
)
def test_the_clock_of_this_machine(skews: dict[str, float], said: str) -> None:
    found = machine.clock(skews)
    assert (said in found.text and found.grade == "bad") if found else not said


@pytest.mark.parametrize(
    ("said", "missing", "grade", "words"),
    [
        ("off", True, "ok", "PAM is off"),
        ("auto", False, "ok", "PAM's service clsh"),
        ("auto", True, "note", "only local users log in by password: PAM is missing"),
        ("on", True, "bad", "only local users log in by password: PAM is missing"),
    ],
)
def test_how_users_log_in(
    monkeypatch: pytest.MonkeyPatch, said: str, missing: bool, grade: str, words: str
) -> None:
    why = ConfigError("PAM is missing", hint="cp it") if missing else None
    monkeypatch.setattr(pam, "why_not", lambda _: why)
    found = machine.logins(Config(Path("clsh.toml"), tables={"access": {"pam": said}}))
    assert found.grade == grade
    assert words in found.text
    assert found.mend == ("cp it" if grade != "ok" else "")
