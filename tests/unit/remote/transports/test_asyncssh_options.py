"""Which options a node gets, and which nodes share them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from clsh.nodes.model import Node, node_name
from clsh.remote.transport import TransportOptions
from clsh.remote.transports._asyncssh.host_keys import DEFAULT_FILES
from clsh.remote.transports._asyncssh.options import OptionsMaker
from tests.support.sshd import keygen

if TYPE_CHECKING:
    from pathlib import Path

    import asyncssh


def node(name: str = "n1", **fields: object) -> Node:
    return Node(node_name(name), name, **fields)  # type: ignore[arg-type]  # tests name them


def maker(tmp_path: Path, config: str | None = None, **fields: object) -> OptionsMaker:
    path = tmp_path / "config"
    if config is not None:
        path.write_text(config)
    where = os.devnull if config is None else str(path)
    return OptionsMaker(TransportOptions(ssh_config=where, **fields))  # type: ignore[arg-type]  # named by tests


def reached(made: asyncssh.SSHClientConnectionOptions) -> tuple[str, int, str]:
    return made.host, made.port, made.username


def test_nodes_share_what_does_not_depend_on_them(tmp_path: Path) -> None:
    made = maker(tmp_path, "Host *\n  User bob\n  Port 2200\n", identities=())
    assert made.ready(node()) is None
    assert reached(made.make(node("n1", user="alice", port=1))) == ("n1", 1, "alice")
    second = made.ready(node("n2"))
    assert second is not None
    assert reached(second) == ("n2", 2200, "bob")
    third = made.ready(node("n3", user="carol"))
    assert third is not None
    assert reached(third) == ("n3", 2200, "carol")
    assert made.ready(node("n4", options={"identity": "/key"})) is None


@pytest.mark.parametrize(
    "config",
    [
        "Host n1\n  HostName 10.0.0.1\n  User bob\n",
        "Match host n1\n  HostName 10.0.0.1\n  User bob\n",
        "Host *\n  Include {included}\n",
        "HostName %h.lab\nUser bob\n",
    ],
)
def test_what_depends_on_the_host_is_asked_for_each(tmp_path: Path, config: str) -> None:
    included = tmp_path / "included"
    included.write_text("Host=n1\n  HostName 10.0.0.1\n  User bob\n")
    made = maker(tmp_path, config.format(included=included))
    host = "n1.lab" if "%h" in config else "10.0.0.1"
    assert reached(made.make(node("n1"))) == (host, 22, "bob")
    assert made.ready(node("n2")) is None
    again = made.ready(node("n1"))
    assert again is not None
    assert reached(again) == (host, 22, "bob")
    assert reached(made.make(node("n1", user="alice", port=5)))[1:] == (5, "alice")


def test_the_usual_files_are_read(tmp_path: Path) -> None:
    home = tmp_path / "home" / ".ssh"
    home.mkdir(parents=True)
    (home / "config").write_text("Port 2022\nInclude more/*.conf\n")
    (home / "more").mkdir()
    (home / "more" / "a.conf").write_text("Host n1\n  User bob\n")
    made = OptionsMaker(TransportOptions()).make(node("n1"))
    assert reached(made) == ("n1", 2022, "bob")


def test_a_node_may_have_a_configuration_of_its_own(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("Port 2022\n")
    made = maker(tmp_path).make(node(options={"config": str(own)}))
    assert made.port == 2022
    with pytest.raises(OSError, match="nowhere"):
        maker(tmp_path).make(node(options={"config": str(tmp_path / "nowhere")}))


def test_algorithms(tmp_path: Path) -> None:
    plain = maker(tmp_path).make(node())
    assert plain.encryption_algs[0] == b"aes128-gcm@openssh.com"
    assert b"chacha20-poly1305@openssh.com" in plain.encryption_algs
    assert b"curve25519-sha256" in plain.kex_algs[:2]
    theirs = maker(tmp_path, "Ciphers aes256-ctr\nKexAlgorithms ecdh-sha2-nistp256\n")
    made = theirs.make(node())
    assert made.encryption_algs == [b"aes256-ctr"]
    assert made.kex_algs == [b"ecdh-sha2-nistp256"]
    ours = maker(tmp_path, kex="no-such-kex,curve25519-sha256,ecdh-sha2-nistp521").make(node())
    assert ours.kex_algs == [b"curve25519-sha256", b"ecdh-sha2-nistp521"]
    less = maker(tmp_path, kex="-curve25519-sha256,no-such").make(node())
    assert b"curve25519-sha256" not in less.kex_algs
    more = maker(tmp_path, kex="+no-such").make(node())
    assert set(more.kex_algs) == set(plain.kex_algs)
    with pytest.raises(ValueError, match="none of the key exchanges 'a,b'"):
        maker(tmp_path, kex="a,b").make(node())


def test_keys_and_known_hosts(tmp_path: Path) -> None:
    first, second = keygen(tmp_path / "first"), keygen(tmp_path / "second")
    made = maker(tmp_path, identities=(str(first),))
    default = made.make(node())
    own = made.make(node(options={"identity": str(second)}))
    assert [len(options.client_keys or ()) for options in (default, own)] == [1, 1]
    keys = [(options.client_keys or ())[0].public_data for options in (default, own)]
    assert keys[0] != keys[1]
    assert made.known_hosts(node(), default) is None
    known = made.read_known_hosts(node(), default)
    assert made.known_hosts(node(), default) is known
    assert len(known.files) == len(DEFAULT_FILES)
    assert made.read_known_hosts(node(options={"known_hosts": "/x"}), own).files[0].name == "x"
    config = f"UserKnownHostsFile {tmp_path}/a {tmp_path}/b\nGlobalKnownHostsFile {tmp_path}/c\n"
    theirs = maker(tmp_path, config)
    files = theirs.read_known_hosts(node(), theirs.make(node())).files
    assert [path.name for path in files] == ["a", "b", "c"]
    # In OpenSSH `none` means that there is no file, not that anything goes.
    none = maker(tmp_path, "UserKnownHostsFile none\n")
    made_none = none.make(node())
    assert made_none.known_hosts is not None
    assert len(none.read_known_hosts(node(), made_none).files) == 2


@pytest.mark.parametrize(("every_s", "count"), [(2.0, 3), (1.0, 1), (5.0, 2)])
def test_keepalive_ends_within_its_bound(tmp_path: Path, every_s: float, count: int) -> None:
    made = maker(tmp_path, keepalive_s=every_s, keepalive_count=count).make(node())
    # asyncssh gives up at the first tick after `keepalive_count_max` requests.
    gives_up_s = float(made.keepalive_interval) * (made.keepalive_count_max + 1)
    assert gives_up_s == pytest.approx(every_s * count)


def test_what_others_write_into_known_hosts_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = keygen(tmp_path / "host").with_suffix(".pub").read_text()
    file = tmp_path / "known_hosts"
    made = maker(tmp_path, known_hosts=str(file))
    options = made.make(node())
    first = made.read_known_hosts(node(), options)
    assert not first.trust("n1", 22).keys
    file.write_text(f"n1 {public}")
    assert made.known_hosts(node(), options) is first  # looked at just before
    monkeypatch.setattr("clsh.remote.transports._asyncssh.options._LOOK_AGAIN_S", -1.0)
    assert made.known_hosts(node(), options) is None
    second = made.read_known_hosts(node(), options)
    assert second.trust("n1", 22).keys
    assert made.read_known_hosts(node(), options) is second
