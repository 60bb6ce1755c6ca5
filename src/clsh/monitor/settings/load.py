"""Read the settings of the manager out of the configuration, checking every value."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from clsh.monitor.settings import checks
from clsh.monitor.settings.checks import Table
from clsh.monitor.settings.values import (
    Channel,
    Comparison,
    Mail,
    Program,
    Rule,
    Settings,
    Severity,
    SourceSettings,
    Webhook,
)

if TYPE_CHECKING:
    from clsh.base.config import Config

SILENT = "silent"

_SOURCES = "clsh.monitor.sources"
_STORES = "clsh.monitor.stores"
_TAKEN = ("gmetric", "push", "store", "alerts")  # in the list of what fares how
_COMPARISONS = get_args(Comparison)
_SEVERITIES = get_args(Severity)
_DAY = 86400.0
_interval = checks.seconds(1, 3600)


def load(config: Config) -> Settings:
    """Return the settings; raises ConfigError that names file, line and key."""
    top = Table(config, (), config.tables)
    manager, monitor = top.table("manager"), top.table("monitor")
    manager.known(("listen", "names", "certificate", "key"))
    monitor.known((*_MONITOR, "sources"))
    default = Settings()
    channels = {name: _channel(top.table("notify"), name) for name in top.table("notify").values}
    settings = Settings(
        listen=manager.get("listen", checks.address, default.listen),
        names=manager.get("names", checks.each(checks.host), default.names),
        certificate=manager.get("certificate", checks.file_name, default.certificate),
        key=manager.get("key", checks.file_name, default.key),
        grid=monitor.get("grid", checks.text, default.grid),
        interval_s=monitor.get("interval", _interval, default.interval_s),
        source=monitor.get("source", checks.plugin(_SOURCES), default.source),
        store=monitor.get("store", checks.plugin(_STORES), default.store),
        store_url=monitor.get("store_url", checks.url, default.store_url),
        store_limit=monitor.get("store_limit", checks.size, default.store_limit),
        drop_dir=monitor.get("drop_dir", checks.file_name, default.drop_dir),
        gmond_port=monitor.get("gmond_port", checks.port, default.gmond_port),
        gmetad_port=monitor.get("gmetad_port", checks.port, default.gmetad_port),
        gmetad_query_port=monitor.get("gmetad_query_port", checks.port, default.gmetad_query_port),
        ganglia_listen=monitor.get("ganglia_listen", checks.host, default.ganglia_listen),
        trusted_hosts=monitor.get(
            "trusted_hosts", checks.each(checks.trusted), default.trusted_hosts
        ),
        push_tokens=monitor.get(
            "push_tokens", checks.hidden(checks.each(checks.token)), default.push_tokens
        ),
        sources=_sources(monitor),
        alerts=_rules(top, channels),
        notify=channels,
    )
    _check_ports(monitor, settings)
    if bool(settings.certificate) != bool(settings.key):
        missing = "key" if settings.certificate else "certificate"
        raise manager.bad(missing, "is missing", hint="certificate and key go together")
    return settings


_MONITOR = (
    "grid", "interval", "source", "store", "store_url", "store_limit", "drop_dir", "gmond_port",
    "gmetad_port", "gmetad_query_port", "ganglia_listen", "trusted_hosts", "push_tokens",
)  # fmt: skip


def _check_ports(monitor: Table, settings: Settings) -> None:
    taken: dict[int, str] = {}
    for key in ("gmond_port", "gmetad_port", "gmetad_query_port"):
        port: int = getattr(settings, key)
        if port and port in taken:
            raise monitor.bad(key, f"is {port}, as {taken[port]} is", hint="give each its own")
        taken[port] = key


def _sources(monitor: Table) -> tuple[SourceSettings, ...]:
    found: dict[str, SourceSettings] = {}
    taken = {*_TAKEN, monitor.values.get("source", "procfs")}
    for table in monitor.tables("sources"):
        table.known(("name", "kind", "addresses", "interval"))
        name = table.need("name", checks.text)
        if name in found or name in taken:
            raise table.bad("name", f"{name!r} is that of another source", hint="rename one")
        found[name] = SourceSettings(
            name=name,
            kind=table.need("kind", checks.plugin(_SOURCES)),
            addresses=table.get("addresses", checks.addresses, ()),
            interval_s=table.get("interval", _interval, 15.0),
        )
    return tuple(found.values())


def _rules(top: Table, channels: dict[str, Channel]) -> tuple[Rule, ...]:
    rules: dict[str, Rule] = {}
    for table in top.tables("alerts"):
        rule = _rule(table, channels)
        if rule.name in rules:
            raise table.bad("name", f"{rule.name!r} is that of another rule", hint="rename one")
        rules[rule.name] = rule
    if SILENT not in rules:
        rules[SILENT] = Rule(SILENT, severity=_severity(SILENT), notify=tuple(channels))
    return tuple(rules.values())


def _rule(table: Table, channels: dict[str, Channel]) -> Rule:
    name = table.need("name", checks.word)
    shared = ("name", "for", "severity", "notify")
    metric = ""
    comparison: Comparison = "above"
    limit: float | str = 0.0
    if name == SILENT:
        table.known(shared)
    else:
        table.known((*shared, "cluster", "node", "metric", *_COMPARISONS))
        metric = table.need("metric", checks.text)
        comparison, limit = _comparison(table)
    notify = table.get("notify", checks.each(checks.word), tuple(channels))
    for channel in notify:
        if channel not in channels:
            raise table.bad(
                "notify", f"names {channel!r}, which is not there", hint=f"add [notify.{channel}]"
            )
    return Rule(
        name=name,
        metric=metric,
        comparison=comparison,
        limit=limit,
        for_s=table.get("for", checks.seconds(0, 30 * _DAY), 0.0),
        cluster=table.get("cluster", checks.text, "*"),
        node=table.get("node", checks.text, "*"),
        severity=table.get("severity", checks.one_of(*_SEVERITIES), _severity(name)),
        notify=notify,
    )


def _severity(name: str) -> Severity:
    return "critical" if name == SILENT else "warning"


def _comparison(table: Table) -> tuple[Comparison, float | str]:
    given = [word for word in _COMPARISONS if word in table.values]
    if len(given) != 1:
        raise table.bad(
            "metric",
            f"is compared {len(given)} times",
            hint="write one of above, below and equal with the limit: below = 10",
        )
    word: Comparison = given[0]
    return word, table.need(word, checks.limit if word == "equal" else checks.number)


def _channel(tables: Table, name: str) -> Channel:
    table = tables.table(name)
    try:
        checks.word(name)
    except ValueError as error:
        raise tables.bad(name, f"must be {error}") from error
    kind = table.need("kind", checks.one_of("webhook", "smtp", "command"))
    if kind == "webhook":
        table.known(("kind", "url"))
        return Webhook(name, table.need("url", checks.url))
    if kind == "command":
        table.known(("kind", "argv"))
        return Program(name, table.need("argv", checks.some(checks.text)))
    table.known((*("kind", "host", "port", "sender", "recipients"), *_LOGIN))
    mail = Mail(
        name,
        host=table.need("host", checks.host),
        sender=table.need("sender", checks.mailbox),
        recipients=table.need("recipients", checks.some(checks.mailbox)),
        port=table.get("port", checks.port, 587 if table.values.get("starttls") else 25),
        starttls=table.get("starttls", checks.flag, default=False),
        user=table.get("user", checks.text, ""),
        password_file=table.get("password_file", checks.file_name, ""),
    )
    if bool(mail.user) != bool(mail.password_file):
        raise table.bad("user", "and password_file go together", hint="give both or none")
    if mail.user and not mail.starttls:
        raise table.bad("user", "needs starttls", hint="add starttls = true")
    return mail


_LOGIN = ("starttls", "user", "password_file")
