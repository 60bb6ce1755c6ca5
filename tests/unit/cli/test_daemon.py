"""Starting a process that becomes the manager, and telling who started it."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.cli import daemon
from clsh.cli.daemon import FailedStartError, Supervisor
from clsh.manager.state import Holder, Place

if TYPE_CHECKING:
    from pathlib import Path

READY = "import os; os.write(int(os.environ['CLSH_READY_FD']), b'{%s}')"


def place(folder: Path, *, demo: bool = False) -> Place:
    return Place(folder, folder / "s", demo)


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_words_that_run_it(tmp_path: Path) -> None:
    words = daemon.argv(place(tmp_path, demo=True))
    assert words == [
        *(sys.executable, "-P", "-m", "clsh.cli.daemon"),
        *(str(tmp_path), str(tmp_path / "s"), "demo"),
    ]
    assert daemon.argv(place(tmp_path))[-1] == str(tmp_path / "s")


def test_a_start_that_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    code = """
import json, os, sys
told = {"pid": os.getpid(), "address": "x"}
seen = [os.getcwd(), os.getsid(0) == os.getpid(), os.read(0, 1) == b"", os.environ["CLSH_CONFIG"]]
seen += ["NOTIFY_SOCKET" in os.environ, os.environ["LISTEN_PID"] == str(os.getpid())]
seen += [os.environ["LISTEN_FDNAMES"], os.fstat(3).st_ino]
with open(sys.argv[1], "w") as file:
    json.dump(seen, file)
os.write(int(os.environ["CLSH_READY_FD"]), json.dumps(told).encode())
"""
    environ = {**os.environ, "CLSH_CONFIG": "my.toml", "NOTIFY_SOCKET": "/x", "LISTEN_PID": "1"}
    with socket.create_server(("127.0.0.1", 0)) as made:
        holder = daemon.launch([*program(code), str(tmp_path / "seen")], environ, {"http": made})
        number = os.fstat(made.fileno()).st_ino
    os.waitpid(holder.pid, 0)
    assert holder.address == "x"
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen == ["/", True, True, str(tmp_path / "my.toml"), False, True, "http", number]


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("raise SystemExit(10)", 10, True),
        ("pass", 1, True),
        ("import os; os.kill(os.getpid(), 15)", 143, False),
    ],
)
def test_a_start_that_fails(code: str, status: int, *, told: bool) -> None:
    with pytest.raises(FailedStartError) as caught:
        daemon.launch(program(code), os.environ, {})
    assert (caught.value.exit_code, caught.value.told) == (status, told)
    if not told:
        assert str(caught.value) == "the manager was ended by signal 15 while it started"


def test_a_program_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FailedStartError) as caught:
        daemon.launch(["/no/such/program"], os.environ, {})
    assert caught.value.exit_code == 127
    assert "cannot run /no/such/program: No such file or directory" in capfd.readouterr().err


def test_a_program_that_this_one_cannot_become() -> None:
    with pytest.raises(ClshError, match="cannot run /no/such/program: No such file"):
        daemon.become(["/no/such/program"], os.environ, {})


def test_who_gives_up_waiting_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    environ = {**os.environ, "WORD": str(writer)}
    os.set_inheritable(writer, True)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clsh.cli.daemon.os.fdopen", interrupt)
    with pytest.raises(KeyboardInterrupt):
        daemon.launch(program("import time; time.sleep(60)"), environ, {})
    os.close(writer)
    assert os.read(reader, 1) == b""  # all who held the other end are gone
    os.close(reader)
    os.waitpid(-1, 0)


def test_systemd_is_told(tmp_path: Path) -> None:
    for name in (str(tmp_path / "notify"), f"@clsh-{tmp_path.name}-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(f"\0{name[1:]}" if name[0] == "@" else name)
            systemd.settimeout(5)
            environ = {"NOTIFY_SOCKET": name}
            supervisor = Supervisor(environ, tmp_path / "log")
            assert environ == {}
            assert not supervisor.in_background
            supervisor.ready(Holder(1, "http://x/"))
            assert systemd.recv(999) == b"READY=1\nSTATUS=http://x/\n"
            supervisor.stopping()
            assert systemd.recv(999) == b"STOPPING=1\n"


def test_nobody_is_told(tmp_path: Path) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}, tmp_path / "log")
    supervisor.ready(Holder(1, ""))
    Supervisor({}, tmp_path / "log").stopping()


@pytest.mark.parametrize("writable", [True, False])
def test_what_is_left_to_say_goes_to_the_log(tmp_path: Path, *, writable: bool) -> None:
    log = tmp_path / "log" if writable else tmp_path / "gone/log"
    code = f"""
import os, sys
from pathlib import Path
from clsh.cli.daemon import Supervisor
from clsh.manager.state import Holder
supervisor = Supervisor(os.environ, Path({str(log)!r}))
assert supervisor.in_background
supervisor.ready(Holder(os.getpid(), "there"))
print("crash", file=sys.stderr, flush=True)
"""
    holder = daemon.launch(program(code), os.environ, {})
    assert holder.address == "there"
    assert os.waitpid(holder.pid, 0)[1] == 0
    assert not writable or log.read_text() == "crash\n"


def test_a_launcher_that_is_gone_is_no_matter(tmp_path: Path) -> None:
    code = """
import os
from pathlib import Path
from clsh.cli.daemon import Supervisor
from clsh.manager.state import Holder
reader, writer = os.pipe()
os.close(reader)
Supervisor({"CLSH_READY_FD": str(writer)}, Path("/dev/null")).ready(Holder())
os.kill(os.getpid(), 9)
"""
    with pytest.raises(FailedStartError) as caught:
        daemon.launch(program(code), os.environ, {})
    assert caught.value.exit_code == 137


def test_errors_of_a_start_are_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(what: Place) -> int:
        assert what == Place(tmp_path, tmp_path / "s", demo=True)
        raise ClshError("it cannot be", hint="do this")

    monkeypatch.setattr(daemon, "serve", fail)
    assert daemon.main([str(tmp_path), str(tmp_path / "s"), "demo"]) == 1
    assert capsys.readouterr().err == "cl: it cannot be\n  do this\n"
