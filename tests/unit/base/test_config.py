from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base import config
from clsh.base.config import Config, Shell
from clsh.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    Loader = Callable[..., Config]

ALL = """\
# everything
[shell]
fanout = 32
connect_timeout = 5
timeout = 60.5
retry = 2
grace = 0
on_lost = "stop"
transport = "openssh"
color = "never"
keepalive = 1.5
keepalive_count = 4
host_keys = "strict"
ssh_config = "~/c"
known_hosts = "/k"
identities = [
    "~/.ssh/a",   # one
    '''/b''',
]
kex = "curve25519-sha256@libssh.org,mlkem768x25519-sha256"
"""


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    def run(text: str | bytes = "", **environ: str) -> Config:
        file = tmp_path / "clsh.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return config.load({"CLSH_CONFIG": str(file), **environ})

    return run


def test_every_setting(load: Loader) -> None:
    shell = load(ALL).shell
    home = Path("~").expanduser()
    assert shell == Shell(
        fanout=32,
        connect_timeout=5.0,
        timeout=60.5,
        retry=2,
        grace=0.0,
        on_lost="stop",
        transport="openssh",
        color="never",
        keepalive=1.5,
        keepalive_count=4,
        host_keys="strict",
        ssh_config=f"{home}/c",
        known_hosts="/k",
        identities=(f"{home}/.ssh/a", "/b"),
        kex="curve25519-sha256@libssh.org,mlkem768x25519-sha256",
    )
    assert isinstance(shell.connect_timeout, float)


def test_each_setting_has_a_variable_that_replaces_it(load: Loader) -> None:
    written = {
        "fanout": "7",
        "connect_timeout": "2",
        "timeout": "1.5",
        "retry": "0",
        "grace": "1",
        "on_lost": "stop",
        "transport": "local",
        "color": "always",
        "keepalive": "9",
        "keepalive_count": "2",
        "host_keys": "off",
        "ssh_config": "/c",
        "known_hosts": "/k",
        "identities": "/a:/b",
        "kex": "-sntrup761x25519-sha512@openssh.com",
    }
    assert set(written) == {field.name for field in fields(Shell)}
    variables = {f"CLSH_{name.upper()}": text for name, text in written.items()}
    loaded = load(ALL, **variables)
    for name, text in written.items():
        value = getattr(loaded.shell, name)
        assert value == (("/a", "/b") if name == "identities" else type(value)(text))
        assert loaded.origin("shell", name) == f"env CLSH_{name.upper()}"
    assert load(ALL, CLSH_FANOUT="").shell.fanout == 32


def test_origins(load: Loader, tmp_path: Path) -> None:
    loaded = load(ALL, CLSH_KEX="a")
    file = tmp_path / "clsh.toml"
    assert loaded.origin("shell", "fanout") == f"{file}:3"
    assert loaded.origin("shell", "identities") == f"{file}:16"
    assert loaded.origin("shell", "kex") == "env CLSH_KEX"
    assert load("").origin("shell", "fanout") == "default"


def test_lines_of_awkward_toml(load: Loader, tmp_path: Path) -> None:
    loaded = load(
        '\ngroups.a = """\n[shell]\nfanout = 1\n"""\n\n'
        "[ nodes . 'x.[1-2]' ] # [shell]\nuser='a'\n"
        "\tport = 3\r\n[clusters]\nc = {user = 'x', groups.g = 'n'}\n[shell]"
    )
    file = tmp_path / "clsh.toml"
    assert [(key, loaded.origin(*key)) for key, _ in config.settings(loaded)[-5:]] == [
        (("groups", "a"), f"{file}:2"),
        (("nodes", "x.[1-2]", "user"), f"{file}:8"),
        (("nodes", "x.[1-2]", "port"), f"{file}:9"),
        (("clusters", "c", "user"), f"{file}:11"),
        (("clusters", "c", "groups", "g"), f"{file}:11"),
    ]
    assert loaded.where("nodes", "x.[1-2]") == f'{file}:7: nodes."x.[1-2]"'
    assert loaded.where("clusters", "c") == f"{file}:11: clusters.c"
    assert loaded.where("nowhere") == f"{file}: nowhere"


def test_settings_lists_all_of_shell_and_what_is_written(load: Loader) -> None:
    values = dict(config.settings(load("[groups]\nweb = ['a']\n[shell]\nretry = 1")))
    assert values["groups", "web"] == ["a"]
    assert values["shell", "retry"] == 1
    assert values["shell", "fanout"] == 64
    assert len(values) == len(fields(Shell)) + 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("shell = 3", ":1: shell must be a table"),
        ("[shell]\nfanuot = 3", ":2: shell.fanuot: unknown key 'fanuot'"),
        ("shel = 3", ":1: shel: unknown key 'shel'"),
        ("[shell]\nfanout = 0", ":2: shell.fanout must be a whole number from 1 on; it is 0"),
        ("[shell]\nfanout = 1.5", "must be a whole number"),
        ("[shell]\nfanout = true", "must be a whole number"),
        ("[shell]\nfanout = '64'", "must be a whole number"),
        ("[shell]\nretry = -1", "must be a whole number from 0 on"),
        ("[shell]\ntimeout = 0", "must be a number of seconds from 0.1 on"),
        ("[shell]\ntimeout = nan", "must be a number of seconds"),
        ("[shell]\ntimeout = inf", "must be a number of seconds"),
        (
            "[shell]\non_lost = 'die'",
            ":2: shell.on_lost must be one of: continue, stop; it is 'die'",
        ),
        ("[shell]\non_lost = 3", "must be one of: continue, stop"),
        ("[shell]\nkex = 'a b'", "must be a word"),
        ("[shell]\nkex = 3", "must be a word"),
        ("[shell]\nknown_hosts = ''", "must be a file name"),
        ("[shell]\nknown_hosts = 3", "must be a file name"),
        ("[shell]\nssh_config = '-oX'", "must be a file name"),
        ("[shell]\nssh_config = 'a\\u0000'", "must be a file name"),
        ("[shell]\nssh_config = '~no.such.user/x'", "home directory that exists"),
        ("[shell]\nidentities = 'a'", "must be a list of file names"),
        ("[shell]\nidentities = ['a', 3]", "must be a file name"),
        ("[shell\n", "(at line 1, column 7)"),
        ("x = " + "1" * 5000, "clsh.toml: "),
        ("x = " + "[" * 5000, "clsh.toml: "),
        (b"\xff", "cannot read"),
    ],
)
def test_an_error_names_file_and_key(load: Loader, text: str | bytes, told: str) -> None:
    if isinstance(text, str) and "u0000" in text:
        text = text.replace("'", '"')
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert told in str(caught.value)
    assert "clsh.toml" in str(caught.value)
    assert caught.value.exit_code == 10


@pytest.mark.parametrize("text", ["x", "1e", "-1", "٣", "1.5", "0"])
def test_a_bad_variable_is_named(load: Loader, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(CLSH_FANOUT=text)
    assert str(caught.value).startswith("CLSH_FANOUT must be a whole number from 1 on")


def test_hints_name_the_nearest_key(load: Loader) -> None:
    with pytest.raises(ConfigError) as caught:
        load("[shell]\nfanuot = 3")
    assert caught.value.hint == "did you mean 'fanout'?"
    assert config.nearest("zzz", ("b", "a")) == "these are known: a, b"


def test_where_the_file_is(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert config.load(environ) == Config(tmp_path / "clsh" / "clsh.toml")
    (tmp_path / "clsh").mkdir()
    (tmp_path / "clsh" / "clsh.toml").write_text("\ufeff[shell]\nfanout = 3\n")
    assert config.load(environ).shell.fanout == 3
    with pytest.raises(ConfigError, match="there is no file '/nowhere/x'") as caught:
        config.load({**environ, "CLSH_CONFIG": "/nowhere/x"})
    assert "CLSH_CONFIG" in caught.value.hint
    with pytest.raises(ConfigError, match="Is a directory"):
        config.load({"CLSH_CONFIG": str(tmp_path)})


def test_toml_is_not_imported_when_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "tomllib", raising=False)
    config.load({"XDG_CONFIG_HOME": str(tmp_path)})
    assert "tomllib" not in sys.modules
