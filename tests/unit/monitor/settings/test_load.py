from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from clsh.base import config
from clsh.base.errors import ConfigError
from clsh.monitor import settings
from clsh.monitor.settings import (
    Address,
    Mail,
    Program,
    Rule,
    Settings,
    SourceSettings,
    Webhook,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Loader = Callable[[str], Settings]

TOKEN = f"sha256:{'0a' * 32}"
ALL = f"""\
[manager]
listen = "[::1]:9000"
names = ["head", "head.example.org"]
certificate = "/etc/clsh/head.pem"
key = "/etc/clsh/head.key"
[monitor]
grid = "Our grid"
interval = "30s"
source = "procfs"
store = "sqlite"
store_url = "http://127.0.0.1:8428"
store_limit = "2G"
drop_dir = "/etc/metrics.d"
gmond_port = 0
gmetad_port = 0
gmetad_query_port = 9652
ganglia_listen = "0.0.0.0"
trusted_hosts = ["10.0.0.0/8", "::1"]
push_tokens = ["{TOKEN}"]
[[monitor.sources]]
name = "web"
kind = "gmond"
addresses = ["w[1-2]:8649", "10.1.1.1", "[::1]:8649", "http://a/x"]
[[monitor.sources]]
name = "above"
kind = "gmetad"
interval = 60
[[alerts]]
name = "disk"
metric = "disk_free_percent"
below = 10
for = "30m"
cluster = "can*"
notify = ["ops"]
[[alerts]]
name = "os"
metric = "os_name"
equal = "Windows"
[[alerts]]
name = "silent"
for = 60
severity = "info"
[notify.ops]
kind = "webhook"
url = "https://chat.example.org/hook?x=1"
[notify.mail]
kind = "smtp"
host = "mx.example.org"
sender = "clsh@example.org"
recipients = ["a@example.org"]
starttls = true
user = "clsh"
password_file = "/etc/clsh/mail"
[notify.run]
kind = "command"
argv = ["/usr/bin/logger", "-t", "clsh"]
"""


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    def run(text: str) -> Settings:
        file = tmp_path / "clsh.toml"
        file.write_text(text)
        return settings.load(config.load({"CLSH_CONFIG": str(file)}))

    return run


def test_without_a_table_there_are_defaults(load: Loader) -> None:
    assert load("") == Settings()
    assert str(Settings().listen) == "127.0.0.1:8650"
    assert [rule.name for rule in Settings().alerts] == ["silent"]


def test_every_setting(load: Loader) -> None:
    everywhere = ("ops", "mail", "run")
    assert load(ALL) == Settings(
        listen=Address("::1", 9000),
        names=("head", "head.example.org"),
        certificate="/etc/clsh/head.pem",
        key="/etc/clsh/head.key",
        grid="Our grid",
        interval_s=30.0,
        store_url="http://127.0.0.1:8428",
        store_limit=2 << 30,
        drop_dir="/etc/metrics.d",
        gmond_port=0,
        gmetad_port=0,
        gmetad_query_port=9652,
        ganglia_listen="0.0.0.0",
        trusted_hosts=("10.0.0.0/8", "::1"),
        push_tokens=(TOKEN,),
        sources=(
            SourceSettings(
                "web", "gmond", ("w1:8649", "w2:8649", "10.1.1.1", "[::1]:8649", "http://a/x")
            ),
            SourceSettings("above", "gmetad", (), 60.0),
        ),
        alerts=(
            Rule("disk", "disk_free_percent", "below", 10.0, 1800.0, "can*", notify=("ops",)),
            Rule("os", "os_name", "equal", "Windows", notify=everywhere),
            Rule("silent", for_s=60.0, severity="info", notify=everywhere),
        ),
        notify={
            "ops": Webhook("ops", "https://chat.example.org/hook?x=1"),
            "mail": Mail(
                "mail", "mx.example.org", "clsh@example.org", ("a@example.org",), 587,
                starttls=True, user="clsh", password_file="/etc/clsh/mail",
            ),
            "run": Program("run", ("/usr/bin/logger", "-t", "clsh")),
        },
    )  # fmt: skip
    assert str(Address("::1", 9000)) == "[::1]:9000"


def test_silent_nodes_are_always_an_alert(load: Loader) -> None:
    text = '[notify.a]\nkind = "command"\nargv = ["true"]\n'
    assert load(text).alerts == (Rule("silent", severity="critical", notify=("a",)),)


RULE = '[[alerts]]\nname = "x"\nmetric = "m"\n'
MAIL = '[notify.m]\nkind = "smtp"\nhost = "h"\nsender = "a@b"\nrecipients = ["a@b"]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("manager = 1", "1: manager must be a table; it is 1"),
        ("[manager]\nlisten = 8650", "2: manager.listen must be printable text"),
        ('[manager]\nlisten = "a"', "2: manager.listen must be an address such as"),
        ('[manager]\nlisten = "::1:80"', "2: manager.listen must be an address such as"),
        ('[manager]\nlisten = "[a]:80"', "2: manager.listen must be an address such as"),
        ('[manager]\nlisten = "a:99999"', "2: manager.listen must be a port"),
        ('[manager]\nlisten = "-a:80"', "2: manager.listen must be bad host name"),
        ('[manager]\nlistn = "a:80"', "2: manager.listn: unknown key 'listn'"),
        ('[manager]\nnames = "a"', "2: manager.names must be a list"),
        ('[manager]\ncertificate = "/a"', "manager.key is missing"),
        ('[manager]\nkey = "/a"', "manager.certificate is missing"),
        ('[manager]\nkey = "a"', "manager.key must be a file name that begins with /"),
        ("[monitor]\ninterval = 0.5", "2: monitor.interval must be a time from 1 to 3600"),
        ("[monitor]\ninterval = nan", "2: monitor.interval must be a number"),
        ("[monitor]\ninterval = true", "2: monitor.interval must be a number"),
        ('[monitor]\ninterval = "soon"', "2: monitor.interval must be a time such as 30s"),
        ('[monitor]\nsource = "nonsense"', "2: monitor.source must be one of: "),
        ("[monitor]\nstore = 3", "2: monitor.store must be one of: "),
        ('[monitor]\nstore_url = "file:///etc"', "2: monitor.store_url must be a URL"),
        ('[monitor]\nstore_url = "http://u:p@h/"', "2: monitor.store_url must be a URL"),
        ('[monitor]\nstore_limit = "1k"', "2: monitor.store_limit must be a size from 10M"),
        ('[monitor]\nstore_limit = "much"', "2: monitor.store_limit must be a size such as"),
        ('[monitor]\ndrop_dir = "here"', "2: monitor.drop_dir must be a file name that begins"),
        ("[monitor]\ngmond_port = 70000", "2: monitor.gmond_port must be a port"),
        ("[monitor]\ngmond_port = 8651", "gmetad_port is 8651, as gmond_port is"),
        ('[monitor]\ntrusted_hosts = ["a"]', "2: monitor.trusted_hosts must be an address or"),
        ('[monitor]\npush_tokens = ["secret"]', '2: monitor.push_tokens must be "sha256:"'),
        ('[monitor]\ngrid = "a\\nb"', "2: monitor.grid must be printable text"),
        ("[monitor]\nsources = 1", "2: monitor.sources must be a list of tables"),
        ("[monitor]\nsources = [1]", "monitor.sources[0] must be a table"),
        ('[[monitor.sources]]\nkind = "gmond"', "1: monitor.sources[0]: there is no name"),
        ('[[monitor.sources]]\nname = "a"', "1: monitor.sources[0]: there is no kind"),
        (
            '[[monitor.sources]]\nname = "a"\nkind = "gmond"\n'
            '[[monitor.sources]]\nname = "a"\nkind = "gmond"',
            "5: monitor.sources[1].name 'a' is that of another source",
        ),
        (
            '[[monitor.sources]]\nname = "procfs"\nkind = "gmond"',
            "2: monitor.sources[0].name 'procfs' is that of another source",
        ),
        (
            '[[monitor.sources]]\nname = "a"\nkind = "gmond"\naddresses = []',
            "4: monitor.sources[0].addresses must be a list with at least one entry",
        ),
        (
            '[[monitor.sources]]\nname = "a"\nkind = "gmond"\naddresses = ["a b"]',
            "4: monitor.sources[0].addresses must be bad",
        ),
        (RULE, "3: alerts[0].metric is compared 0 times"),
        (f"{RULE}above = 1\nbelow = 2", "3: alerts[0].metric is compared 2 times"),
        (f'{RULE}above = "a"', "4: alerts[0].above must be a number"),
        (f'{RULE}above = 1\nnotify = ["ops"]', "alerts[0].notify names 'ops', which is not"),
        (f'{RULE}above = 1\nseverity = "bad"', "severity must be one of: info, warning"),
        (f'{RULE}above = 1\nfor = "31d"', "for must be a time from 0 to"),
        (f"{RULE}above = 1\n{RULE}above = 1", "6: alerts[1].name 'x' is that of another rule"),
        ('[[alerts]]\nname = "a b"', "alerts[0].name must be a name of letters"),
        ('[[alerts]]\nname = "silent"\nnode = "a"', "3: alerts[0].node: unknown key 'node'"),
        ('[notify."a b"]\nkind = "command"', 'notify."a b" must be a name of letters'),
        ('[notify.a]\nkind = "pager"', "2: notify.a.kind must be one of: webhook, smtp, command"),
        ('[notify.a]\nkind = "command"\nargv = []', "3: notify.a.argv must be a list with at"),
        ('[notify.a]\nkind = "webhook"', "1: notify.a: there is no url"),
        (f'{MAIL}sender2 = "a"', "notify.m.sender2: unknown key"),
        (MAIL.replace('"a@b"\nr', '"a\\n@b"\nr'), "4: notify.m.sender must be a mail address"),
        (f'{MAIL}user = "u"', "6: notify.m.user and password_file go together"),
        (f'{MAIL}user = "u"\npassword_file = "/p"', "6: notify.m.user needs starttls"),
        (f"{MAIL}starttls = 1", "6: notify.m.starttls must be true or false"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_line_and_key(load: Loader, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert said in str(caught.value)
    assert "clsh.toml" in str(caught.value)


def test_a_long_value_is_shown_cut(load: Loader) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f'[monitor]\ngrid = "{"x" * 5000}"')
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        '[monitor]\npush_tokens = ["hunter2"]',
        '[monitor]\npush_tokens = "hunter2"',
        '[monitor]\nstore_url = "http://me:hunter2@127.0.0.1:8428"',
        '[notify.w]\nkind = "webhook"\nurl = "https://me:hunter2@example.org/"',
    ],
)
def test_a_secret_in_the_wrong_place_is_not_shown(load: Loader, text: str) -> None:
    with pytest.raises(ConfigError, match="must be") as caught:
        load(text)
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown + caught.value.hint


def test_a_source_of_a_third_party_may_be_named(
    load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clsh.base.plugins.is_registered", lambda _, name: name == "theirs")
    assert load('[monitor]\nsource = "theirs"').source == "theirs"
