"""The table [access]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.access.model import Lengths
from clsh.access.settings import Settings, load
from clsh.base import config
from clsh.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "clsh.toml"
    file.write_text(text)
    return load(config.load({"CLSH_CONFIG": str(file)}))


def test_without_a_table(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Settings()


def test_every_setting(tmp_path: Path) -> None:
    text = """\
[access]
pam = "on"
pam_service = "sshd"
administrators = ["carol", "ops@example.org"]
session_idle = 600
session_length = 3600.0
socket = "owner"
"""
    assert read(tmp_path, text) == Settings(
        pam="on",
        pam_service="sshd",
        administrators=("carol", "ops@example.org"),
        lengths=Lengths(600.0, 3600.0),
        socket="owner",
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('pam = "maybe"', r"clsh.toml:2: access.pam must be one of: auto, on, off; it is 'maybe'"),
        ("pam = []", "one of: auto, on, off"),
        ('pam_service = "../other"', "the name of a file in /etc/pam.d"),
        ("pam_service = 5", "the name of a file in /etc/pam.d"),
        ('administrators = "carol"', "a list of login names"),
        ('administrators = ["-x"]', "a list of login names"),
        ("session_idle = 59", "a number of seconds from 60"),
        ("session_idle = true", "a number of seconds from 60"),
        ('session_length = "1d"', "a number of seconds from 60"),
        ('socket = "all"', "one of: auto, owner, everybody"),
        ("sessions = 5", "unknown key"),
    ],
)
def test_wrong_ones_are_told(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(tmp_path, f"[access]\n{line}\n")


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="access must be a table"):
        read(tmp_path, "access = 5\n")
