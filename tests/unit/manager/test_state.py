"""The lock and the directories of a manager."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clsh.base.errors import ClshError, NotAllowedError
from clsh.manager import state
from clsh.manager.state import Holder, Lock, RunsAlreadyError

HOLD = """
import sys, time
from pathlib import Path
from clsh.manager import state
taken = state.lock(Path(sys.argv[1]))
taken.tell(state.Holder(1234, "http://127.0.0.1:1/"))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def taken(tmp_path: Path) -> Lock:
    return state.lock(tmp_path)


def test_where_a_manager_lives(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_RUNTIME_DIR": str(tmp_path / "r")}
    own, demo = state.place(environ=environ), state.place(demo=True, environ=environ)
    assert own.directory == tmp_path / "s/clsh"
    assert own.log == tmp_path / "s/clsh/manager.log"
    assert own.socket == demo.socket == tmp_path / "r/clsh/manager.sock"
    assert (demo.directory, demo.demo) == (tmp_path / "s/clsh/demo", True)


def test_a_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = tmp_path / "a/b"
    state.private(made)
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o755)
    state.private(made)
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotAllowedError, match="not a directory of yours"):
        state.private(tmp_path / "link")


def test_a_directory_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotAllowedError) as caught:
        state.private(tmp_path)
    assert caught.value.exit_code == 11


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ClshError, match="cannot use") as caught:
        state.private(tmp_path / "file/below")
    assert "XDG_STATE_HOME" in caught.value.hint


def test_two_locks_at_once(tmp_path: Path, taken: Lock) -> None:
    taken.tell(Holder(4711, "http://127.0.0.1:8650/"))
    with pytest.raises(RunsAlreadyError, match=r"pid 4711\).* at http://127.0.0.1:8650/"):
        state.lock(tmp_path)
    assert state.holder(tmp_path) == Holder(4711, "http://127.0.0.1:8650/")
    taken.release()
    taken.release()
    assert state.holder(tmp_path) is None
    state.lock(tmp_path).release()


def test_the_pid_is_told_from_the_start(tmp_path: Path, taken: Lock) -> None:
    assert state.holder(tmp_path) == Holder(os.getpid())
    taken.release()


def test_a_lock_is_free_when_its_holder_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=-1) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunsAlreadyError, match="pid 1234"):
            state.lock(tmp_path)
        other.send_signal(signal.SIGKILL)
    assert json.loads((tmp_path / "manager.lock").read_text())["pid"] == 1234
    assert state.holder(tmp_path) is None
    state.lock(tmp_path).release()


def test_who_only_looks_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = state.lock(tmp_path)
    monkeypatch.setattr("clsh.manager.state.time.sleep", lambda _: taken.release())
    state.lock(tmp_path).release()


def test_nonsense_in_the_lock(tmp_path: Path, taken: Lock) -> None:
    (tmp_path / "manager.lock").write_text("{")
    assert state.holder(tmp_path) == Holder()
    with pytest.raises(RunsAlreadyError, match="a manager runs already, with its state in"):
        state.lock(tmp_path)
    taken.release()


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(ClshError, match="cannot open"):
        state.lock(tmp_path / "gone")
    assert state.holder(tmp_path / "gone") is None


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, what: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("clsh.manager.state.fcntl.flock", refuse)
    with pytest.raises(ClshError, match=r"cannot lock .*: Operation not supported"):
        state.lock(tmp_path)


def test_what_others_may_go_through_stays_so(tmp_path: Path) -> None:
    made = tmp_path / "run"
    for mode, kept in ((None, 0o700), (0o711, 0o711), (0o755, 0o700)):
        if mode is not None:
            made.chmod(mode)
        state.private(made, passable=True)
        assert made.stat().st_mode & 0o777 == kept
