"""The table `[access]` of the configuration, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from clsh.access.model import Lengths
from clsh.base.config import check_keys
from clsh.base.errors import ConfigError, UsageError
from clsh.base.users import login_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.base.config import Config

Pam = Literal["auto", "on", "off"]
Socket = Literal["auto", "owner", "everybody"]

_SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_YEAR_S = 365 * 86400


@dataclass(frozen=True, slots=True)
class Settings:
    """What `[access]` says; docs/reference/access.md tells what each means."""

    pam: Pam = "auto"
    pam_service: str = "clsh"
    administrators: tuple[str, ...] = ()
    lengths: Lengths = field(default_factory=Lengths)
    socket: Socket = "auto"


def load(config: Config) -> Settings:
    """Return the settings; raises ConfigError that names file, line and key."""
    given = config.tables.get("access", {})
    if not isinstance(given, dict):
        raise ConfigError(f"{config.where('access')} must be a table", hint="write [access]")
    table = _Table(config, cast("dict[str, object]", given))
    check_keys(config, ("access",), table.values, _KEYS)
    default = Settings()
    return Settings(
        pam=cast("Pam", table.word("pam", ("auto", "on", "off"), default.pam)),
        pam_service=table.service("pam_service", default.pam_service),
        administrators=table.names("administrators"),
        lengths=Lengths(
            idle_s=table.seconds("session_idle", default.lengths.idle_s),
            whole_s=table.seconds("session_length", default.lengths.whole_s),
        ),
        socket=cast("Socket", table.word("socket", ("auto", "owner", "everybody"), default.socket)),
    )


_KEYS = ("pam", "pam_service", "administrators", "session_idle", "session_length", "socket")


@dataclass(frozen=True, slots=True)
class _Table:
    config: Config
    values: Mapping[str, object]

    def word(self, key: str, words: tuple[str, ...], default: str) -> str:
        value = self.values.get(key, default)
        if value not in words:
            raise self._bad(key, f"one of: {', '.join(words)}")
        return str(value)

    def service(self, key: str, default: str) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or not _SERVICE.fullmatch(value):
            raise self._bad(key, "the name of a file in /etc/pam.d")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        try:
            if isinstance(value, list):
                return tuple(login_name(str(one)) for one in cast("list[object]", value))
        except UsageError:
            pass
        raise self._bad(key, "a list of login names")

    def seconds(self, key: str, default: float) -> float:
        value = self.values.get(key, default)
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not 60 <= cast("float", value) <= _YEAR_S:
            raise self._bad(key, f"a number of seconds from 60 to {_YEAR_S}")
        return float(cast("float", value))

    def _bad(self, key: str, rule: str) -> ConfigError:
        where = self.config.where("access", key)
        return ConfigError(f"{where} must be {rule}; it is {self.values.get(key)!r}")
