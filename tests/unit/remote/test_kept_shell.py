"""Kept shells, over the local transport: what people type must do what they expect."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.base.errors import ClshError, NodeError, UsageError
from clsh.nodes.model import Node, node_name
from clsh.remote import kept_shell
from clsh.remote.kept_shell import KeptShell, _Cutter
from clsh.remote.transport import Command, Exit, TransportOptions
from clsh.remote.transports import local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clsh.base.errors import NodeLostError
    from clsh.remote.transport import Session, Sink, Stream

SHELLS = [name for name in ("bash", "dash", "zsh", "ksh", "ksh93", "mksh") if shutil.which(name)]
if shutil.which("busybox"):
    SHELLS.append("ash")

BUSY = "while :; do :; done; echo after"


class Kept:
    """A sink that keeps all, and can be slow or fail."""

    def __init__(self, wait_s: float = 0, error: Exception | None = None) -> None:
        self.out = b""
        self.err = b""
        self._wait_s = wait_s
        self._error = error

    def write(self, stream: Stream, data: bytes) -> asyncio.Future[None] | None:
        if self._error is not None:
            raise self._error
        if stream == "stdout":
            self.out += data
        else:
            self.err += data
        return asyncio.ensure_future(asyncio.sleep(self._wait_s)) if self._wait_s else None


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    transport = local.build(TransportOptions())
    session = await transport.open(Node(node_name("here"), "here"), 5)
    yield session
    await session.aclose()
    await transport.aclose()


def use(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `name` the login shell."""
    if name == "ash":
        (tmp_path / "ash").symlink_to(shutil.which("busybox") or "")
        monkeypatch.setenv("SHELL", str(tmp_path / "ash"))
    else:
        monkeypatch.setenv("SHELL", shutil.which(name) or name)


@pytest.fixture(params=SHELLS)
async def shell(
    request: pytest.FixtureRequest,
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[KeptShell]:
    use(request.param, tmp_path, monkeypatch)
    shell = await KeptShell.start(session)
    yield shell
    await shell.aclose()


@pytest.fixture
async def sh(session: Session, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KeptShell]:
    monkeypatch.setenv("SHELL", "/bin/sh")
    shell = await KeptShell.start(session)
    yield shell
    await shell.aclose()


async def answer(shell: KeptShell, line: str) -> tuple[int, bytes, bytes]:
    kept = Kept()
    exit_ = await shell.run(line, kept)
    return exit_.code, kept.out, kept.err


async def out(shell: KeptShell, line: str) -> bytes:
    code, stdout, stderr = await answer(shell, line)
    assert (code, stderr) == (0, b"")
    return stdout


async def until(holds: Callable[[], bool], within_s: float = 5) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "did not come about in time"
        await asyncio.sleep(0.01)


def processes(*argv: str) -> int:
    """Return how many processes have exactly this argv."""
    wanted = "\0".join(argv).encode() + b"\0"
    count = 0
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            count += entry.read_bytes() == wanted
    return count


async def test_streams_and_status_are_kept_apart(shell: KeptShell) -> None:
    assert await answer(shell, "printf out; printf err >&2; (exit 42)") == (42, b"out", b"err")


async def test_what_a_line_changes_lasts(shell: KeptShell, tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    assert await out(shell, f'cd "{folder}"; x=5; umask 027') == b""
    assert await out(shell, 'f() { echo "f $1 $x"; }; alias greet="echo hello"') == b""
    assert await out(shell, "pwd; f 7; greet world") == f"{folder}\nf 7 5\nhello world\n".encode()
    assert (await out(shell, "umask")).strip().lstrip(b"0") == b"27"


async def test_the_status_of_the_line_before_is_seen(shell: KeptShell) -> None:
    assert (await answer(shell, "(exit 42)"))[0] == 42
    assert await out(shell, "echo $?") == b"42\n"
    assert await out(shell, "echo $?") == b"0\n"


@pytest.mark.parametrize("line", ["if", 'echo "abc', "echo `", "echo )", "cat <<EOF\n$(", "for"])
async def test_a_syntax_error_is_one_failed_line(shell: KeptShell, line: str) -> None:
    code, _, stderr = await answer(shell, line)
    assert code != 0
    assert stderr
    assert await out(shell, "echo on") == b"on\n"


@pytest.mark.parametrize("line", ["echo ${nope?gone}", "set -u; echo $nope", "nosuchcommand"])
async def test_an_error_of_the_shell_does_not_end_it(shell: KeptShell, line: str) -> None:
    code, _, stderr = await answer(shell, line)
    assert code != 0
    assert b"nope" in stderr or b"nosuchcommand" in stderr
    assert await out(shell, "echo on") == b"on\n"


async def test_many_lines_and_here_documents_are_one_line(shell: KeptShell) -> None:
    loop = "for i in 1 2\ndo\n  echo $i\ndone"
    assert await out(shell, loop) == b"1\n2\n"
    assert await out(shell, "x=a; cat <<EOF\n$x 'b'\nEOF") == b"a 'b'\n"
    assert await out(shell, "echo '!!'\necho 'a\nb!c!'") == b"!!\na\nb!c!\n"


async def test_a_command_that_reads_gets_the_end_at_once(shell: KeptShell) -> None:
    assert await out(shell, "cat; read x; echo $?") == b"1\n"


async def test_redirections_do_not_outlast_their_line(shell: KeptShell, tmp_path: Path) -> None:
    target = tmp_path / "file"
    assert await out(shell, f"exec >{target}; echo hidden") == b""
    assert target.read_bytes() == b"hidden\n"
    assert await out(shell, "exec 7>&- 8>&- >&- 2>&-") == b""
    assert await out(shell, "echo seen") == b"seen\n"


async def test_commands_see_no_descriptors_of_ours(sh: KeptShell) -> None:
    listing = "ls /proc/self/fd"
    assert (await out(sh, listing)).split() == [b"0", b"1", b"2", b"3"]  # 3 is the directory


@pytest.mark.parametrize(
    ("line", "code"),
    [("exit 3", 3), ("exec true", 0), ("exec sh -c 'exit 9'", 9), ("set -e; false", 1)],
)
async def test_the_end_of_the_shell_is_told(shell: KeptShell, line: str, code: int) -> None:
    assert (await answer(shell, line))[0] == code
    assert shell.ended == Exit(code)
    with pytest.raises(NodeError, match=f"here failed: its shell ended \\({code}\\)"):
        await shell.run("true", Kept())


async def test_a_command_that_a_signal_ends_shows_its_status_alone(shell: KeptShell) -> None:
    code, stdout, stderr = await answer(shell, "echo before; sh -c 'kill -9 $$'")
    assert (code, stdout) == (137, b"before\n")
    assert b"tcsetattr" not in stderr


async def test_a_killed_shell_is_told(sh: KeptShell) -> None:
    assert await sh.run("kill -9 $$", Kept()) == Exit(signal="KILL")


async def test_a_background_job_does_not_hold_up_its_line(shell: KeptShell) -> None:
    started = time.monotonic()
    assert (await answer(shell, "sleep 5 &"))[:2] == (0, b"")
    assert await out(shell, "echo on") == b"on\n"
    assert time.monotonic() - started < 2


async def test_what_comes_between_lines_goes_to_idle(session: Session) -> None:
    idle = Kept()
    shell = await KeptShell.start(session, idle)
    assert (await answer(shell, "(sleep 0.2; echo late) &"))[1] == b""
    await until(lambda: idle.out == b"late\n")
    await shell.aclose()


async def test_bytes_come_as_they_are(sh: KeptShell, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096 + b"\x1e\x1f\x1e no newline"
    source = tmp_path / "bytes"
    source.write_bytes(data)
    kept = Kept(wait_s=0.001)
    await sh.run(f"cat '{source}'; cat '{source}' >&2", kept)
    assert kept.out == data
    assert kept.err == data


async def test_a_line_of_odd_bytes_arrives_as_it_is(sh: KeptShell) -> None:
    assert await out(sh, "printf %s '\udcff한\t\\n'") == b"\xff\xed\x95\x9c\t\\n"


async def test_output_cannot_forge_a_marker(shell: KeptShell) -> None:
    assert shell._token[0].isalpha()  # a digit would be read into the octal byte before it
    # All that the shell can tell of itself: its functions, variables and what it was sent.
    await answer(shell, "set -x; set; set +x; alias; trap; echo $_; cat /proc/$$/environ")
    assert await out(shell, "tr '\\0' ' ' </proc/$$/cmdline | grep -c " + shell._token + "; :") == (
        b"0\n"
    )
    assert await out(shell, f"printf '\\036{shell._token[:-1]} 9 0\\037'") == (
        b"\x1e" + shell._token[:-1].encode() + b" 9 0\x1f"
    )


@pytest.mark.parametrize("name", ["fish", "csh", "nologin"])
async def test_other_login_shells_get_sh(
    name: str, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the choice is tested here: such a login shell runs `exec /bin/sh -c` as any does."""
    (tmp_path / name).write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec /bin/sh -c "$2"\necho I am {name}\n'
    )
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("SHELL", str(tmp_path / name))
    shell = await KeptShell.start(session)
    assert await out(shell, "echo on") == b"on\n"
    await shell.aclose()


async def test_no_start_up_file_is_read(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".bashrc", ".kshrc", ".mkshrc", ".zshrc", ".shrc"):
        (tmp_path / "home" / name).write_text("echo talkative; exit 5\n")
    monkeypatch.setenv("ENV", str(tmp_path / "home/.shrc"))
    monkeypatch.setenv("TMOUT", "1")
    for name in SHELLS:
        use(name, tmp_path, monkeypatch)
        shell = await KeptShell.start(session)
        assert await out(shell, "echo ${ENV-none} ${TMOUT:-0}") == b"none 0\n"
        await shell.aclose()
    assert not [p for p in (tmp_path / "home").iterdir() if "hist" in p.name]


async def test_a_node_without_a_shell_is_told() -> None:
    with pytest.raises(NodeError, match=r"here failed: no shell could be kept open \(exit 127\)"):
        await KeptShell.start(FakeSession(Exit(127)))


async def test_a_nul_byte_is_refused(sh: KeptShell) -> None:
    with pytest.raises(UsageError, match="NUL"):
        await sh.run("echo \0", Kept())
    assert await out(sh, "echo on") == b"on\n"


async def test_one_line_at_a_time(sh: KeptShell) -> None:
    first = asyncio.create_task(sh.run("sleep 0.3", Kept()))
    await asyncio.sleep(0)
    with pytest.raises(ClshError, match="one line at a time"):
        await sh.run("true", Kept())
    assert await first == Exit(0)


async def test_a_failing_sink_ends_the_shell(sh: KeptShell) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="disk full"):
            await sh.run("echo x; sleep 1000", Kept(error=OSError("disk full")))


@pytest.mark.parametrize(
    "line",
    [
        "sleep 1017; echo after",
        "while :; do sleep 0.05; done; echo after",
        BUSY,
        "sleep 1017 | cat; echo after",
        "f() { while :; do sleep 1017; done; }; f; echo after",
        "(sleep 1017; echo in); echo after",
        "timeout 1018 sleep 1017",
    ],
)
async def test_interrupt_ends_the_line_and_nothing_else(
    shell: KeptShell, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_shell, "_STAGES", (*(("INT", 2.0),) * 5, ("END", 1.0)))
    if line == BUSY and Path(os.environ["SHELL"]).name == "ash":
        line = "while :; do sleep 0.01; done"  # busybox may lock up where it is interrupted
    assert await out(shell, "cd /usr; v=9") == b""
    kept = Kept()
    running = asyncio.create_task(shell.run(line, kept))
    await asyncio.sleep(0.15)
    await shell.interrupt()
    exit_ = await asyncio.wait_for(running, 1)
    assert exit_.code != 0
    assert (kept.out, kept.err) == (b"", b"")
    assert await out(shell, "pwd; echo $v") == b"/usr\n9\n"
    await until(lambda: processes("sleep", "1017") == 0)


@pytest.mark.parametrize("name", [n for n in SHELLS if n != "ksh93"])
async def test_interrupt_spares_background_jobs(
    name: str, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_shell, "_STAGES", (("INT", 0.2), ("TERM", 0.2), ("KILL", 10.0)))
    use(name, tmp_path, monkeypatch)
    shell = await KeptShell.start(session)
    await answer(shell, "sleep 1019 &")
    stubborn = "trap '' INT TERM; while :; do sleep 0.1; done"
    running = asyncio.create_task(shell.run(f'/bin/sh -c "{stubborn}"', Kept()))
    await asyncio.sleep(0.15)
    await shell.interrupt()
    assert (await asyncio.wait_for(running, 1)).code != 0
    assert processes("sleep", "1019") == 1
    assert await out(shell, "echo on; kill $!") == b"on\n"
    await shell.aclose()


@pytest.mark.parametrize("hidden", ["/children", "/proc/"])
async def test_interrupt_finds_all_on_other_kernels_too(
    sh: KeptShell, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    monkeypatch.setattr(kept_shell, "_STOP", kept_shell._STOP.replace(hidden, "/nowhere/"))
    monkeypatch.setattr(kept_shell, "_STAGES", (("INT", 10.0),))
    running = asyncio.create_task(sh.run("timeout 1028 sleep 1027", Kept()))
    await until(lambda: processes("sleep", "1027") == 1)
    await sh.interrupt()
    await asyncio.wait_for(running, 1)
    await until(lambda: processes("sleep", "1027") == 0)
    monkeypatch.setattr(kept_shell, "_STAGES", (("KILL", 10.0),))
    running = asyncio.create_task(sh.run("timeout -s INT 1028 sleep 1027", Kept()))
    await until(lambda: processes("sleep", "1027") == 1)
    await sh.interrupt()
    assert (await asyncio.wait_for(running, 1)).code != 0
    await until(lambda: processes("sleep", "1027") == 0)


async def test_interrupt_now_kills_the_shell(shell: KeptShell) -> None:
    running = asyncio.create_task(shell.run("trap '' INT TERM; sleep 1021", Kept()))
    await asyncio.sleep(0.15)
    await shell.interrupt(now=True)
    assert await asyncio.wait_for(running, 1) == Exit(signal="KILL")
    assert shell.ended == Exit(signal="KILL")
    await until(lambda: processes("sleep", "1021") == 0)


async def test_a_shell_that_ignores_all_is_killed_at_last(
    sh: KeptShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [(stage, 0.1) for stage, _ in kept_shell._STAGES]
    monkeypatch.setattr(kept_shell, "_STAGES", short)
    running = asyncio.create_task(sh.run("trap '' INT TERM; while :; do :; done", Kept()))
    await asyncio.sleep(0.1)
    await sh.interrupt()
    assert await asyncio.wait_for(running, 1) == Exit(signal="KILL")


async def test_interrupt_of_an_idle_shell_does_nothing(sh: KeptShell) -> None:
    await sh.interrupt()
    assert await out(sh, "echo on") == b"on\n"


async def test_interrupts_in_a_hurry_never_lose_a_line(shell: KeptShell) -> None:
    for number in range(20):
        line = f"sleep 0.0{number % 10}; echo {number}"
        running = asyncio.create_task(shell.run(line, Kept()))
        await asyncio.sleep(0.004 * (number % 7))
        await shell.interrupt()
        await asyncio.wait_for(running, 3)
        assert await out(shell, f"echo {number}") == f"{number}\n".encode()


async def test_an_interrupt_of_a_long_line_leaves_nothing_of_it(shell: KeptShell) -> None:
    # Some shells read in blocks of 8 KiB and forget the block when they are interrupted.
    for size in range(8192 - 160, 8192, 16):
        running = asyncio.create_task(shell.run(f"sleep 1023 {' ' * size}", Kept()))
        await asyncio.sleep(0.02)
        await shell.interrupt()
        await asyncio.wait_for(running, 3)
        assert await answer(shell, "echo on") == (0, b"on\n", b"")


async def test_a_cancel_kills_what_runs(sh: KeptShell) -> None:
    running = asyncio.create_task(sh.run("sleep 1024", Kept()))
    await until(lambda: processes("sleep", "1024") == 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: processes("sleep", "1024") == 0)


async def test_a_slow_reader_slows_the_node(sh: KeptShell) -> None:
    slow = Kept(wait_s=0.05)
    idle_too = asyncio.create_task(sh.run("(echo a; sleep 0.05; echo b) & echo c", slow))
    assert await idle_too == Exit(0)
    assert b"c" in slow.out


async def test_a_marker_s_beginning_at_the_end_is_output(sh: KeptShell) -> None:
    kept = Kept(wait_s=0.001)
    assert await sh.run("printf 'x\\036'; exit 4", kept) == Exit(4)
    assert kept.out == b"x\x1e"


async def test_closing_kills_the_line_that_runs(sh: KeptShell) -> None:
    running = asyncio.create_task(sh.run("sleep 1025", Kept()))
    await until(lambda: processes("sleep", "1025") == 1)
    await sh.aclose()
    assert (await running).code == 255
    await sh.aclose()
    await until(lambda: processes("sleep", "1025") == 0)


async def test_closing_lets_background_jobs_go_on(sh: KeptShell) -> None:
    await answer(sh, "sleep 1026 & echo $!")
    started = time.monotonic()
    await sh.aclose()
    assert time.monotonic() - started < 2
    assert processes("sleep", "1026") == 1


class FakeSession:
    """A session whose command ends at once."""

    def __init__(self, exit_: Exit) -> None:
        self.node = Node(node_name("here"), "here")
        self._exit = exit_

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        return self._exit

    async def signal(self, name: object) -> None: ...

    async def lost(self) -> NodeLostError:
        raise NotImplementedError

    async def aclose(self) -> None: ...


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"\x1e", b"\x1eTOK", b"\x1eTOK "])),
    st.data(),
)
def test_cutting_does_not_depend_on_how_it_arrives(texts: list[bytes], data: st.DataObject) -> None:
    texts = [t.replace(b"\x1eTOK ", b"\x1eTOK_") for t in texts]
    whole = b"".join(t + b"\x1eTOK %d 0\x1f" % i for i, t in enumerate(texts)) + b"end"
    cutter = _Cutter(b"\x1eTOK ")
    outputs, markers, current = [], [], b""
    while whole:
        size = data.draw(st.integers(1, 30))
        for output, marker in cutter.cut(whole[:size]):
            current += output
            if marker is not None:
                outputs.append(current)
                markers.append(marker)
                current = b""
        whole = whole[size:]
    assert outputs == texts
    assert markers == [b"%d 0" % i for i in range(len(texts))]
    assert current + cutter.held == b"end"
