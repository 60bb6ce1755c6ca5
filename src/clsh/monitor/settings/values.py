"""The settings of the manager as values; docs/reference/monitoring.md says what each does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Comparison = Literal["above", "below", "equal"]
Severity = Literal["info", "warning", "critical"]


class Address(NamedTuple):
    """Where to listen or to connect to; as text `host:port`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_LISTEN = Address("127.0.0.1", 8650)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One `[[monitor.sources]]`; `addresses` are `host[:port]`, or URLs, tried in their order."""

    name: str
    kind: str
    addresses: tuple[str, ...] = ()
    interval_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[alerts]]`: `metric` compared with `limit` for `for_s` seconds on end.

    `cluster` and `node` are patterns as of a shell (`can*`); `notify` names channels. The
    rule `silent` is always there and has no metric: it is broken while a node is lost.
    """

    name: str
    metric: str = ""
    comparison: Comparison = "above"
    limit: float | str = 0.0
    for_s: float = 0.0
    cluster: str = "*"
    node: str = "*"
    severity: Severity = "warning"
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Webhook:
    """A channel that POSTs JSON to a URL."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A channel that sends mail over SMTP; the password is in `password_file`, mode 0600."""

    name: str
    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 25
    starttls: bool = False
    user: str = ""
    password_file: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A channel that runs a command on the manager's machine, with JSON as its input."""

    name: str
    argv: tuple[str, ...]


Channel = Webhook | Mail | Program


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about the manager; these are the defaults."""

    listen: Address = _LISTEN
    names: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    grid: str = "grid"
    interval_s: float = 15.0
    source: str = "procfs"
    store: str = "sqlite"
    store_url: str = ""
    store_limit: int = 10 << 30
    drop_dir: str = "/var/lib/clsh/metrics.d"
    gmond_port: int = 8649
    gmetad_port: int = 8651
    gmetad_query_port: int = 8652
    ganglia_listen: str = "127.0.0.1"
    trusted_hosts: tuple[str, ...] = ("127.0.0.1", "::1")
    push_tokens: tuple[str, ...] = ()
    sources: tuple[SourceSettings, ...] = ()
    alerts: tuple[Rule, ...] = (Rule("silent", severity="critical"),)
    notify: Mapping[str, Channel] = field(default_factory=dict[str, Channel])
