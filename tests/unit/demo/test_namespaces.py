from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clsh.base.errors import ClshError
from clsh.demo import namespaces
from clsh.demo.namespaces import Namespaces


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that can have namespaces."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool, path: f"/usr/sbin/{tool}")
    monkeypatch.setattr(Path, "is_mount", lambda self: str(self) == "/")
    probed(monkeypatch, 0, "")


def probed(monkeypatch: pytest.MonkeyPatch, status: int, stderr: str) -> None:
    done = subprocess.CompletedProcess([], status, "", stderr)
    monkeypatch.setattr(subprocess, "run", lambda *argv, **more: done)


def test_available() -> None:
    assert namespaces.unavailable() == ""


def test_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert namespaces.unavailable() == "this is not Linux"


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert namespaces.unavailable() == "you are not root"


def test_a_missing_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool, path: None if tool == "sshd" else tool)
    assert namespaces.unavailable() == "there is no sshd"


def test_sshd_on_a_file_system_that_nodes_would_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: str(self) in {"/", "/usr"})
    assert namespaces.unavailable() == "/usr is a file system of its own"


def test_a_kernel_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    probed(monkeypatch, 1, "unshare: unshare failed: Operation not permitted\n")
    assert namespaces.unavailable() == "unshare: unshare failed: Operation not permitted"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_nothing_runs(tmp_path: Path) -> None:
    cluster = Namespaces(tmp_path)
    assert cluster.alive() == {}
    cluster.down()
    with pytest.raises(ClshError, match="does not run"):
        cluster.enter(["true"], "/")


def test_the_environment_in_the_head() -> None:
    made = Namespaces(Path("/nowhere")).environment(
        {"HOME": "/home/me", "PATH": "/mine", "SSH_AUTH_SOCK": "/agent", "CLSH_FANOUT": "3"}
    )
    assert made == {
        "HOME": "/home/root",
        "USER": "root",
        "LOGNAME": "root",
        "PATH": f"{Path(sys.executable).parent}:/mine:/usr/sbin:/sbin",
        "CLSH_FANOUT": "3",
    }
