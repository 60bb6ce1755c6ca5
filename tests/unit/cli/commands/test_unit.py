"""`cl unit`: a unit that systemd takes."""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import pytest

from clsh.cli.commands.unit import unit
from clsh.cli.main import main


def read(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the library's own way
    parser.read_string(text)
    return parser


def test_of_the_system() -> None:
    made = read(unit({}, root=True, command="/usr/bin/cl"))
    assert made["Service"]["Type"] == "notify"
    assert made["Service"]["ExecStart"] == "/usr/bin/cl up --foreground"
    assert made["Service"]["StateDirectory"] == made["Service"]["RuntimeDirectory"] == "clsh"
    assert made["Service"]["ProtectSystem"] == "strict"
    assert made["Unit"]["After"] == "network-online.target"
    assert made["Install"]["WantedBy"] == "multi-user.target"
    assert "ReadWritePaths" not in made["Service"]


def test_of_a_person() -> None:
    made = read(unit({}, root=False, command="/home/me/my env/cl"))
    assert made["Service"]["ExecStart"] == '"/home/me/my env/cl" up --foreground'
    assert made["Service"]["NoNewPrivileges"] == "yes"
    assert "ProtectSystem" not in made["Service"]
    assert made["Install"]["WantedBy"] == "default.target"


def test_what_the_environment_says_counts_for_the_manager_too(tmp_path: Path) -> None:
    environ = {"CLSH_CONFIG": "my.toml", "XDG_STATE_HOME": "/data/100%", "LANG": "C"}
    text = unit(environ, root=True, command="cl")
    assert f"Environment=CLSH_CONFIG={Path.cwd()}/my.toml\n" in text
    assert 'Environment="XDG_STATE_HOME=/data/100%%"\n' in text
    assert 'ReadWritePaths="-/data/100%%/clsh"\n' in text
    assert "LANG" not in text


@pytest.mark.parametrize(("uid", "control"), [(0, "systemctl "), (1000, "systemctl --user ")])
def test_where_it_belongs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], uid: int, control: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert main(["unit"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("# Made by `cl unit`")
    assert f"{control}daemon-reload" in told.err


def test_systemd_takes_it(tmp_path: Path) -> None:
    file = tmp_path / "clsh.service"
    file.write_text(unit({"CLSH_CONFIG": "/etc/a b.toml"}, root=True, command="/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    about = [line for line in done.stderr.splitlines() if "clsh.service" in line]
    assert about == []
