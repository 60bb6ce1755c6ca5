from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.demo.launch import launch

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {"PATH": "/usr/bin:/bin"}


def test_launch_waits_for_every_word(tmp_path: Path) -> None:
    began = time.monotonic()
    script = "echo one; sleep 0.2; echo two; touch done; exec >&2; sleep 10; touch late"
    launch(["sh", "-c", f"cd {tmp_path}; {script}"], {"one", "two"}, tmp_path / "log", ENVIRON, 10)
    assert 0.2 <= time.monotonic() - began < 8  # it does not wait for the end
    assert not (tmp_path / "late").exists()


def test_what_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ClshError, match="did not start: two") as caught:
        launch(
            ["sh", "-c", "echo one; echo 1 2 3 too bad | tr ' ' '\\n' >&2"],
            {"one", "two"},
            tmp_path / "log",
            ENVIRON,
            10,
        )
    assert caught.value.hint == "3; too; bad"


def test_what_says_nothing_is_waited_for_so_long(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ClshError, match="did not start: one"):
        launch(["sleep", "10"], {"one"}, tmp_path / "log", ENVIRON, 0.2)
    assert time.monotonic() - began < 8
