"""Which directives hold for a host, and that asyncssh reads those that it is given as ssh does."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from clsh.base.errors import ConfigError
from clsh.remote import ssh_config
from clsh.remote.ssh_config import Directive, foreign, jumps, load, parse

if TYPE_CHECKING:
    from collections.abc import Mapping


def files(pattern: str) -> list[tuple[str, str]]:
    raise AssertionError(f"no file asked for: {pattern}")


def names(text: str, host: str) -> list[str]:
    directives = parse(text, "f", files).directives(host)
    return [directive.name for directive in directives if directive.name not in {"host", "match"}]


@pytest.mark.parametrize(
    ("patterns", "host"),
    [
        ("*", "a"), ("a", "a"), ("A", "a"), ("a?", "ab"), ("b a*", "abc"), ("* !b", "a"),
        ('"a"', "a"), ("a.b", "a.b"),
    ],
)  # fmt: skip
def test_a_host_line_that_holds(patterns: str, host: str) -> None:
    assert names(f"Host {patterns}\n User x\n", host) == ["user"]


@pytest.mark.parametrize(
    ("patterns", "host"),
    [("b", "a"), ("a?", "a"), ("a* !ab", "ab"), ("!a", "b"), ("a.b", "axb"), ("[ab]", "a")],
)
def test_a_host_line_that_does_not(patterns: str, host: str) -> None:
    assert names(f"Host {patterns}\n User x\n", host) == []


def test_the_structure_of_a_file() -> None:
    text = """
    # a comment
    Port 1
    Host a
      user=bob
      IdentityFile = /k 1
    Match exec "true"
      Compression yes
    Host b
      User x
    'odd' line
    """
    directives = parse(text, "/f", files).directives("a")
    assert [(found.name, found.value, found.where) for found in directives] == [
        ("port", "1", "/f:3"),
        ("host", "a", "/f:4"),
        ("user", "bob", "/f:5"),
        ("identityfile", "/k 1", "/f:6"),
        ("match", 'exec "true"', "/f:7"),
        ("compression", "yes", "/f:8"),
    ]
    (odd,) = [d for d in parse(text, "/f", files).directives("b") if not d.name]
    assert odd.value == "'odd' line"


def test_an_include_holds_where_it_stands() -> None:
    asked: list[str] = []

    def opener(pattern: str) -> list[tuple[str, str]]:
        asked.append(pattern)
        return [("/i", "User u\nHost b\nPort 7\n")]

    text = 'Host a b\nInclude "sub/*" ~/x /abs\nCompression yes\nHost c\nInclude no\n'
    config = parse(text, "/f", opener)
    assert asked == [
        str(Path.home() / ".ssh/sub/*"), str(Path.home() / "x"), "/abs",
        str(Path.home() / ".ssh/no"),
    ]  # fmt: skip
    found = [d.name for d in config.directives("a") if d.name not in {"host", "include"}]
    assert found == ["user", "user", "user", "compression"]
    found = [d.name for d in config.directives("b") if d.name not in {"host", "include"}]
    assert found == ["user", "port"] * 3 + ["compression"]
    parse("Include x", "/etc/ssh/ssh_config", opener, system=True)
    assert asked[-1] == "/etc/ssh/x"


def test_a_file_that_includes_itself_ends() -> None:
    config = parse("Include x", "/f", lambda _: [("/f", "Include x")])
    assert 10 < len(config.directives("a")) < 40


def test_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir()
    system = tmp_path / "system"
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(system))
    assert load(None).directives("a") == []
    (home / ".ssh" / "config").write_text("Include more/*\nPort 1\n")
    (home / ".ssh" / "more" / "folder").mkdir(parents=True)
    (home / ".ssh" / "more" / "b").write_text("Port 3\n")
    (home / ".ssh" / "more" / "a").write_text("Port 2\n")
    system.write_text("Port 4\n")
    found = [(d.value, d.system) for d in load(None).directives("x") if d.name == "port"]
    assert found == [("2", False), ("3", False), ("1", False), ("4", True)]
    own = tmp_path / "own"
    own.write_text("Port 5\n")
    assert [d.value for d in load(str(own)).directives("x")] == ["5"]


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="there is no file /nowhere"):
        load("/nowhere")
    with pytest.raises(ConfigError, match=f"cannot read {tmp_path}"):
        load(str(tmp_path))
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    (tmp_path / "f").write_text(f"Include {tmp_path}/home")
    with pytest.raises(ConfigError, match=r"cannot read .*home"):
        load(str(tmp_path / "f"))


# For each directive that is said to be treated alike: a sample, and how asyncssh names it.
SAMPLES = {
    "addressfamily": ("inet6", "AddressFamily"),
    "bindaddress": ("127.0.0.1", "BindAddress"),
    "certificatefile": ("/k/%r-cert.pub", "CertificateFile"),
    "forwardagent": ("yes", "ForwardAgent"),
    "globalknownhostsfile": ("/a /b", "GlobalKnownHostsFile"),
    "hostname": ("%h.example.org", "Hostname"),
    "identitiesonly": ("true", "IdentitiesOnly"),
    "identityfile": ("~/.ssh/%h_key", "IdentityFile"),
    "kbdinteractiveauthentication": ("no", "KbdInteractiveAuthentication"),
    "passwordauthentication": ("no", "PasswordAuthentication"),
    "port": ("2222", "Port"),
    "preferredauthentications": ("password,publickey", "PreferredAuthentications"),
    "proxyjump": ("bob@gate:2022", "ProxyJump"),
    "pubkeyauthentication": ("no", "PubkeyAuthentication"),
    "sendenv": ("LANG LC_*", "SendEnv"),
    "setenv": ("A=1 B=2", "SetEnv"),
    "tcpkeepalive": ("no", "TCPKeepAlive"),
    "user": ("bob", "User"),
    "userknownhostsfile": ("/a ~/b", "UserKnownHostsFile"),
}
# Behind the sample, in a later block: counted too where values add up, overruled elsewhere.
SECOND = {
    "port": "9", "user": "eve", "hostname": "other", "identityfile": "/k2", "setenv": "A=9",
    "certificatefile": "/k2", "sendenv": "TZ", "userknownhostsfile": "/z", "proxyjump": "other",
    "addressfamily": "inet", "forwardagent": "no",
}  # fmt: skip


def by_ssh(path: Path, host: str) -> dict[str, str]:
    """What OpenSSH makes of the file, as `ssh -G` prints it."""
    run = subprocess.run(
        ["ssh", "-G", "-F", path, host],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    found: dict[str, str] = {}
    for line in run.stdout.splitlines():
        name, _, value = line.partition(" ")
        found[name] = f"{found[name]} {value}" if name in found else value
    return found


def by_asyncssh(path: Path, host: str) -> Mapping[str, object]:
    config = asyncssh.config.SSHClientConfig.load(
        None, [str(path)], False, False, False, "me", (), host, ()
    )
    return config.get_options(False)


def spelled(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return " ".join(value)
        case socket.AddressFamily():
            return {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}[value]
        case _:
            return str(value)


def same(ours: str, theirs: str) -> bool:
    home = pwd.getpwuid(os.getuid()).pw_dir
    ours, theirs = (text.replace("~", home) for text in (ours, theirs))
    return {"true": "yes", "false": "no"}.get(ours, ours) == theirs


def test_there_is_a_sample_for_each_directive() -> None:
    assert SAMPLES.keys() == ssh_config._SAME.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_asyncssh_reads_it_as_ssh_does(name: str, tmp_path: Path) -> None:
    value, their_name = SAMPLES[name]
    path = tmp_path / "config"
    path.write_text(
        f"Host other\n  Port 9\n  User nobody\nHost web* !web2\n  {their_name} {value}\nHost *\n"
        f"  {name}={SECOND.get(name, value)}\n"
    )
    config = load(str(path))
    assert foreign(config.directives("web1"), ticket=False) is None
    ours, theirs = by_asyncssh(path, "web1")[their_name], by_ssh(path, "web1")
    # ssh -G leaves the tokens of paths as they are, asyncssh expands them.
    user = theirs["user"]
    expected = theirs[name].replace("%h", "web1").replace("%r", user)
    assert same(expected, spelled(ours).replace("/me-cert", f"/{user}-cert"))


@pytest.mark.parametrize("name", sorted(ssh_config._NO_MATTER))
def test_asyncssh_stumbles_over_nothing_that_does_not_matter(name: str, tmp_path: Path) -> None:
    values = {
        "stricthostkeychecking": "accept-new", "fingerprinthash": "md5", "loglevel": "QUIET",
        "ipqos": "ef cs0", "localforward": "80 a:80", "remoteforward": "80 a:80",
        "dynamicforward": "80", "escapechar": "none", "controlpath": "/x/%C",
        "forwardx11timeout": "1h", "ignoreunknown": "UseKeychain",
    }  # fmt: skip
    pattern = ssh_config._NO_MATTER[name][0]
    value = values.get(name) or ("7" if pattern == r"\d+" else "no")
    path = tmp_path / "config"
    path.write_text(f"{name} {value}\n")
    assert foreign(load(str(path)).directives("a"), ticket=False) is None
    by_asyncssh(path, "a")
    by_ssh(path, "a")


@pytest.mark.parametrize(
    "line",
    [
        "ProxyCommand nc %h %p", "PKCS11Provider /x.so", "SecurityKeyProvider /x.so",
        "GSSAPIAuthentication yes", "UseKeychain yes", "Match exec true", "Match host a",
        "StrictHostKeyChecking no", "ForwardAgent /sock", "IdentityFile %C", "SendEnv -LANG",
        "ConnectTimeout 1m", "User 'bob'", "User bob # me", 'Port "22', "Include x/*",
        "HostKeyAlias b", "CanonicalizeHostname yes", "Nonsense", "'what'", "IdentityFile a\\ b",
        "UserKnownHostsFile none", "Host [ab] *", "VerifyHostKeyDNS yes",
    ],
)  # fmt: skip
def test_what_only_ssh_understands(line: str) -> None:
    found = foreign(parse(line, "f", lambda _: []).directives("a"), ticket=False)
    assert found is not None
    assert found.where == "f:1"


@pytest.mark.parametrize("line", ["Match all", 'IdentityFile "~/k"', "Include one"])
def test_what_both_understand(line: str) -> None:
    assert foreign(parse(line, "f", lambda _: []).directives("a"), ticket=False) is None


DEBIAN = """
Include /etc/ssh/ssh_config.d/*.conf
Host *
    SendEnv LANG LC_*
    HashKnownHosts yes
    GSSAPIAuthentication yes
"""


def test_a_system_file_as_delivered_needs_no_ssh_without_a_ticket() -> None:
    config = parse(DEBIAN, "/etc/ssh/ssh_config", lambda _: [], system=True)
    assert foreign(config.directives("a"), ticket=False) is None
    found = foreign(config.directives("a"), ticket=True)
    assert found == Directive("gssapiauthentication", "yes", "/etc/ssh/ssh_config:6", system=True)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("none", []), ("gate", ["gate"]), ("u@gate:22,[::1]:23", ["gate", "::1"]),
        ("ssh://u@gate:22", ["gate"]), ('"gate"', ["gate"]), ("fe80::1", ["fe80::1"]),
    ],
)  # fmt: skip
def test_the_hosts_of_a_jump(text: str, hosts: list[str]) -> None:
    assert jumps(text) == hosts
