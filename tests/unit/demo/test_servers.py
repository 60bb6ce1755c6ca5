"""Our own SSH servers, in the test's event loop, spoken to by asyncssh."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from clsh.base import config
from clsh.demo.layer import CONTROL, PASSWORD
from clsh.demo.servers import Servers, answer, serve
from clsh.nodes import inventory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Servers]:
    made = Servers(tmp_path, ["node1", "node2"])
    await made.start()
    yield made
    await made.aclose()


async def connect(
    servers: Servers, name: str = "node1", **more: Any
) -> asyncssh.SSHClientConnection:
    folder = servers._folder
    return await asyncssh.connect(
        "127.0.0.1",
        servers.nodes[name].port,
        **{
            "username": "demo",
            "client_keys": [str(folder / "id_ed25519")],
            "known_hosts": str(folder / "known_hosts"),
            "config": None,
            "agent_path": None,
        }
        | more,
    )


async def gone(pid: int, limit_s: float = 5) -> bool:
    """Tell whether the process ends in time; a zombie has ended."""
    for _ in range(int(limit_s / 0.02)):
        with contextlib.suppress(OSError):
            stat = await asyncio.to_thread(Path(f"/proc/{pid}/stat").read_text)
            if stat.rpartition(")")[2].split()[0] != "Z":
                await asyncio.sleep(0.02)
                continue
        return True
    return False


async def test_a_command_has_its_streams_its_status_and_a_home(servers: Servers) -> None:
    async with await connect(servers) as connection:
        done = await connection.run("pwd; cat; echo bad >&2; exit 7", input="told\n")
    home = servers.nodes["node1"].home
    assert (done.stdout, done.stderr, done.exit_status) == (f"{home}\ntold\n", "bad\n", 7)


async def test_each_node_has_a_home_and_a_key_of_its_own(servers: Servers) -> None:
    homes = []
    for name in servers.nodes:
        async with await connect(servers, name) as connection:
            homes.append((await connection.run("echo $HOME $USER", env={"LANG": "C"})).stdout)
    assert len(set(homes)) == 2
    assert len({node.host_key for node in servers.nodes.values()}) == 2


async def test_what_the_client_may_set(servers: Servers) -> None:
    async with await connect(servers) as connection:
        done = await connection.run(
            "echo $LC_X$PATH", env={"LC_X": "yes", "PATH": "/nowhere"}, check=True
        )
    assert done.stdout == f"yes{os.environ['PATH']}\n"


async def test_an_end_by_a_signal_is_told(servers: Servers) -> None:
    async with await connect(servers) as connection:
        done = await connection.run("kill -9 $$")
    assert done.exit_signal
    assert done.exit_signal[0] == "KILL"


async def test_signals_reach_the_whole_process_group(servers: Servers) -> None:
    async with await connect(servers) as connection:
        process = await connection.create_process("sleep 60 & echo $!; wait")
        child = int(await process.stdout.readline())
        process.send_signal("NONSENSE")
        process.send_signal("TERM")
        done = await process.wait()
        assert done.exit_signal
        assert done.exit_signal[0] == "TERM"
        assert await gone(child)


async def test_bytes_pass_unchanged_both_ways(servers: Servers) -> None:
    data = bytes(range(256)) * 20_000
    async with await connect(servers) as connection:
        done = await connection.run("cat", input=data, encoding=None)
    assert done.stdout == data


async def test_a_command_may_leave_its_input_unread(servers: Servers) -> None:
    async with await connect(servers) as connection:
        done = await connection.run("head -c 3", input=b"x" * 3_000_000, encoding=None)
    assert done.stdout == b"xxx"


async def test_input_that_is_not_taken_is_not_read(servers: Servers) -> None:
    async with await connect(servers) as connection:
        process = await connection.create_process("sleep 60", encoding=None)
        process.stdin.write(b"x" * 8_000_000)
        await asyncio.sleep(0.3)
        (command,) = servers.nodes["node1"].commands
        assert command._input.qsize() < 200  # of 245 packets


async def test_output_that_is_not_read_is_not_kept(servers: Servers) -> None:
    async with await connect(servers) as connection:
        process = await connection.create_process("yes", encoding=None)
        process.channel.pause_reading()
        (command,) = servers.nodes["node1"].commands
        async with asyncio.timeout(20):
            while command._writable.is_set():  # noqa: ASYNC110 - it is the other side's
                await asyncio.sleep(0.02)


async def test_a_terminal(servers: Servers) -> None:
    async with await connect(servers) as connection:
        process = await connection.create_process(
            "stty size; read a; stty size; echo $a $TERM; tty; cat",
            term_type="vt100",
            term_size=(99, 33),
        )
        assert await process.stdout.readline() == "33 99\r\n"
        process.change_terminal_size(70, 20)
        process.stdin.write("word\n")
        process.stdin.write_eof()
        done = await process.wait()
    assert isinstance(done.stdout, str)
    lines = done.stdout.split("\r\n")
    assert lines[1:3] == ["20 70", "word vt100"]
    assert lines[3].startswith("/dev/")
    assert done.exit_status == 0


async def test_a_shell(servers: Servers) -> None:
    async with await connect(servers) as connection:
        done = await connection.run(None, input="echo in a shell; exit 4\n")
    assert (done.stdout, done.exit_status) == ("in a shell\n", 4)


async def test_a_home_that_is_gone_fails_the_command(servers: Servers) -> None:
    await asyncio.to_thread(servers.nodes["node1"].home.rmdir)
    async with await connect(servers) as connection:
        done = await connection.run("true")
    assert done.exit_status == 255
    assert "No such file" in str(done.stderr)


async def test_what_a_lost_connection_ran_is_ended(servers: Servers) -> None:
    async with await connect(servers) as connection:
        process = await connection.create_process("echo $$; exec sleep 60")
        pid = int(await process.stdout.readline())
        connection.abort()
    assert await gone(pid)


async def test_carol_has_a_password_and_the_others_a_key(servers: Servers) -> None:
    keyless: dict[str, Any] = {"client_keys": None, "password": PASSWORD}
    async with await connect(servers, username="carol", **keyless) as connection:
        assert (await connection.run("echo $USER")).stdout == "carol\n"
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(servers, username="carol", client_keys=None, password="guess")
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(servers, username="carol", password=None)
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(servers, username="alice", **keyless)


async def test_a_killed_node_drops_everything_and_comes_back_the_same(servers: Servers) -> None:
    node = servers.nodes["node1"]
    port = node.port
    async with await connect(servers) as connection:
        process = await connection.create_process("echo $$; exec sleep 60")
        pid = int(await process.stdout.readline())
        assert await answer(servers, "kill node1") == ""
        await asyncio.wait_for(connection.wait_closed(), 2)
    assert await gone(pid)
    assert await answer(servers, "alive") == "node1=0 node2=1"
    with pytest.raises(ConnectionRefusedError):
        await connect(servers)
    async with await connect(servers, "node2") as other:
        assert (await other.run("echo goes on")).stdout == "goes on\n"
    assert await answer(servers, "start node1") == ""
    assert await answer(servers, "start node1") == ""
    assert node.port == port
    async with await connect(servers) as connection:  # strict about the host key
        assert (await connection.run("echo back")).stdout == "back\n"


async def test_a_port_that_was_taken_meanwhile_is_told(servers: Servers) -> None:
    node = servers.nodes["node1"]
    await node.kill()
    taken = await asyncio.start_server(lambda r, w: None, "127.0.0.1", node.port)
    async with taken:
        assert (await answer(servers, "start node1")).startswith("node1: ")


async def test_the_inventory_is_one_that_clsh_reads(servers: Servers) -> None:
    folder = servers._folder

    def read() -> inventory.Inventory | None:
        return inventory.load(config.load({"CLSH_CONFIG": str(folder / "clsh.toml")}))

    found = await asyncio.to_thread(read)
    assert found
    (one, two) = found.nodes()
    assert (one.name, one.host, one.port) == ("node1", "127.0.0.1", servers.nodes["node1"].port)
    assert two.options["identity"] == str(folder / "id_ed25519")
    mode = await asyncio.to_thread(lambda: (folder / "id_ed25519").stat().st_mode)
    assert mode & 0o777 == 0o600


async def begin(folder: Path, capfd: pytest.CaptureFixture[str]) -> asyncio.Task[None]:
    """Serve one node, and return when it says that it is ready."""
    serving = asyncio.create_task(serve(folder, ["node1"]))
    for _ in range(1000):
        if capfd.readouterr().out == "ready\n":
            return serving
        await asyncio.sleep(0.01)
    raise AssertionError("not ready")


async def test_serve_runs_until_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    serving = await begin(tmp_path, capfd)

    async def say(line: str) -> str:
        reader, writer = await asyncio.open_unix_connection(tmp_path / CONTROL)
        writer.write(f"{line}\n".encode())
        said = (await reader.read()).decode()
        writer.close()
        return said

    assert await say("alive") == "node1=1"
    await say("down")
    await asyncio.wait_for(serving, 5)
    with pytest.raises(OSError, match=r"refused|No such file"):
        await say("alive")


async def test_serve_ends_at_term(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    serving = await begin(tmp_path, capfd)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 5)
