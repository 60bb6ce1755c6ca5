from __future__ import annotations

from pathlib import Path

import pytest

from clsh.base.errors import UsageError
from clsh.nodes.hostfile import parse
from clsh.nodes.model import Node, node_name

TEXT = """\
# the lab
node[1-2]   # two of them

alice@node3\tport=2222
node1
node7 user=root jump=gw,bob@gw2:23 transport=openssh identity=~/.ssh/k address=10.0.0.7\r
@web
podman://box user=root
"""


def test_every_form_of_a_line() -> None:
    nodes = parse(TEXT, "hosts", lambda name: [Node(node_name(f"{name}1"), "w")])
    assert [node.name for node in nodes] == ["node1", "node2", "node3", "node7", "web1", "box"]
    assert nodes[2] == Node(node_name("node3"), "node3", "alice", 2222)
    assert nodes[3] == Node(
        node_name("node7"),
        "10.0.0.7",
        "root",
        transport="openssh",
        jump="gw,bob@gw2:23",
        options={"identity": str(Path("~/.ssh/k").expanduser())},
    )
    assert nodes[5].user == "root"


def test_no_newline_at_the_end_and_crlf() -> None:
    assert [node.name for node in parse("a\r\nb", "hosts")] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node1\n\n-oProxyCommand=x\n", "hosts, line 3: bad host name '-oProxyCommand=x'"),
        ("node1 node2", "hosts, line 1: unknown option 'node2'"),
        ("node1 slots=4", "hosts, line 1: unknown option 'slots=4'"),
        ("node1 port=22 port=23", "hosts, line 1: port is given twice"),
        ("node1:22 port=23", "hosts, line 1: port of node1:22 is given twice"),
        ("a@node1 user=b", "hosts, line 1: user of node1 is given twice"),
        ("node1 port=x", "hosts, line 1: bad port 'x'"),
        ("node1 user=-l", "hosts, line 1: bad user name '-l'"),
        ("node1 address=a/b", "hosts, line 1: bad host name 'a/b'"),
        ("node1 jump=gw%h", "hosts, line 1: bad host name 'gw%h'"),
        ("node1 jump=[fe80::1%h]", "hosts, line 1: bad jump host"),
        ("node1 jump=gw,", "hosts, line 1: bad host name ''"),
        ("node1 transport=Open-ssh", "hosts, line 1: bad transport"),
        ("node1 transport=container", "hosts, line 1: bad transport"),
        ("node1 identity=", "hosts, line 1: bad file name ''"),
        ("node1 identity=-x", "hosts, line 1: bad file name '-x'"),
        ("node1 config=a\x1b", "hosts, line 1: bad file name"),
        ("node1 config=~no.such.user/x", "hosts, line 1: no home directory"),
        ("node[1-2] address=10.0.0.1", "hosts, line 1: one address for 2 nodes"),
        ("local:// port=22", "hosts, line 1: local is not reached over SSH: it takes no port"),
        ("podman://b jump=gw", "hosts, line 1: b is not reached over SSH: it takes no jump"),
        ("a\nnode1\x0bnode2", "hosts, line 2: bad host name"),
        ("a\nn[1-60000]\nm[1-60000]", "hosts, line 3: more than 100,000 nodes"),
        ("", "hosts names no node"),
        ("# none\n \t\r\n", "hosts names no node"),
        ("node1\nnode1 address=10.0.0.2", "hosts: two nodes have the name 'node1'"),
        ("@web", "hosts, line 1: no group 'web'"),
    ],
)
def test_an_error_names_file_and_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "hosts")
    assert message in str(caught.value)
