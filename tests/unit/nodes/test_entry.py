from __future__ import annotations

from typing import Any

import pytest

from clsh.base.errors import UsageError
from clsh.nodes import entry
from clsh.nodes.entry import parse, shortened, split_colons, unique, without_port
from clsh.nodes.model import Node, node_name


def plain(name: str, **more: Any) -> Node:
    return Node(node_name(name), more.pop("host", name), **more)


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("node1, b", [plain("node1"), plain("b")]),
        ("b,a,b", [plain("b"), plain("a")]),
        ("web[01-02]", [plain("web01"), plain("web02")]),
        ("alice@node1:22", [plain("node1:22", host="node1", user="alice", port=22)]),
        (
            "D\\a@b@n[1-2]:9",
            [plain(f"n{i}:9", host=f"n{i}", user="D\\a@b", port=9) for i in (1, 2)],
        ),
        ("h:[1-2]", [plain("h:1", host="h", port=1), plain("h:2", host="h", port=2)]),
        ("::1", [plain("::1")]),
        ("[::1]", [plain("::1")]),
        ("::[1-2]", [plain("::1"), plain("::2")]),
        ("root@[::1]:2222", [plain("::1.2222", host="::1", user="root", port=2222)]),
        ("::1.2222", [plain("::1.2222", host="::1", port=2222)]),
        ("[fe80::1%eth0]:22", [plain("fe80::1.22%eth0", host="fe80::1%eth0", port=22)]),
        ("fe80::1.22%eth0", [plain("fe80::1.22%eth0", host="fe80::1%eth0", port=22)]),
        ("[node1:22]", [plain("node1:22", host="node1", port=22)]),
        ("[web[1-2]:22]", [plain(f"web{i}:22", host=f"web{i}", port=22) for i in (1, 2)]),
        ("[[::1]:22]", [plain("::1.22", host="::1", port=22)]),
        ("[1-2]", [plain("1"), plain("2")]),
        ("[1-2]n[3-4]", [plain(name) for name in ("1n3", "1n4", "2n3", "2n4")]),
        ("local://", [plain("local", host="localhost", transport="local")]),
        ("[local://]", [plain("local", host="localhost", transport="local")]),
        ("podman://w", [plain("w", transport="container", options={"engine": "podman"})]),
        (
            "docker://root@w[1-2]",
            [
                plain(f"w{i}", user="root", transport="container", options={"engine": "docker"})
                for i in (1, 2)
            ],
        ),
    ],
)
def test_entries(text: str, nodes: list[Node]) -> None:
    assert parse(text) == nodes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("node1,", "empty name"),
        ("node1:port", "bad port 'port'"),
        ("node1:", "bad port ''"),
        ("node1:22:33", "bad host name 'node1:22:33'"),
        ("@", "there is no inventory"),
        ("@web", "no group 'web': there is no inventory"),
        ("ssh://node1", "bad host name 'ssh://node1'"),
        ("local://x", "bad host name 'local://x'"),
        ("podman://w:22", "bad container name 'w:22'"),
        ("podman://", "empty name"),
        ("-l@node1", "bad user name"),
        ("@node1@x", "no group"),
        ("[::1]22", "bad host name"),
        ("[::1", "without its partner"),
        ("[::1-3]", "bad host name '::1-3'"),
        ("root@[web]", "bad host name '[web]'"),
        ("::1.99999", "bad port"),
        ("node1 node2", "bad host name 'node1 node2'"),
    ],
)
def test_bad_entries(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert why in str(caught.value)
    assert caught.value.hint


def test_groups_are_looked_up() -> None:
    asked: list[str] = []

    def lookup(name: str) -> list[Node]:
        asked.append(name)
        return [plain("a"), plain("b")]

    assert parse("b,@hpc:gpu", lookup) == [plain("b"), plain("a")]
    assert asked == ["hpc:gpu"]


def test_groups_cannot_make_a_list_endless() -> None:
    many = [plain("n")] * 60_000
    with pytest.raises(UsageError, match="more than 100,000 nodes"):
        parse("@a,@b", lambda _: many)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a:b:c", ["a", "b", "c"]),
        (":a:b:", ["a", "b"]),
        ("[a:22]:[::1]:b", ["[a:22]", "[::1]", "b"]),
        ("[::1]:22:23", ["[::1]:22", "23"]),
        ("alice@[::1]:22:b", ["alice@[::1]:22", "b"]),
        ("n[1-3]:22", ["n[1-3]", "22"]),
        ("podman://a:docker://b:local://:c", ["podman://a", "docker://b", "local://", "c"]),
        ("[@hpc:gpu]:@web", ["[@hpc:gpu]", "@web"]),
    ],
)
def test_colons_of_the_environment(text: str, entries: list[str]) -> None:
    assert split_colons(text) == entries


@pytest.mark.parametrize("text", ["a::b", "::1", ":", "::", "a:b::"])
def test_two_colons_are_no_entry(text: str) -> None:
    with pytest.raises(UsageError, match="empty name") as caught:
        split_colons(text)
    assert "[::1]" in caught.value.hint


def test_the_first_of_a_name_counts() -> None:
    nodes = [plain("a", user="x"), plain("b"), plain("a", user="y")]
    assert unique(nodes) == nodes[:2]


@pytest.mark.parametrize(
    ("text", "both"),
    [
        ("web,podman://web", "'web': web and podman://web"),
        ("docker://web,podman://web", "docker://web and podman://web"),
        ("local,local://", "local and local://localhost"),
    ],
)
def test_two_machines_with_one_name_are_told_apart_by_the_user(text: str, both: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert both in str(caught.value)


def test_a_port_is_in_the_name_only_where_it_must_be() -> None:
    def names(text: str) -> list[str]:
        return [node.name for node in shortened(parse(text))]

    assert names("a:22,b") == ["a", "b"]
    assert names("a:22,a:23,b:22") == ["a:22", "a:23", "b"]
    assert names("a:22,a") == ["a:22", "a"]
    assert names("[::1]:22,[::2]:22,[::2]:23") == ["::1", "::2.22", "::2.23"]
    assert shortened(parse("x@a:22"))[0] == plain("a", user="x", port=22)


def test_without_port() -> None:
    names = ("a", "a:22", "::1", "::1.22", "fe80::1.22%eth0")
    assert [without_port(name) for name in names] == ["a", "a", "::1", "::1", "fe80::1%eth0"]


def test_located_puts_the_place_first() -> None:
    with pytest.raises(UsageError) as caught, entry.located("-h"):
        raise UsageError("bad", hint="better")
    assert (str(caught.value), caught.value.hint) == ("-h: bad", "better")
