from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base import config
from clsh.base.errors import ClshError, ConfigError, UsageError
from clsh.nodes import inventory
from clsh.nodes.model import Node, node_name

if TYPE_CHECKING:
    from collections.abc import Callable

    Loader = Callable[[str], inventory.Inventory]

LAB = """\
default = "gpu"

[defaults]
user = "alice"
port = 22

[groups]
web = "web[01-03],web02"
all = ["@web", "@hpc:compute,@rack[1-2]", "podman://box", "db:22"]
rack1 = "web01"
rack2 = "web02"

[nodes.web02]
port = 2222
address = "10.0.0.2"

[nodes."node[001-002]"]
identity = "~/.ssh/hpc"
port = 23

[nodes.node002]
port = 24

[nodes.head]
transport = "local"

[clusters.hpc]
nodes = "node[001-004],login1"
user = "root"
jump = "gw"

[clusters.hpc.groups]
gpu = "@hpc:some,node004"
some = "node001"
compute = ["node[001-004]", "@gpu"]

[clusters.old]
groups.tape = "tape1"
"""


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    def run(text: str) -> inventory.Inventory:
        file = tmp_path / "clsh.toml"
        file.write_text(text)
        book = inventory.load(config.load({"CLSH_CONFIG": str(file)}))
        assert book is not None
        return book

    return run


def names(nodes: tuple[Node, ...]) -> str:
    return " ".join(node.name for node in nodes)


def test_groups_and_clusters(load: Loader) -> None:
    book = load(LAB)
    for group, wanted in {
        "web": "web01 web02 web03",
        "hpc:gpu": "node001 node004",
        "gpu": "node001 node004",
        "compute": "node001 node002 node003 node004",
        "hpc": "node001 node002 node003 node004 login1",
        "rack[1-2]": "web01 web02",
        "rack2,rack1,rack2": "web02 web01",
        "old": "tape1",
        "all": "web01 web02 web03 node001 node002 node003 node004 box db",
    }.items():
        assert names(book.group(group)) == names(book.nodes(group)) == wanted
    assert names(book.default()) == "node001 node004"
    assert names(book.nodes()) == (
        "node001 node004 node002 node003 login1 tape1 web01 web02 web03 box db head"
    )
    assert book.clusters["login1"] == "hpc"
    assert "web01" not in book.clusters
    assert book.memberships()["node001"] == ["hpc:some", "hpc:gpu", "hpc:compute", "all"]


def test_settings_come_from_the_nearest(load: Loader) -> None:
    book = load(LAB)
    key = {"identity": str(Path("~/.ssh/hpc").expanduser())}
    assert [
        (node.host, node.user, node.port, node.jump, node.options)
        for node in map(book.node, ("node001", "node002", "node003", "web02", "web03", "box"))
        if node
    ] == [
        ("node001", "root", 23, "gw", key),
        ("node002", "root", 24, "gw", key),
        ("node003", "root", 22, "gw", {}),
        ("10.0.0.2", "alice", 2222, None, {}),
        ("web03", "alice", 22, None, {}),
        ("box", None, None, None, {"engine": "podman"}),
    ]
    assert book.node("db") == Node(node_name("db"), "db", "alice", 22)
    head = book.node("head")
    assert head is not None
    assert (head.transport, head.user) == ("local", None)
    assert book.node("nobody") is None


def test_one_host_with_several_ports_keeps_them_in_its_names(load: Loader) -> None:
    book = load('[groups]\na = "h:1,h:2,i:3"\n')
    assert names(book.group("a")) == "h:1 h:2 i"


def test_an_entry_may_be_said_once_and_named_again(load: Loader) -> None:
    book = load('[groups]\na = "bob@x"\nb = "x"\nc = "bob@x"\n')
    assert [node.user for node in book.group("b") + book.group("c")] == ["bob", "bob"]


def test_no_inventory_and_no_default(load: Loader, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[shell]\nfanout = 3\n")
    assert inventory.load(config.load({"CLSH_CONFIG": str(tmp_path / "c.toml")})) is None
    assert load('[groups]\na = "x"\n').default() == ()


def test_groups_that_are_unknown_or_ambiguous(load: Loader) -> None:
    book = load('[clusters.a.groups]\ngpu = "x"\n[clusters.b.groups]\ngpu = "y"\n')
    with pytest.raises(UsageError, match="several clusters have a group 'gpu'") as caught:
        book.group("gpu")
    assert "@a:gpu, @b:gpu" in caught.value.hint
    with pytest.raises(UsageError, match="no group 'gqu'") as caught:
        book.group("gqu")
    with pytest.raises(UsageError, match="no group 'a:gqu'") as caught:
        book.group("a:gqu")
    assert "a:gpu" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("[groups]\nweb = 3", ConfigError, ":2: groups.web must be a node set or a list"),
        ("[groups]\nweb = ['a', 3]", ConfigError, ":2: groups.web must be a node set or a list"),
        ("groups = 'a'", ConfigError, ":1: groups must be a table"),
        ("[groups]\n'a b' = 'x'", ConfigError, ":2: groups.\"a b\": bad name 'a b'"),
        ("[groups]\nweb = 'a b'", UsageError, ":2: groups.web: bad host name 'a b'"),
        ("[groups]\nweb = ''", UsageError, ":2: groups.web: an empty name"),
        ("[groups]\nweb = '@nope'", UsageError, ":2: groups.web: there is no group 'nope'"),
        ("[groups]\na = '@b'\nb = '@a'", UsageError, "groups contain each other: a -> b -> a"),
        ("[groups]\na = '@a'", UsageError, ":2: groups.a: groups contain each other: a -> a"),
        ("[groups]\na = 'x@n'\nb = 'y@n'", UsageError, ":3: groups.b: n is written in two ways"),
        ("[groups]\na = 'n[1-99999999]'", UsageError, ":2: groups.a: 'n[1-99999999]' has more"),
        ("[groups]\na = ['n[1-60000]', 'm[1-60000]']", UsageError, "groups.a: more than 100,000"),
        ("[nodes]\nx = 3", ConfigError, ":2: nodes.x must be a table"),
        ("[nodes.x]\n\nprot = 3", ConfigError, ":3: nodes.x.prot: unknown key 'prot'"),
        ("[nodes.x]\nport = '22'", ConfigError, ":2: nodes.x.port must be a number"),
        ("[nodes.x]\nport = true", ConfigError, ":2: nodes.x.port must be a number"),
        ("[nodes.x]\nuser = 3", ConfigError, ":2: nodes.x.user must be text"),
        ("[nodes.x]\nport = 70000", UsageError, ":2: nodes.x.port: bad port '70000'"),
        ("[nodes.'x/y']", UsageError, ":1: nodes.\"x/y\": bad host name 'x/y'"),
        ("[nodes.'x[1-2]']\naddress = 'y'", UsageError, "one address for 2 nodes"),
        ("[nodes.'local://']\nport = 3", UsageError, ':1: nodes."local://": local is not reached'),
        ("[nodes.'x:22']\nport = 3", UsageError, "port of x:22 is given twice"),
        ("[defaults]\naddress = 'x'", ConfigError, "unknown key 'address'"),
        ("[defaults]\njump = '-x'", UsageError, ":2: defaults.jump: bad host name '-x'"),
        ("[clusters]\nhpc = 'x'", ConfigError, ":2: clusters.hpc must be a table"),
        ("[clusters.'a b']", ConfigError, "bad name 'a b'"),
        ("[clusters.a]\nnode = 'x'", ConfigError, ":2: clusters.a.node: unknown key 'node'"),
        ("[clusters.a]\nuser = 'a b'", UsageError, ":2: clusters.a.user: bad user name"),
        (
            "[clusters.a]\nnodes = 'x'\n[clusters.b]\nnodes = 'x'",
            ConfigError,
            ":3: clusters.b: x is in cluster a as well",
        ),
        ("[clusters.a]\n[groups]\na = 'x'", ConfigError, ":3: groups.a is the name of a cluster"),
        (
            "[groups]\nweb='x'\n[clusters.a]\nnodes = '@web'",
            UsageError,
            ":4: clusters.a.nodes: there is no group 'web'",
        ),
        ("default = 3", ConfigError, ":1: default must be the name of a group"),
        ("default = 'nope'\n[groups]\na = 'x'", UsageError, ":1: default: there is no group"),
        ("gruops = 'a'", ConfigError, ":1: gruops: unknown key 'gruops'"),
    ],
)
def test_an_error_names_file_line_and_key(
    load: Loader, text: str, error: type[ClshError], told: str
) -> None:
    with pytest.raises(error) as caught:
        load(text)
    assert told in str(caught.value)
    assert "clsh.toml" in str(caught.value)


def test_an_unknown_key_is_told_the_nearest(load: Loader) -> None:
    with pytest.raises(ConfigError) as caught:
        load("[nodes.x]\nprot = 3")
    assert caught.value.hint == "did you mean 'port'?"


def test_groups_that_grow_like_a_bomb_are_read_once_each(load: Loader) -> None:
    lines = [f"g{i} = '@g{i - 1},@g{i - 1}'" for i in range(1, 30)]
    book = load("\n".join(["[groups]", "g0 = 'x'", *lines]))
    assert names(book.group("g29")) == "x"


def test_groups_within_groups_end_somewhere(load: Loader) -> None:
    lines = [f"g{i} = '@g{i + 1}'" for i in range(500)]
    with pytest.raises(UsageError, match="more than 32 deep"):
        load("\n".join(["[groups]", *lines, "g500 = 'x'"]))
