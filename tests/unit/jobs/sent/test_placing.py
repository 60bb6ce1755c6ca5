"""Files on nodes: both scripts in a real sh, whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.clock import SystemClock
from clsh.base.errors import ClshError, DeadlineError, NodeError
from clsh.jobs.engine import EngineContext, Launch
from clsh.jobs.engines import remote
from clsh.jobs.model import Place, Request
from clsh.jobs.sent import placing
from clsh.jobs.sent.item import folder
from clsh.jobs.sent.placing import GoneError, Placing
from clsh.nodes.model import Node, node_name
from clsh.remote.quoting import in_sh
from clsh.remote.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

ME = pwd.getpwuid(os.getuid()).pw_name
HOSTILE = "-rf $(touch evil) 'x' \"y\" `z` *"


class Shop:
    """Files that were handed in, and a node that counts what it is asked to run."""

    def __init__(self, tmp_path: Path) -> None:
        self.files = tmp_path / "files"
        self.files.mkdir()
        self.spool = str(tmp_path / "a spool")
        self.calls: list[str] = []
        self.cuts = 0
        self.placing = Placing(self.path)

    def path(self, owner: str, digest: str) -> Path:
        found = self.files / digest
        found.stat()
        return found

    def at(self, *names: str) -> Path:
        return Path(self.spool, *names)

    def has(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        (self.files / digest).write_bytes(data)
        return digest

    async def run(
        self, script: str, args: Sequence[str], feed: AsyncIterator[bytes] | None, deadline_s: float
    ) -> str:
        self.calls.append("receive" if feed else "place")
        data = b"".join([piece async for piece in feed]) if feed else b""
        if feed and self.cuts:
            self.cuts -= 1
            data = data[:-1]
        line = in_sh(script, *args)
        done = await asyncio.to_thread(
            subprocess.run, ["/bin/sh", "-c", line], input=data, capture_output=True, check=False
        )
        if done.returncode:
            raise NodeError("n1", done.stderr.decode())
        return done.stdout.decode()

    async def place(self, launch: Launch) -> Path:
        await self.placing.place("n1", self.run, self.spool, launch, ME)
        return Path(folder(self.spool, launch.id))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def launch(name: str, *send: str, owner: str = ME, **request: object) -> Launch:
    asked = Request(("true",), send=send, **request)  # type: ignore[arg-type]  # fields of Request
    return Launch(name, owner, 1, 0, 1, asked, (Place("here"),))


async def test_each_attempt_has_its_own(shop: Shop) -> None:
    data = bytes(range(256)) * 3000
    one, two = shop.has(data), shop.has(b"#!/bin/sh\n")
    send = (f"{one}:{HOSTILE}", f"{two}+x:go", f"{two}:again")
    first = await shop.place(launch("q-1.0.1", *send))
    assert {path.name: path.stat().st_mode & 0o777 for path in first.iterdir()} == {
        HOSTILE: 0o600, "go": 0o700, "again": 0o600,
    }  # fmt: skip
    assert (first / HOSTILE).read_bytes() == data
    assert first.stat().st_mode & 0o777 == 0o700
    assert shop.calls == ["place", "receive", "receive", "place"]
    (first / "go").write_text("changed")
    second = await shop.place(launch("q-1.0.2", *send))
    assert (second / "go").read_bytes() == b"#!/bin/sh\n"
    assert await shop.place(launch("q-1.0.1", *send)) == first
    assert (first / "go").read_text() == "changed", "what is there is left"
    assert not list(Path.cwd().glob("evil"))


async def test_many_at_once_bring_it_once(shop: Shop) -> None:
    one = shop.has(b"x" * 100_000)
    launches = [launch(f"q-1.{n}.1", f"{one}:x") for n in range(10)]
    found = await asyncio.gather(*map(shop.place, launches))
    assert {path.joinpath("x").stat().st_size for path in found} == {100_000}
    assert shop.calls.count("receive") == 1


async def test_two_who_place_the_same_attempt(shop: Shop) -> None:
    one = shop.has(b"x")
    same = launch("q-1.0.1", f"{one}:x")
    (found, *_) = await asyncio.gather(*(shop.place(same) for _ in range(8)))
    assert [path.name for path in found.iterdir()] == ["x"]
    assert [path.name for path in found.parent.iterdir()] == ["q-1.0.1"]


async def test_half_a_file_is_none(shop: Shop) -> None:
    one = shop.has(b"x" * 1000)
    shop.cuts = 1
    with pytest.raises(NodeError, match="did not arrive whole"):
        await shop.place(launch("q-1.0.1", f"{one}:x"))
    assert not shop.at("sent").exists()
    assert [path for path in shop.at().rglob("*") if path.is_file()] == []
    assert (await shop.place(launch("q-1.0.1", f"{one}:x"))).exists()


async def test_a_copy_that_fails_leaves_nothing(shop: Shop) -> None:
    one = shop.has(b"x")
    await shop.place(launch("q-1.0.1", f"{one}:x"))
    kept = next(shop.at("files").rglob(one))
    kept.unlink()
    kept.mkdir()  # `-f` finds none, and bringing it moves it inside
    with pytest.raises(GoneError, match="go before they are used"):
        await shop.place(launch("q-1.0.2", f"{one}:x"))
    assert [path.name for path in shop.at("sent").iterdir()] == ["q-1.0.1"]


async def test_what_is_kept_no_longer(shop: Shop) -> None:
    with pytest.raises(GoneError, match="prog, which was sent along, is kept no longer"):
        await shop.place(launch("q-1.0.1", f"{'0' * 64}:prog"))


async def test_what_cannot_be_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    one = shop.has(b"x")

    def path(owner: str, digest: str) -> Path:
        raise PermissionError(13, "Permission denied")

    shop.placing = Placing(path)
    with pytest.raises(ClshError, match="cannot read x: Permission denied"):
        await shop.place(launch("q-1.0.1", f"{one}:x"))


async def test_what_was_not_used_for_long_goes(shop: Shop) -> None:
    one, two = shop.has(b"one"), shop.has(b"two")
    await shop.place(launch("q-1.0.1", f"{one}:x"))
    kept = next(shop.at("files").rglob(one))
    os.utime(kept, (1, 1))
    await shop.place(launch("q-1.0.2", f"{one}:x"))
    await shop.place(launch("q-1.0.3", f"{two}:x"))
    assert kept.exists(), "it was used"
    os.utime(kept, (1, 1))
    await shop.place(launch("q-1.0.4", f"{shop.has(b'three')}:x"))
    assert not kept.exists()


@pytest.mark.parametrize("owner", ["daemon", "nobody", "no-such-user"])
async def test_who_may_run_nothing_gets_nothing(shop: Shop, owner: str) -> None:
    """The engine then says why it does not run: `skip` is no reason of its own."""
    one = shop.has(b"x")
    await shop.place(launch("q-1.0.1", f"{one}:x", owner=owner))
    assert not shop.at().exists()


async def test_a_directory_that_cannot_be_made(shop: Shop) -> None:
    shop.at().write_text("a file")
    with pytest.raises(NodeError):
        await shop.place(launch("q-1.0.1", f"{shop.has(b'x')}:x"))


async def test_an_attempt_runs_beside_its_files(shop: Shop, tmp_path: Path) -> None:
    """Over the engine: no directory, a directory, outputs, and forgetting."""
    node = Node(node_name("here"), "here", transport="local")
    context = EngineContext(SystemClock(), [node], LocalTransport(), shop.spool, sent=shop.path)
    engine = remote.build(context)
    assert isinstance(engine, remote.Remote)
    prog = shop.has(b'#!/bin/sh\npwd; cat data; echo "$CLSH_SENT"; echo more >made\n')
    send = (f"{prog}+x:prog", f"{shop.has(b'DATA-')}:data")
    request = Request(("./prog",), send=send, output="out")
    here = Launch("q-1.0.1", ME, 1, 0, 1, request, (Place("here"),))
    away = Launch("q-2.0.1", ME, 2, 0, 1, Request(("prog",), send=send, directory="/"), here.places)
    bare = Launch("q-3.0.1", ME, 3, 0, 1, Request(("true",), directory="/"), here.places)
    gone = Launch("q-4.0.1", ME, 4, 0, 1, Request(("x",), send=(f"{'0' * 64}:x",)), here.places)
    try:
        for one in (here, away, bare):
            assert (await engine.start(one)).phase in {"running", "ended"}
        said = await engine.start(gone)
        assert (said.phase, said.reason) == (
            "refused", "x, which was sent along, is kept no longer",
        )  # fmt: skip
        assert not shop.at(gone.id).exists(), "it was not even claimed"
        for one in (here, away, bare):
            for _ in range(600):
                (said,) = await engine.ask([one])
                if said.phase == "ended":
                    break
                await asyncio.sleep(0.05)
        sent = folder(shop.spool, here.id)
        assert await engine.read(here, "output", 0, 999) == f"{sent}\nDATA-{sent}\n".encode()
        assert shop.at(sent, "made").exists()
        assert (await engine.read(away, "output", 0, 999)).splitlines()[0] == b"/"
        assert b"No such file" in await engine.read(away, "error", 0, 999)
        await engine.forget([here, away, bare])
        assert list(shop.at("sent").iterdir()) == []
    finally:
        await engine.aclose()
        shop.at("/made").unlink(missing_ok=True)


async def test_what_fails_on_a_node_is_told_as_its_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(node_name("here"), "here", transport="local")
    context = EngineContext(SystemClock(), [node], LocalTransport(), shop.spool, sent=shop.path)
    engine = remote.build(context)
    assert isinstance(engine, remote.Remote)
    one = launch("q-1.0.1", f"{shop.has(b'x')}:x")
    shop.at().mkdir()
    shop.at("sent").touch()
    try:
        with pytest.raises(NodeError, match=r"cannot create directory|File exists"):
            await engine.start(one)
        assert [said.phase for said in await engine.ask([one])] == ["absent"]
        shop.at("sent").unlink()
        with monkeypatch.context() as patched:
            patched.setattr(placing, "_PLACE_S", 0.0)
            with pytest.raises(DeadlineError, match="were not there after 0 s"):
                await engine.start(one)
        loop = await engine._known("here").open()
        known, loop.has = loop.has, None
        with pytest.raises(NodeError, match="where its spool is"):
            await engine.start(one)
        loop.has = known
        assert (await engine.start(one)).phase in {"running", "ended"}
    finally:
        await engine.aclose()


async def test_without_files_there_is_no_equivalent(tmp_path: Path) -> None:
    node = Node(node_name("here"), "here", transport="local")
    engine = remote.build(EngineContext(SystemClock(), [node], LocalTransport(), str(tmp_path)))
    one = launch("q-1.0.1", f"{'0' * 64}:x")
    assert engine.complaints(one.request) == ["files cannot be sent along here"]
    assert (await engine.start(one)).phase == "refused"


def test_scripts_are_read_once() -> None:
    assert placing._script("place.sh") is placing._script("place.sh")
