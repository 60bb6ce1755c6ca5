"""What a value of the configuration must be: each check returns it ready for use.

A check raises ValueError with words that fit after "must be"; `Table` puts file, line and
key before them.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from clsh.base import config, plugins, units
from clsh.base.errors import ConfigError, UsageError
from clsh.monitor.settings.values import Address
from clsh.nodes import entry
from clsh.nodes.model import host_address
from clsh.nodes.nodeset import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clsh.base.config import Config

T = TypeVar("T")

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_TOKEN = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_URL = re.compile(r"https?://[^\s/?#@]+(?:[/?#][^\s]*)?")
_MAILBOX = re.compile(r"[A-Za-z0-9_.+=-]+@[A-Za-z0-9.-]+", re.ASCII)
_LONGEST = 500


class HiddenError(ValueError):
    """What a value must be that is a secret, or has one in it: it is not shown."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the configuration, and where it is."""

    config: Config
    at: tuple[str | int, ...]
    values: Mapping[str, object]

    def get(self, key: str, check: Callable[[object], T], default: T) -> T:
        """Return a value that `check` finds good, the default when there is none."""
        return self.need(key, check) if key in self.values else default

    def need(self, key: str, check: Callable[[object], T]) -> T:
        """Return a value that `check` finds good; raises ConfigError when there is none."""
        if key not in self.values:
            raise ConfigError(
                f"{self.config.where(*self.at)}: there is no {key}", hint=f"add {key}"
            )
        try:
            return check(self.values[key])
        except HiddenError as error:
            raise self.bad(key, f"must be {error}") from None
        except (ValueError, UsageError) as error:
            raise self.bad(key, f"must be {error}; it is {_shown(self.values[key])}") from error

    def bad(self, key: str, why: str, *, hint: str = "") -> ConfigError:
        """Return the error that says what is wrong with a key."""
        return ConfigError(f"{self.config.where(*self.at, key)} {why}", hint=hint)

    def known(self, keys: Iterable[str]) -> None:
        """Raise ConfigError for a key that is none of `keys`."""
        config.check_keys(self.config, self.at, self.values, keys)

    def table(self, key: str) -> Table:
        """Return the table below a key, an empty one when there is none."""
        at = (*self.at, key)
        return Table(self.config, at, _table(self.config, at, self.values.get(key, {})))

    def tables(self, key: str) -> list[Table]:
        """Return the tables of a list: `[[monitor.sources]]`."""
        listed = self.values.get(key, [])
        header = ".".join((*map(str, self.at), key))
        if not isinstance(listed, list):
            raise self.bad(key, "must be a list of tables", hint=f"write [[{header}]]")
        tables: list[Table] = []
        for place, value in enumerate(cast("list[object]", listed)):
            at = (*self.at, key, place)
            tables.append(Table(self.config, at, _table(self.config, at, value)))
        return tables


def _table(config: Config, at: tuple[str | int, ...], value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{config.where(*at)} must be a table; it is {_shown(value)}")
    return cast("dict[str, object]", value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def text(value: object) -> str:
    """Check printable text."""
    if isinstance(value, str) and value and value.isprintable() and len(value) <= _LONGEST:
        return value
    raise ValueError(f"printable text of at most {_LONGEST} characters")


def word(value: object) -> str:
    """Check a name: what follows in URLs and on command lines."""
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    raise ValueError("a name of letters, digits, '_', '.' and '-'")


def one_of(*words: T) -> Callable[[object], T]:
    """Return a check for one of these words."""

    def check(value: object) -> T:
        for known in words:
            if value == known:
                return known
        raise ValueError(f"one of: {', '.join(map(str, words))}")

    return check


def flag(value: object) -> bool:
    """Check true or false."""
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def plugin(package: str) -> Callable[[object], str]:
    """Return a check for the name of a file in a package, or of an entry point."""

    def check(value: object) -> str:
        known = plugins.names(package)
        if isinstance(value, str) and (value in known or plugins.is_registered(package, value)):
            return value
        raise ValueError(f"one of: {', '.join(known)}")

    return check


def number(value: object) -> float:
    """Check a number that is not infinite."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e30:
        return float(value)
    raise ValueError("a number")


def limit(value: object) -> float | str:
    """Check what a metric is compared with."""
    return value if isinstance(value, str) else number(value)


def seconds(low: float, high: float) -> Callable[[object], float]:
    """Return a check for a time between two others: a number of seconds, or `10m`."""

    def check(value: object) -> float:
        span = units.duration(value) if isinstance(value, str) else number(value)
        if low <= span <= high:
            return span
        raise ValueError(f"a time from {low:g} to {high:g} seconds")

    return check


def size(value: object) -> int:
    """Check a size of at least 10 MB: bytes, or `10G`."""
    if isinstance(value, str):
        value = units.size(value)
    if isinstance(value, int) and not isinstance(value, bool) and 10 << 20 <= value < 1 << 60:
        return value
    raise ValueError("a size from 10M on, such as 10G")


def port(value: object) -> int:
    """Check a port; 0 means none."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535:
        return value
    raise ValueError("a port from 1 to 65535, or 0 for none")


def host(value: object) -> str:
    """Check a host to connect to, or an address to listen at."""
    return host_address(text(value))


def address(value: object) -> Address:
    """Check `host:port` to listen at; port 0 takes any that is free."""
    place, colon, number = text(value).rpartition(":")
    name = place[1:-1] if place.startswith("[") and place.endswith("]") else place
    if colon and number.isdecimal() and (name == place) == (":" not in name):
        return Address(host_address(name), port(int(number[:6])))
    raise ValueError("an address such as 127.0.0.1:8650 or [::1]:8650")


def trusted(value: object) -> str:
    """Check an IP address or a network."""
    try:
        ipaddress.ip_network(text(value), strict=False)
    except ValueError:
        raise ValueError("an address or a network such as 10.0.0.0/8") from None
    return text(value)


def token(value: object) -> str:
    """Check the hash of a token; the token itself is no part of the configuration."""
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        return value
    raise ValueError('"sha256:" and the 64 hexadecimal digits that `sha256sum` gives')


def url(value: object) -> str:
    """Check an address of the web; a name and password in it would be seen by others."""
    if isinstance(value, str) and value.isprintable() and _URL.fullmatch(value):
        return value
    kind = HiddenError if "@" in str(value) else ValueError
    raise kind("a URL that begins with http:// or https://, without a user in it")


def mailbox(value: object) -> str:
    """Check the address of a mailbox; a line break would begin another header."""
    if isinstance(value, str) and _MAILBOX.fullmatch(value):
        return value
    raise ValueError("a mail address such as ops@example.org")


def file_name(value: object) -> str:
    """Check an absolute file name."""
    name = text(value)
    if name.startswith("/"):
        return name
    raise ValueError("a file name that begins with /")


def each(check: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    """Return a check for a list of such values."""

    def check_all(value: object) -> tuple[T, ...]:
        if isinstance(value, list):
            return tuple(check(one) for one in cast("list[object]", value))
        raise ValueError("a list")

    return check_all


def hidden(check: Callable[[object], T]) -> Callable[[object], T]:
    """Return a check that never shows the value that is not good."""

    def check_hidden(value: object) -> T:
        try:
            return check(value)
        except ValueError as error:
            raise HiddenError(str(error)) from None

    return check_hidden


def some(check: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    """Return a check for a list that is not empty."""

    def check_some(value: object) -> tuple[T, ...]:
        found = each(check)(value)
        if found:
            return found
        raise ValueError("a list with at least one entry")

    return check_some


def addresses(value: object) -> tuple[str, ...]:
    """Check `host`, `host:port`, node sets of these, and URLs; returns each one by itself."""
    found: list[str] = []
    for one in some(text)(value):
        if "://" in one:
            found.append(url(one))
            continue
        for place in [one] if one.startswith("[") else expand(one):
            entry.destination(place)
            found.append(place)
    return tuple(found)
