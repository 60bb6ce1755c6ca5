"""The log of a long-running process."""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from clsh.base import log

if TYPE_CHECKING:
    from pathlib import Path

LOGGER = logging.getLogger("clsh.test")


def test_one_line_an_event(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with log.writing(file):
        LOGGER.info("%s is lost", "node1")
        LOGGER.debug("not this")
        logging.getLogger("other").info("nor this")
        logging.getLogger("other").warning("but this")
    LOGGER.info("nor what comes after")
    first, second = file.read_text().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO clsh\.test: node1 is lost", first)
    assert second.endswith("WARNING other: but this")


def test_what_a_node_said_stays_on_its_line(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with log.writing(file):
        LOGGER.info("a\nb\x1b[2J\x9b \udc80 %s", "x" * 9000)
    (line,) = file.read_text().splitlines()
    assert r"a\nb\x1b[2J\x9b \udc80 xxx" in line
    assert line.endswith("x...")
    assert len(line) < 4100


def test_a_traceback_follows(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with log.writing(file):
        try:
            int("bad\x1b[2J")
        except ValueError:
            LOGGER.exception("it failed")
    lines = file.read_text().splitlines()
    assert lines[0].endswith("ERROR clsh.test: it failed")
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1].endswith(r"'bad\x1b[2J'")


def test_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with log.writing():
        LOGGER.warning("busy")
    assert written.getvalue() == "WARNING clsh.test: busy\n"


def test_a_closed_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    written.close()
    monkeypatch.setattr(sys, "stderr", written)
    with log.writing():
        LOGGER.warning("nobody reads")


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_LARGEST", 2000)
    with log.writing(tmp_path / "log"):
        for number in range(200):
            LOGGER.info("%d %s", number, "x" * 90)
    files = sorted(path.name for path in tmp_path.glob("log*"))
    assert files == ["log", "log.1", "log.2", "log.3"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.glob("log*"))
    assert "INFO clsh.test: 199 " in (tmp_path / "log").read_text()


def test_a_full_disk_loses_lines_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log"
    file.symlink_to("/dev/full")
    written = threading.Event()
    handle_error = log._File.handleError

    def noted(self: log._File, record: logging.LogRecord) -> None:
        handle_error(self, record)
        written.set()

    monkeypatch.setattr(log._File, "handleError", noted)
    with log.writing(file):
        LOGGER.info("lost")
        assert written.wait(10)
        file.unlink()
        LOGGER.info("kept")
    assert file.read_text().endswith("kept\n")


def test_what_the_thread_cannot_keep_up_with_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_MOST_WAITING", 2)
    go = threading.Event()
    emit = log._File.emit

    def slow(self: log._File, record: logging.LogRecord) -> None:
        go.wait(10)
        emit(self, record)

    monkeypatch.setattr(log._File, "emit", slow)
    with log.writing(tmp_path / "log"):
        for number in range(50):
            LOGGER.info("%d", number)
        go.set()
    assert 2 <= len((tmp_path / "log").read_text().splitlines()) <= 4
