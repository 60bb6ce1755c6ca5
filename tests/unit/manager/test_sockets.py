"""Sockets opened here, and those that systemd or `cl up --demo` hands over."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, ConfigError
from clsh.manager import sockets
from clsh.manager.sockets import PortBusyError
from clsh.manager.state import RunsAlreadyError

if TYPE_CHECKING:
    from pathlib import Path

TAKE = """
import json
from clsh.manager import sockets
found = sockets.handed_over()
print(json.dumps({name: str(one.getsockname()) for name, one in found.items()}))
"""
HAND = """
import json, os, socket, sys
from clsh.manager import sockets
opened = {}
for name in ("http", "gmond"):
    opened[name] = socket.create_server(("127.0.0.1", 0))
# The first one lies where the second has to go.
os.dup2(opened["http"].fileno(), 4)
first = {name: str(one.getsockname()) for name, one in opened.items()}
print(json.dumps(first), flush=True)
os.environ.update(sockets.names(opened), LISTEN_PID=str(os.getpid()))
sockets.hand_over([4, opened["gmond"].fileno()])
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


def test_a_port_that_is_free() -> None:
    with sockets.listening("127.0.0.1", 0) as one:
        assert sockets.spelled(one) == f"127.0.0.1:{one.getsockname()[1]}"
        socket.create_connection(one.getsockname()).close()


def test_ipv6_is_spelled_as_in_a_url() -> None:
    with sockets.listening("::1", 0) as one:
        assert sockets.spelled(one).startswith("[::1]:")


def test_a_port_that_is_busy() -> None:
    with sockets.listening("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        with pytest.raises(PortBusyError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            sockets.listening("127.0.0.1", port)
        assert f"sport = :{port}" in caught.value.hint
        assert "[manager] listen" in caught.value.hint
        with sockets.listening("127.0.0.1", port, others=True) as next_one:
            assert port < next_one.getsockname()[1] < port + 20


def test_an_address_that_is_not_here() -> None:
    with pytest.raises(ConfigError, match=r"there is no address 'nowhere\.invalid' here"):
        sockets.listening("nowhere.invalid", 8650)
    with pytest.raises(ClshError, match=r"cannot listen at 192\.0\.2\.1:8650"):
        sockets.listening("192.0.2.1", 8650)


def test_all_users_may_speak_to_a_socket_and_not_look_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "clsh/manager.sock"
    path.parent.mkdir(mode=0o700)
    with sockets.control(path):
        sockets.open_to(path, everybody=True)
        assert oct(path.stat().st_mode & 0o777) == "0o666"
        assert oct(path.parent.stat().st_mode & 0o777) == "0o711"
        sockets.open_to(path, everybody=False)
        assert oct(path.stat().st_mode & 0o777) == "0o600"
        assert oct(path.parent.stat().st_mode & 0o777) == "0o700"


def test_a_socket_that_lies_elsewhere_is_left_as_it_is(tmp_path: Path) -> None:
    sockets.open_to(tmp_path / "nowhere/manager.sock", everybody=True)
    (tmp_path / "file").touch()
    with pytest.raises(ClshError, match=r"cannot open .* to others"):
        sockets.open_to(tmp_path / "file/manager.sock", everybody=True)


def test_the_socket_for_cl_is_private_and_replaces_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "manager.sock"
    sockets.control(path).close()
    assert path.is_socket()
    with sockets.control(path):
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(RunsAlreadyError, match=rf"\(pid {os.getpid()}\) listens at"):
            sockets.control(path)
        assert path.exists()


def test_a_live_one_whose_queue_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manager.sock"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(str(path))
        with pytest.raises(RunsAlreadyError):
            sockets.control(path)
        for one in waiting:
            one.close()


def test_a_place_where_no_socket_can_be(tmp_path: Path) -> None:
    with pytest.raises(ClshError, match="cannot listen at"):
        sockets.control(tmp_path / "gone/manager.sock")
    with pytest.raises(ClshError, match="too long"):
        sockets.control(tmp_path / ("x" * 120))


def test_sockets_come_through_an_exec() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HAND, TAKE], capture_output=True, text=True, check=True, timeout=30
    )
    given, taken = map(json.loads, done.stdout.splitlines())
    assert taken == given


def test_nothing_is_taken_that_is_for_another_process() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http", "KEPT": "1"}
    assert sockets.handed_over(environ) == {}
    assert environ == {"KEPT": "1"}
    assert sockets.handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}) == {}


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> int:
    """A descriptor that stands for the first that is handed over: 3 is pytest's own."""
    number = os.open("/dev/null", os.O_RDONLY)
    monkeypatch.setattr(sockets, "_FIRST", number)
    return number


@pytest.mark.parametrize(
    ("given", "name"),
    [("", "http"), ("unknown", "http"), ("clsh.socket", "http"), ("gmond", "gmond")],
)
def test_names_of_tcp_sockets(third: int, given: str, name: str) -> None:
    with sockets.listening("127.0.0.1", 0) as made:
        os.dup2(made.fileno(), third)
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": given}
    found = sockets.handed_over(environ)
    assert list(found) == [name]
    found[name].close()


def test_a_unix_socket_is_that_of_cl(third: int, tmp_path: Path) -> None:
    with sockets.control(tmp_path / "s") as made:
        os.dup2(made.fileno(), third)
    found = sockets.handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
    assert list(found) == ["control"]
    assert not os.get_inheritable(found["control"].fileno())
    found["control"].close()


def test_a_descriptor_that_is_no_socket(third: int) -> None:
    with pytest.raises(ClshError, match="is no socket"):
        sockets.handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
    os.close(third)
