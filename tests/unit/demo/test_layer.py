from __future__ import annotations

import subprocess

import pytest

from clsh.base.errors import UsageError
from clsh.demo import layer, namespaces

PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\nsshd:x:104:65534::/run/sshd:/bin/false\nalice:x:1:1::/:\n"
)
GROUP = "root:x:0:\nssh:x:104:\nbob:x:7:\n"


def made(openssh: tuple[int, int] = (9, 2)) -> dict[str, str]:
    files = layer.files(["node1", "node2"], PASSWD, GROUP, openssh)
    return {path: text for path, (_, text) in files.items()}


def test_names() -> None:
    assert layer.node_names(3) == ["node1", "node2", "node3"]
    assert len(layer.node_names(layer.MOST_NODES)) == layer.MOST_NODES


@pytest.mark.parametrize("count", [0, -1, layer.MOST_NODES + 1])
def test_wrong_counts_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"not {count}"):
        layer.node_names(count)


def test_addresses_are_of_their_own() -> None:
    found = layer.addresses(layer.node_names(layer.MOST_NODES))
    assert found["node1"] == "10.77.0.1"
    assert len({*found.values(), layer.HEAD_ADDRESS}) == layer.MOST_NODES + 1


def test_system_users_stay_and_the_demos_users_are_its_own() -> None:
    passwd = made()["node/etc/passwd"].splitlines()
    assert passwd[0] == "root:x:0:0:root:/root:/bin/sh"
    assert "sshd:x:104:65534::/run/sshd:/bin/false" in passwd
    assert [line for line in passwd if line.startswith("alice:")] == [
        "alice:x:61001:61001::/home/alice:/bin/sh"
    ]
    assert "root:x:0:0:root:/home/root:/bin/sh" in made()["head/etc/passwd"].splitlines()
    group = made()["node/etc/group"].splitlines()
    assert "ssh:x:104:" in group
    assert [line for line in group if line.startswith("bob:")] == ["bob:x:61002:"]


def test_secrets_are_for_root_alone() -> None:
    files = layer.files(["node1"], PASSWD, GROUP, (9, 2))
    modes = {path: mode for path, (mode, _) in files.items()}
    assert modes["node/etc/shadow"] == 0o600
    assert modes["node/etc/sudoers.d/clsh-demo"] == 0o440  # sudo refuses any other


def test_the_password_is_the_one_in_shadow() -> None:
    entry = next(
        line for line in made()["node/etc/shadow"].splitlines() if line.startswith("carol:")
    )
    secret = entry.split(":")[1]
    salt = secret.split("$")[2]
    told = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, layer.PASSWORD],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == secret


def test_every_name_is_in_hosts() -> None:
    hosts = made()["node/etc/hosts"].splitlines()
    assert hosts == [
        "127.0.0.1 localhost",
        "10.77.255.1 head",
        "10.77.0.1 node1",
        "10.77.0.2 node2",
    ]


def test_sshd_takes_a_password_from_carol_alone() -> None:
    config = made()["node/etc/ssh/sshd_config"]
    general, carol = config.split("Match User carol\n")
    assert "PasswordAuthentication no\n" in general
    assert carol.strip() == "PasswordAuthentication yes"


def test_penalties_are_off_where_sshd_knows_them() -> None:
    assert "PerSourcePenalties" not in made((9, 7))["node/etc/ssh/sshd_config"]
    assert "PerSourcePenalties no\nMatch" in made((9, 8))["node/etc/ssh/sshd_config"]


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.11", (9, 2)),
        ("OpenSSH_for_Windows_9.5p1", (9, 5)),
        ("OpenSSH_10.0p2", (10, 0)),
        ("", (0, 0)),
    ],
)
def test_openssh_version(said: str, version: tuple[int, int]) -> None:
    assert namespaces.openssh_version(said) == version
