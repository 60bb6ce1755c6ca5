"""What a hostile node may send instead of an archive, and where it does not get to."""

from __future__ import annotations

import io
import re
import stat
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.remote.copy.archive import Member, Reader
from clsh.remote.transports.memory import Memory
from tests.support.copies import NODE, left_behind, make, names, run_get

if TYPE_CHECKING:
    from clsh.remote.transports.memory import Call


# --- from a hostile node


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as file:
        for info, content in members:
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return data.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    info.mode = mode
    return info


async def receive(
    into: Path, sent: bytes, header: str = "directory 755 1", status: int = 0
) -> tuple[int, str]:
    """Get `tree` from a node that sends whatever it likes."""

    async def hostile(call: Call) -> int:
        token = re.findall(r"\b[0-9a-f]{32}\b", call.command.line)[0]
        start = f"\x1e{token} {header}\x1f".encode() if header else b""
        data = b"Welcome!\n" + start + sent
        for i in range(0, len(data), 700):
            await call.write("stdout", data[i : i + 700])
        return status

    session = await Memory(default=hostile).open(NODE, 1)
    return await run_get(session, into, "tree")


@pytest.mark.parametrize(
    "bad",
    [
        [(member("../escaped"), b"x")],
        [(member("/tmp/clsh-escaped"), b"x")],
        [(member("a/../../escaped"), b"x")],
        [(member("a/..", tarfile.DIRTYPE), b"")],
        [(member("out", tarfile.SYMTYPE, ".."), b""), (member("out/escaped"), b"x")],
        [(member("out", tarfile.SYMTYPE, ".."), b""), (member("out/d", tarfile.DIRTYPE), b"")],
        [(member("x", tarfile.LNKTYPE, "../../secret"), b"")],
        [(member("x", tarfile.LNKTYPE, "/etc/passwd"), b"")],
        [
            (member("out", tarfile.SYMTYPE, ".."), b""),
            (member("x", tarfile.LNKTYPE, "out/secret"), b""),
        ],
        [(member("x", tarfile.LNKTYPE, ""), b"")],
        [(member("f"), b"x"), (member("f/g"), b"x")],
        [(member("x" * 300), b"x")],
    ],
)
async def test_nothing_is_written_outside(
    tmp_path: Path, bad: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    into = tmp_path / "into"
    (into / "node1").mkdir(parents=True)
    secret = make(into / "secret", b"secret")
    with pytest.raises(ClshError):
        await receive(into, tar(*bad))
    assert {p.name for p in into.iterdir()} == {"node1", "secret"}
    assert [p.name for p in (into / "node1").iterdir()] == ["tree"]
    assert secret.stat().st_nlink == 1
    assert not left_behind(into)


async def test_a_hard_link_to_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "into/node1").mkdir(parents=True)
    secret = make(tmp_path / "into/secret", b"secret")
    link = member("out", tarfile.SYMTYPE, "../../secret")
    sent = tar((link, b""), (member("x", tarfile.LNKTYPE, "out"), b""))
    assert await receive(tmp_path / "into", sent) == (0, "")
    assert secret.stat().st_nlink == 1
    assert (tmp_path / "into/node1/tree/x").is_symlink()


async def test_dangerous_bits_and_devices_are_dropped(tmp_path: Path) -> None:
    sent = tar(
        (member("setuid", mode=0o6755), b"x"),
        (member("dir", tarfile.DIRTYPE, mode=0o7777), b""),
        (member("disk", tarfile.BLKTYPE), b""),
        (member("null", tarfile.CHRTYPE), b""),
    )
    assert await receive(tmp_path, sent, "directory 4777 -") == (
        1,
        "left out what is neither file nor link: 'disk', 'null'\n",
    )
    tree = tmp_path / "node1/tree"
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tree, *tree.iterdir())}
    assert modes == {"tree": 0o777, "setuid": 0o755, "dir": 0o777}


async def test_a_hostile_file_gets_no_dangerous_bits(tmp_path: Path) -> None:
    assert await receive(tmp_path, b"data", "file 6711 -") == (0, "")
    assert stat.S_IMODE((tmp_path / "node1/tree").stat().st_mode) == 0o711


@pytest.mark.parametrize(
    ("sent", "header", "message"),
    [
        (b"x" * 100_000, "", "node1 sent something else than 'tree'"),
        (b"no archive" * 100, "directory 755 1", "is no tar archive"),
        (tar((member("f"), b"x" * 600))[:1536], "directory 755 1", "node1 sent only a part"),
        (member("f").tobuf(tarfile.GNU_FORMAT), "directory 755 1", "node1 sent only a part"),
        (b"", "directory 755 1", "node1 sent only a part"),
    ],
)
async def test_what_is_no_archive_is_refused(
    tmp_path: Path, sent: bytes, header: str, message: str
) -> None:
    with pytest.raises(ClshError, match=message):
        await receive(tmp_path, sent, header)
    assert not left_behind(tmp_path)


async def test_a_file_that_failed_half_way_is_dropped(tmp_path: Path) -> None:
    assert await receive(tmp_path, b"half", "file 644 1", status=1) == (1, "")
    assert not list((tmp_path / "node1").iterdir())


async def test_what_tar_could_read_is_kept(tmp_path: Path) -> None:
    assert await receive(tmp_path, tar((member("f"), b"x")), status=2) == (2, "")
    assert (tmp_path / "node1/tree/f").read_bytes() == b"x"


async def test_a_talkative_node_without_a_file_is_no_copy(tmp_path: Path) -> None:
    code, _ = await receive(tmp_path, b"", "", status=127)
    assert code == 127
    assert "node1" not in names(tmp_path)


def read(data: bytes) -> list[Member | bytes | None]:
    return list(Reader().feed(data))


@pytest.mark.parametrize("size", [0, 70_000])
def test_endless_names_are_refused(size: int) -> None:
    info = member("x", tarfile.GNUTYPE_LONGNAME)
    info.size = size
    with pytest.raises(ClshError, match="name without end"):
        read(info.tobuf(tarfile.GNU_FORMAT))


def pax(record: bytes) -> bytes:
    info = member("x", tarfile.XHDTYPE)
    info.size = len(record)
    after = member("y").tobuf(tarfile.GNU_FORMAT)
    return info.tobuf(tarfile.GNU_FORMAT) + record.ljust(512, b"\0") + after


@pytest.mark.parametrize(
    "record", [b"path=x\n", b"999 path=x\n", b"2 path=x\n", b"12 size=abc\n", b"13 mtime=abc\n"]
)
def test_bad_pax_records_are_refused(record: bytes) -> None:
    with pytest.raises(ClshError, match="no tar archive"):
        read(pax(record))


def test_sparse_files_are_refused() -> None:
    with pytest.raises(ClshError, match="sparse"):
        read(pax(b"22 GNU.sparse.major=1\n"))
    with pytest.raises(ClshError, match="sparse"):
        read(member("x", tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))


def test_global_records_are_passed_over() -> None:
    info = member("x", tarfile.XGLTYPE)
    record = b"13 path=evil\n"
    info.size = len(record)
    data = info.tobuf(tarfile.GNU_FORMAT) + record.ljust(512, b"\0")
    events = read(data + member("y").tobuf(tarfile.GNU_FORMAT))
    assert [e.name for e in events if isinstance(e, Member)] == ["y"]


@pytest.mark.parametrize("step", [1, 511, 512, 513, 5000])
def test_reading_does_not_depend_on_the_pieces(step: int) -> None:
    long = "d/" * 60 + "n" * 200
    data = tar((member(long), b"x" * 700), (member("l", tarfile.SYMTYPE, "t" * 300), b""))
    reader, events = Reader(), list[Member | bytes | None]()
    for i in range(0, len(data), step):
        events += reader.feed(data[i : i + step])
    members = [e for e in events if isinstance(e, Member)]
    assert [(m.name, m.kind, m.size, m.target) for m in members] == [
        (long, "file", 700, ""),
        ("l", "link", 0, "t" * 300),
    ]
    assert b"".join(e for e in events if isinstance(e, bytes)) == b"x" * 700
    assert reader.complete
    assert not list(reader.feed(b"what comes after the end"))
