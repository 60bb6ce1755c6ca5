"""The argv of an ssh master, what ssh's last words mean, and what a channel asks for."""

from __future__ import annotations

import itertools
import subprocess

import pytest

from clsh.base.errors import UsageError
from clsh.nodes.model import Node, node_name
from clsh.remote.ssh_config import Directive
from clsh.remote.transport import TransportOptions
from clsh.remote.transports._ssh_command import (
    PerChannel,
    jump,
    key_exchange,
    master,
    per_channel,
    reason,
)

NODE = Node(node_name("node1"), "10.0.0.1")


def argv(node: Node = NODE, *named: str, kex: str | None = None, **options: object) -> list[str]:
    given = TransportOptions(**options)  # type: ignore[arg-type]  # tests name the fields
    return master(node, given, "/run/c/1", deadline_s=9.2, named=set(named), kex=kex)


def settings(words: list[str]) -> dict[str, str]:
    pairs = [word.partition("=") for flag, word in itertools.pairwise(words) if flag == "-o"]
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: value for name, _, value in pairs}


def test_the_usual_master() -> None:
    words = argv()
    assert words[:3] == ["ssh", "-N", "-T"]
    assert words[-2:] == ["--", "10.0.0.1"]
    assert settings(words) == {
        "ControlMaster": "yes",
        "ControlPath": "/run/c/1",
        "ControlPersist": "no",
        "ClearAllForwardings": "yes",
        "LogLevel": "ERROR",
        "ServerAliveInterval": "2",
        "ServerAliveCountMax": "3",
        "ConnectTimeout": "10",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "accept-new",
    }


def test_what_the_node_says_comes_first() -> None:
    node = Node(
        node_name("n"),
        "n",
        user="bob",
        port=2222,
        jump="me@gate:22",
        options={"config": "/c", "identity": "/k 1", "known_hosts": "/h%h"},
    )
    words = argv(node, ssh_config="/other", identities=("/k2",), known_hosts="/other")
    assert words[-10:] == ["-F", "/c", "-l", "bob", "-p", "2222", "-J", "me@gate:22", "--", "n"]
    assert 'UserKnownHostsFile="/h%%h"' in words
    assert words.index('IdentityFile="/k 1"') < words.index('IdentityFile="/k2"')
    assert "/other" not in words


def test_a_password_allows_one_prompt_and_is_not_there() -> None:
    words = argv(password="secret")
    assert settings(words)["BatchMode"] == "no"
    assert settings(words)["NumberOfPasswordPrompts"] == "1"
    assert not any("secret" in word for word in words)


def test_the_own_config_outweighs_what_clsh_only_suggests() -> None:
    names = ("stricthostkeychecking", "kexalgorithms", "forkafterauthentication")
    chosen = settings(argv(NODE, *names, kex="^quick"))
    assert "StrictHostKeyChecking" not in chosen
    assert "KexAlgorithms" not in chosen
    assert chosen["ForkAfterAuthentication"] == "no"
    assert settings(argv(kex="^quick"))["KexAlgorithms"] == "^quick"
    given = TransportOptions(kex="asked", host_keys="strict")
    words = master(NODE, given, "/c", deadline_s=1, named=names, kex="^quick")
    assert settings(words)["KexAlgorithms"] == "asked"
    assert settings(words)["StrictHostKeyChecking"] == "yes"


def test_without_checks_no_known_host_counts() -> None:
    chosen = settings(argv(host_keys="off", known_hosts="/x"))
    assert chosen["StrictHostKeyChecking"] == "no"
    assert chosen["UserKnownHostsFile"] == chosen["GlobalKnownHostsFile"] == "/dev/null"


def test_ssh_takes_paths_of_any_spelling_as_they_are() -> None:
    path = '/a b/%h\\c"d#'
    words = argv(identities=(path,), known_hosts=path, ssh_config="/dev/null")
    words = ["ssh", "-G", *words[1:]]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"identityfile {path.replace('%', '%%')}" in said
    assert f"userknownhostsfile {path}" in said  # expanded here


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a;b", "a b", "$(x)", "a%h", "`x`"])
def test_a_host_is_never_anything_else(host: str) -> None:
    with pytest.raises(UsageError):
        argv(Node(node_name("n"), host))
    with pytest.raises(UsageError):
        argv(Node(node_name("n"), "n", jump=host))


@pytest.mark.parametrize("text", ["gate", "u@gate:22", "a,b@c:2,[::1]:22,u@[fe80::1]"])
def test_jumps_that_are_hosts(text: str) -> None:
    assert jump(text) == text


@pytest.mark.parametrize(
    "text", ["a,", "a:b", "a:99999", "u;x@a", "@a", "a@-b", "[a", "a\\b", "[fe80::1%eth0]", "a:1:2"]
)
def test_jumps_that_are_not(text: str) -> None:
    with pytest.raises(UsageError):
        jump(text)


def test_the_quick_key_exchange_is_put_first_where_a_slow_one_is() -> None:
    slow = "sntrup761x25519-sha512@openssh.com"
    assert key_exchange(["curve25519-sha256", slow]) == "^curve25519-sha256"
    both = ["curve25519-sha256", slow, "mlkem768x25519-sha256"]
    assert key_exchange(both) == "^mlkem768x25519-sha256,curve25519-sha256"
    assert key_exchange(["curve25519-sha256"]) is None
    assert key_exchange([]) is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ssh: connect to host h port 22: Connection refused\r\n", "connection refused"),
        (
            "ssh: Could not resolve hostname x: Name or service not known\r\n",
            "name not known (Name or service not known)",
        ),
        (
            "u@h: Permission denied (publickey,password).\r\n",
            "permission denied (publickey,password)",
        ),
        (
            "@@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nOffending ED25519 "
            "key in /k:3\r\nHost key verification failed.\r\n",
            "REMOTE HOST IDENTIFICATION HAS CHANGED (/k:3)",
        ),
        ("REMOTE HOST IDENTIFICATION HAS CHANGED!", "REMOTE HOST IDENTIFICATION HAS CHANGED"),
        ("Host key verification failed.\r\n", "host key not known"),
        ("Connection to h closed by remote host.\r\n", "closed by the node"),
        (
            "Warning: Permanently added 'h'\n** WARNING: not safe\n\nstrange\nodd\nstrange\n",
            "strange; odd",
        ),
        ("", ""),
    ],
)
def test_last_words(said: str, words: str) -> None:
    assert reason(said) == words


def test_what_ssh_config_asks_of_each_command() -> None:
    directives = [
        Directive("sendenv", "LANG LC_* -LC_ALL", "f:1"),
        Directive("setenv", 'A=1 "B=2"', "f:2"),
        Directive("setenv", "A=other", "f:3"),
        Directive("forwardagent", "yes", "f:4"),
        Directive("forwardagent", "no", "f:5"),
    ]
    asked = per_channel(directives, {"LANG": "ko", "LC_TIME": "C", "HOME": "/"})
    assert asked == PerChannel((("LANG", "ko"), ("LC_TIME", "C"), ("A", "1"), ("B", "2")), True)
    assert per_channel([], {"LANG": "ko"}) == PerChannel()
