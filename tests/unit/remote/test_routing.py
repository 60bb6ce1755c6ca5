"""Which transport a node gets."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest

from clsh.base.errors import ClshError, ConfigError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote import routing, ssh_config
from clsh.remote.routing import Judge, Routed
from clsh.remote.transport import TransportOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clsh.remote.transport import Session


class Opened:
    """A session of nothing, that tells who opened it."""

    def __init__(self, transport: str, deadline_s: float) -> None:
        self.transport = transport
        self.deadline_s = deadline_s


class Recorder:
    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    async def open(self, node: Node, deadline_s: float) -> Session:
        return cast("Session", Opened(self.name, deadline_s))

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    made: list[Recorder] = []

    def find(package: str, name: str) -> Callable[[TransportOptions], Recorder]:
        assert package == "clsh.remote.transports"
        if name == "nonsense":
            raise ConfigError("there is no transport named 'nonsense'", hint="choose")

        def build(_: TransportOptions) -> Recorder:
            made.append(Recorder(name))
            return made[-1]

        return build

    monkeypatch.setattr("clsh.base.plugins.find", find)
    return made


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's ssh_config, while the system's is empty and there is no ticket."""
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("KRB5CCNAME", raising=False)
    monkeypatch.setattr(routing, "_has_ticket", lambda environ: "KRB5CCNAME" in environ)
    path = tmp_path / "home" / ".ssh" / "config"
    path.parent.mkdir()
    path.write_text("")
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text)


def node(transport: str = "auto", host: str = "a", **fields: object) -> Node:
    return Node(node_name("n"), host, transport=transport, **fields)  # type: ignore[arg-type]  # tests name the fields


async def way(node: Node, forced: str | None = None) -> str:
    routed = Routed(TransportOptions(), forced)
    return cast("Opened", await routed.open(node, 5)).transport


@pytest.mark.parametrize(
    ("own", "forced", "chosen"),
    [
        ("openssh", None, "openssh"),
        ("openssh", "auto", "openssh"),
        ("auto", "memory", "memory"),
        ("asyncssh", "openssh", "openssh"),
        ("container", "openssh", "container"),
        ("local", "asyncssh", "local"),
        ("auto", None, "asyncssh"),
    ],
)
async def test_whose_word_counts(
    own: str, forced: str | None, chosen: str, loaded: list[Recorder], config: Path
) -> None:
    assert await way(node(own), forced) == chosen


async def test_a_forced_transport_must_exist(loaded: list[Recorder]) -> None:
    with pytest.raises(ConfigError, match="'nonsense'"):
        await way(node(), "nonsense")
    assert await way(node("container"), "nonsense") == "container"


def test_a_name_is_checked_without_loading_the_transport() -> None:
    with pytest.raises(ConfigError, match="no transport named 'telnet'") as error:
        routing.check("telnet")
    assert "openssh" in error.value.hint
    routing.check("auto")
    code = (
        "import sys; from clsh.remote import routing; routing.check('asyncssh'); "
        "sys.exit('asyncssh' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_node_with_an_unknown_transport_is_unreachable(loaded: list[Recorder]) -> None:
    with pytest.raises(UnreachableError, match="'nonsense'") as error:
        await way(node("nonsense"))
    assert error.value.hint == "choose"


async def test_each_transport_is_made_once_and_closed(loaded: list[Recorder]) -> None:
    routed = Routed(TransportOptions())
    opened = await asyncio.gather(
        *(routed.open(node(name), 5) for name in ["x", "y", "x", "y", "x"])
    )
    assert [made.name for made in loaded] == ["x", "y"]
    assert all(0 < cast("Opened", session).deadline_s <= 5 for session in opened)
    await routed.aclose()
    assert all(made.closed for made in loaded)
    await routed.aclose()


@pytest.mark.parametrize(
    ("text", "host", "jump", "chosen"),
    [
        ("User bob\n", "a", None, "asyncssh"),
        ("ProxyCommand x\n", "a", None, "openssh"),
        ("Host b\nProxyCommand x\n", "a", None, "asyncssh"),
        ("Host b\nProxyCommand x\n", "a", "me@b:22", "openssh"),
        ("Host a\nProxyJump b\nHost b\nProxyCommand x\n", "a", None, "openssh"),
        ("Host a\nProxyJump none\nHost none\nProxyCommand x\n", "a", None, "asyncssh"),
        ("GSSAPIAuthentication no\n", "a", None, "asyncssh"),
        ("GSSAPIAuthentication yes\n", "a", None, "openssh"),
    ],
)
async def test_auto_follows_ssh_config(
    text: str, host: str, jump: str | None, chosen: str, loaded: list[Recorder], config: Path
) -> None:
    write(config, text)
    assert await way(node(host=host, jump=jump)) == chosen


async def test_auto_reads_the_file_that_is_given(
    loaded: list[Recorder], config: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("ProxyCommand x\n")
    judge = Judge(TransportOptions(ssh_config=str(other)))
    assert await judge.choose(node()) == "openssh"
    assert await judge.choose(node(options={"config": str(config)})) == "asyncssh"
    write(config, "ProxyCommand x\n")
    assert await judge.choose(node(options={"config": str(config)})) == "asyncssh"  # read once


async def test_a_ticket_makes_the_systems_gssapi_count(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    system.write_text("GSSAPIAuthentication yes\n")
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", str(system))
    assert await Judge(TransportOptions()).choose(node()) == "asyncssh"
    monkeypatch.setenv("KRB5CCNAME", "x")
    assert await Judge(TransportOptions()).choose(node()) == "openssh"


def test_where_a_ticket_is() -> None:
    assert routing._has_ticket({"KRB5CCNAME": "x"})


PUBLIC = "sk-ssh-ed25519@openssh.com AAAA me"
PRIVATE = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    + base64.encodebytes(b"openssh-key-v1\0" + b"sk-ecdsa-sha2-nistp256@openssh.com" * 2).decode()
    + "-----END OPENSSH PRIVATE KEY-----\n"
)


@pytest.mark.parametrize(
    ("file", "text", "chosen"),
    [
        ("id_ed25519_sk.pub", PUBLIC, "openssh"),
        ("id_ecdsa_sk", PRIVATE, "openssh"),
        ("id_ed25519.pub", "ssh-ed25519 AAAA me", "asyncssh"),
        ("id_ed25519", "not a key", "asyncssh"),
        ("other_sk.pub", PUBLIC, "asyncssh"),
    ],
)
async def test_a_security_key_needs_ssh(file: str, text: str, chosen: str, config: Path) -> None:
    (config.parent / file).write_text(text)
    assert await Judge(TransportOptions()).choose(node()) == chosen


@pytest.mark.parametrize("where", ["option", "node", "config"])
async def test_a_named_key_is_looked_at_too(where: str, config: Path) -> None:
    (config.parent / "mine.pub").write_text(PUBLIC)
    name = str(config.parent / "mine")
    if where == "config":
        write(config, 'IdentityFile "%d/.ssh/mine"\n')
    options = TransportOptions(identities=(name,) if where == "option" else ())
    asked = node(options={"identity": name}) if where == "node" else node()
    assert await Judge(options).choose(asked) == "openssh"


async def test_without_ssh_the_error_names_the_directive(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(config, "Host a\n  ProxyCommand x %h\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClshError) as plain:
        await Judge(TransportOptions()).choose(node())
    assert str(plain.value) == (
        f"only OpenSSH understands 'proxycommand x %h' ({config}:2), "
        "and there is no ssh on this machine"
    )
    with pytest.raises(UnreachableError, match="only OpenSSH") as error:
        await Routed(TransportOptions()).open(node(), 5)
    assert "--transport asyncssh" in error.value.hint


async def test_a_config_that_cannot_be_read_makes_the_node_unreachable(tmp_path: Path) -> None:
    routed = Routed(TransportOptions(ssh_config=str(tmp_path / "none")))
    with pytest.raises(UnreachableError, match="there is no file"):
        await routed.open(node(), 5)
