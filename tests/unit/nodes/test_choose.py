from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base.errors import UsageError
from clsh.nodes import choose as choosing
from clsh.nodes.choose import Asked, Choice, choose
from clsh.nodes.inventory import Inventory
from clsh.nodes.model import Node, node_name

if TYPE_CHECKING:
    from pathlib import Path

Chooser = Callable[..., Choice]


def node(name: str, host: str | None = None, **more: Any) -> Node:
    return Node(node_name(name), host or name, **more)


MEMBERS = [
    node("web1", "10.0.0.1", user="www", port=2222, jump="gw", options={"identity": "/k"}),
    node("web2"),
    node("box", transport="container", options={"engine": "podman"}),
    node("head", "localhost", transport="local"),
]
BOOK = Inventory(
    {one.name: one for one in MEMBERS}, {"web": tuple(MEMBERS[:2]), "none": ()}, {}, "web"
)


@pytest.fixture
def pick(tmp_path: Path) -> Chooser:
    def run(
        environ: dict[str, str] | None = None, book: Inventory | None = None, **asked: Any
    ) -> Choice:
        return choose(Asked(**asked), environ or {}, book, tmp_path)

    return run


def names(choice: Choice) -> list[str]:
    return [one.name for one in choice.nodes]


def test_the_first_that_applies(pick: Chooser, tmp_path: Path) -> None:
    for file in ("given", "of-env", ".hostfile", "hostfile"):
        (tmp_path / file).write_text(f"from-{file.strip('.')}\n")
    environ = {"CLSH_HOSTS": "a:b", "CLSH_HOSTFILE": "of-env"}
    assert pick(environ, BOOK, hosts=["x"], hostfile="given") == Choice((node("x"),))
    assert pick(environ, BOOK, hostfile="given") == Choice((node("from-given"),))
    assert pick(environ, BOOK) == Choice((node("a"), node("b")), "Note: use CLSH_HOSTS environment")
    del environ["CLSH_HOSTS"]
    assert pick(environ, BOOK) == Choice(
        (node("from-of-env"),), "Note: use hostfile './of-env' (CLSH_HOSTFILE env)"
    )
    assert pick({}, BOOK) == Choice(
        (node("from-hostfile"),), "Note: use hostfile '.hostfile' (default)"
    )
    (tmp_path / ".hostfile").unlink()
    assert pick({}, BOOK).note == "Note: use hostfile 'hostfile' (default)"
    (tmp_path / "hostfile").unlink()
    assert pick({}, BOOK) == Choice(tuple(MEMBERS[:2]))
    with pytest.raises(UsageError) as caught:
        pick({"CLSH_HOSTS": "", "CLSH_HOSTFILE": ""})
    assert str(caught.value) == "--hostfile option was not given"
    for way in ("-h ", "--hostfile ", "CLSH_HOSTS", "CLSH_HOSTFILE", ".hostfile", "inventory"):
        assert way in caught.value.hint


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hosts", "./hosts"),
        ("./hosts", "./hosts"),
        ("sub/../hosts", "./sub/../hosts"),
        ("../HERE/hosts", "../HERE/hosts"),
        ("/ABSOLUTE/hosts", "/ABSOLUTE/hosts"),
    ],
)
def test_how_the_note_spells_the_file(pick: Chooser, tmp_path: Path, name: str, shown: str) -> None:
    (tmp_path / "hosts").write_text("a\n")
    (tmp_path / "sub").mkdir()
    place = [("/ABSOLUTE", str(tmp_path)), ("HERE", tmp_path.name)]
    for word, real in place:
        name, shown = name.replace(word, real), shown.replace(word, real)
    note = pick({"CLSH_HOSTFILE": name}).note
    assert note == f"Note: use hostfile '{shown}' (CLSH_HOSTFILE env)"


def test_a_file_name_is_shown_without_its_control_characters(pick: Chooser, tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2J").write_text("a\n")
    assert "\x1b" not in (pick({"CLSH_HOSTFILE": "a\x1b[2J"}).note or "\x1b")


def test_options_are_added_up(pick: Chooser) -> None:
    assert names(pick(book=BOOK, hosts=["a", "b,web2"], groups=["web"])) == [
        "a",
        "b",
        "web2",
        "web1",
    ]
    assert names(pick(book=BOOK, hosts=["a"], all=True)) == ["a", "web1", "web2", "box", "head"]
    assert names(pick(book=BOOK, groups=["web,web"])) == ["web1", "web2"]


def test_exclude(pick: Chooser, tmp_path: Path) -> None:
    assert names(pick(hosts=["n[1-4]"], exclude=["n2", "n[3-9]"])) == ["n1"]
    assert names(pick(hosts=["a:22,a:23,b"], exclude=["a:22"])) == ["a", "b"]
    assert names(pick(hosts=["a:22,a:23,b"], exclude=["a"])) == ["b"]
    assert names(pick(book=BOOK, all=True, exclude=["10.0.0.1"])) == ["web2", "box", "head"]
    assert names(pick(book=BOOK, all=True, exclude=["@web,box"])) == ["head"]
    assert names(pick({"CLSH_HOSTS": "a:b"}, exclude=["a"])) == ["b"]
    (tmp_path / "hosts").write_text("a port=22\nb\n")
    assert names(pick(hostfile="hosts", exclude=["a:22"])) == ["b"]
    assert names(pick(hostfile="hosts", exclude=["a:23"])) == ["a", "b"]


def test_nothing_is_left_or_named(pick: Chooser) -> None:
    with pytest.raises(UsageError, match="-x: no node is left"):
        pick(hosts=["a"], exclude=["a"])
    with pytest.raises(UsageError, match="no node is named"):
        pick(book=BOOK, groups=["none"])
    with pytest.raises(UsageError, match="-h: an empty name"):
        pick(hosts=[""])


def test_the_login_name(pick: Chooser) -> None:
    found = pick(book=BOOK, hosts=["x,bob@y,web1,web2,box,head,local://"], user="alice").nodes
    assert {one.name: one.user for one in found} == {
        "x": "alice",
        "y": "bob",
        "web1": "alice",
        "web2": "alice",
        "box": "alice",
        "head": None,
        "local": None,
    }
    assert [one.user for one in pick(book=BOOK, groups=["web"], user="al").nodes] == ["al", "al"]
    assert [one.user for one in pick(book=BOOK, user="al").nodes] == ["al", "al"]
    with pytest.raises(UsageError, match="bad user name"):
        pick(hosts=["a"], user="-l")


def test_an_entry_is_completed_by_the_inventory(pick: Chooser, tmp_path: Path) -> None:
    assert pick(book=BOOK, hosts=["web1,web1:2222,root@web1"]).nodes == (MEMBERS[0],)
    assert pick(book=BOOK, hosts=["web1:23"]).nodes == (
        node("web1", "10.0.0.1", user="www", port=23, jump="gw", options={"identity": "/k"}),
    )
    assert names(pick(book=BOOK, hosts=["web1:23,web1"])) == ["web1:23", "web1"]
    assert pick(book=BOOK, hosts=["box,head"]).nodes == (MEMBERS[2], MEMBERS[3])
    assert pick(book=BOOK, hosts=["box:22"]).nodes == (node("box", port=22),)
    (tmp_path / "hosts").write_text("web1 address=10.9.9.9 transport=openssh identity=/own\n")
    (one,) = pick(book=BOOK, hostfile="hosts").nodes
    assert (one.host, one.transport, one.options) == ("10.9.9.9", "openssh", {"identity": "/own"})
    assert one.port == 2222


def test_without_an_inventory(pick: Chooser) -> None:
    for asked, words in (
        ({"all": True}, "-a needs an inventory"),
        ({"groups": ["web"]}, "-g: group 'web' needs an inventory"),
        ({"hosts": ["@web"]}, "-h: group 'web' needs an inventory"),
    ):
        with pytest.raises(UsageError) as caught:
            pick(**asked)
        assert str(caught.value) == words
        assert "clsh.toml" in caught.value.hint


def test_an_error_names_the_option_or_variable(pick: Chooser) -> None:
    for environ, asked, where in (
        ({}, {"hosts": ["a b"]}, "-h: bad"),
        ({}, {"hosts": ["a"], "exclude": ["a b"]}, "-x: bad"),
        ({}, {"groups": ["nope"]}, "-g: there is no group 'nope'"),
        ({"CLSH_HOSTS": "a b"}, {}, "CLSH_HOSTS: bad"),
        ({"CLSH_HOSTS": "a::b"}, {}, "CLSH_HOSTS: an empty name"),
    ):
        with pytest.raises(UsageError, match=f"^{where}"):
            pick(environ, BOOK, **asked)


def test_many_lists_do_not_add_up_without_end(pick: Chooser) -> None:
    with pytest.raises(UsageError, match="-h: more than 100,000"):
        pick(hosts=["a[1-60000]", "b[1-60000]"])
    big = Inventory({f"n{i}": node(f"n{i}") for i in range(60_000)}, {}, {})
    with pytest.raises(UsageError, match="more than 100,000"):
        pick(book=big, hosts=["a[1-60000]"], all=True)


def test_files_that_cannot_be_read(
    pick: Chooser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"a\nb\n\xff\n")
    (tmp_path / "long").write_text("a" * 100)
    (tmp_path / "empty").write_text("")
    monkeypatch.setattr(choosing, "_LARGEST_FILE", 99)
    for name, told in (
        ("missing", "cannot read host file 'missing': No such file or directory"),
        ("folder", "cannot read host file 'folder': Is a directory"),
        ("\0", r"cannot read host file '\x00': embedded null byte"),
        ("bytes", "bytes, line 3: not UTF-8 text"),
        ("long", "host file 'long' is larger than"),
        ("empty", "empty names no node"),
    ):
        with pytest.raises(UsageError) as caught:
            pick(hostfile=name)
        assert told in str(caught.value)
    with pytest.raises(UsageError, match=r"host file '\./missing'"):
        pick({"CLSH_HOSTFILE": "missing"})
    (tmp_path / ".hostfile").symlink_to("nowhere")
    (tmp_path / "hostfile").write_text("a\n")
    with pytest.raises(UsageError, match=r"host file '\.hostfile'"):
        pick()


def test_a_pipe_and_a_byte_order_mark(pick: Chooser, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"\xef\xbb\xbfa\r\nb\r\n",))
    writer.start()
    assert names(pick(hostfile=str(pipe))) == ["a", "b"]
    writer.join()
