"""known_hosts read as OpenSSH reads it; ssh-keygen is asked for the same answers."""

from __future__ import annotations

import asyncio
import fcntl
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import asyncssh
import pytest

from clsh.remote.transports._asyncssh.host_keys import KnownHosts, Verdict, fingerprint, spelled
from tests.support.sshd import keygen

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """Three public keys as they stand in known_hosts."""
    pairs = [keygen(tmp_path / f"key{n}") for n in range(3)]
    return [" ".join(p.with_suffix(".pub").read_text().split()[:2]) for p in pairs]


def known(tmp_path: Path, text: str) -> KnownHosts:
    path = tmp_path / "known_hosts"
    path.write_text(text)
    return KnownHosts([str(path), str(tmp_path / "missing")])


def texts(found: list[asyncssh.SSHKey]) -> list[str]:
    return [" ".join(key.export_public_key().decode().split()[:2]) for key in found]


def test_names_ports_patterns_and_bad_lines(tmp_path: Path, keys: list[str]) -> None:
    hosts = known(
        tmp_path,
        f"\n# a comment\nonly-a-name\nnode1,10.0.0.1 {keys[0]} a comment\n"
        f"[node1]:2222 {keys[1]}\n*.lab,!secret.lab {keys[2]}\n"
        f"broken ssh-ed25519 AAAA\n@strange node1 {keys[2]}\n[a-z]1 {keys[1]}\n",
    )
    assert texts(hosts.trust("NODE1", 22).keys) == [keys[0]]
    assert texts(hosts.trust("10.0.0.1", 22).keys) == [keys[0]]
    there = hosts.trust("node1", 2222)
    assert (texts(there.keys), texts(there.elsewhere)) == ([keys[1]], [keys[0]])
    assert texts(hosts.trust("web.lab", 22).keys) == [keys[2]]
    assert not hosts.trust("secret.lab", 22).keys
    assert not hosts.trust("broken", 22).keys
    assert not hosts.trust("b1", 22).keys
    assert spelled("::1", 2022) == "[::1]:2022"


def test_hashed_names_as_ssh_keygen_makes_them(tmp_path: Path, keys: list[str]) -> None:
    hosts = known(tmp_path, f"node1 {keys[0]}\n[node1]:2222 {keys[1]}\n|1|bad {keys[2]}\n")
    path = tmp_path / "known_hosts"
    path.write_text(path.read_text().rpartition("|1|")[0])
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "node1" not in path.read_text()
    for read in (hosts, KnownHosts([str(path)])):
        assert texts(read.trust("node1", 22).keys) == [keys[0]]
        assert texts(read.trust("node1", 2222).keys) == [keys[1]]
        assert not read.trust("node2", 22).keys


def test_markers(tmp_path: Path, keys: list[str]) -> None:
    hosts = known(tmp_path, f"@cert-authority *.lab {keys[0]}\n@revoked * {keys[1]}\n")
    trust = hosts.trust("a.lab", 22)
    assert (texts(trust.authorities), texts(trust.revoked)) == ([keys[0]], [keys[1]])
    assert not trust.keys
    assert texts(hosts.trust("b", 2022).revoked)[0] == keys[1]


async def test_new_hosts_are_appended_once(tmp_path: Path, keys: list[str]) -> None:
    hosts = await asyncio.to_thread(known, tmp_path, f"node0 {keys[2]}")  # no newline at the end
    first, second = map(asyncssh.import_public_key, keys[:2])
    added = await asyncio.gather(
        hosts.add("Node1", 2222, first),
        hosts.add("node1", 2222, first),
        hosts.add("node1", 2222, second),
    )
    assert list(added) == [True, True, False]
    path = tmp_path / "known_hosts"
    assert path.read_text() == f"node0 {keys[2]}\n[node1]:2222 {keys[0]}\n"
    argv = ["ssh-keygen", "-F", "[node1]:2222", "-f", str(path)]
    found = await asyncio.to_thread(subprocess.check_output, argv)
    assert keys[0].encode() in found
    new = await asyncio.to_thread(KnownHosts, [str(tmp_path / "folder/known")])
    await new.add("n", 22, first)
    assert (tmp_path / "folder/known").stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="known_hosts"):
        await (await asyncio.to_thread(KnownHosts, [str(path / "x")])).add("n", 22, first)


def test_another_program_that_writes_is_waited_for(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "known"
    adding = KnownHosts([str(path)]).add("n", 22, asyncssh.import_public_key(keys[0]))
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        thread = threading.Thread(target=asyncio.run, args=(adding,))
        thread.start()
        time.sleep(0.2)
        assert path.read_text() == ""
    thread.join(5)
    assert path.read_text() == f"n {keys[0]}\n"


def test_verdicts(tmp_path: Path, keys: list[str]) -> None:
    hosts = known(tmp_path, f"node1 {keys[0]}\n")
    key, other = map(asyncssh.import_public_key, keys[:2])

    def verdict(policy: str, port: int = 22) -> Verdict:
        trust = hosts.trust("node1", port)
        return Verdict(policy, hosts, trust, "node1", port)  # type: ignore[arg-type]  # by name

    assert verdict("off").accept(other)
    for policy in ("accept-new", "strict"):
        changed = verdict(policy)
        assert not changed.accept(other)
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in changed.reason
        assert fingerprint(other) in changed.reason
        assert "ssh-keygen -R 'node1'" in changed.hint
        assert str(tmp_path / "known_hosts") in changed.hint
        assert verdict(policy, 2222).accept(key)  # known for port 22: as OpenSSH does
    new = verdict("accept-new", 2222)
    assert new.accept(other)
    assert new.new_key is other
    unknown = verdict("strict", 2222)
    assert not unknown.accept(other)
    assert "not known" in unknown.reason
    assert fingerprint(other).startswith("ED25519 key SHA256:")
