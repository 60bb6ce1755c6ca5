"""What the configuration says about jobs: the table `[jobs]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from clsh.base import plugins, units
from clsh.base.config import check_keys
from clsh.base.errors import ConfigError, UsageError
from clsh.jobs.sent.store import Bounds
from clsh.nodes.nodeset import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from clsh.base.config import Config

    T = TypeVar("T")

_ENGINES = "clsh.jobs.engines"
_SEND = ("send_limit", "send_quota", "send_keep_days")
_KEYS = ("engine", "spool", "keep_days", "keep_jobs", "slots", "notify", "notify_hours", *_SEND)
_MOST_SLOTS = 100_000


@dataclass(frozen=True, slots=True)
class Settings:
    """`slots` says how many cores of a node are for jobs, where it is not all of them.

    `spool` is the directory on the nodes, "" the engine's own choice. Jobs that have ended are
    kept for `keep_days`, and no more than `keep_jobs` of them. `notify` are the channels of
    `[notify]` that jobs may use; what cannot be told is given up after `notify_hours`. `send`
    bounds the files that are sent along. `own` is for the engine alone.
    """

    engine: str = "remote"
    spool: str = ""
    keep_days: int = 90
    keep_jobs: int = 100_000
    slots: Mapping[str, int] = field(default_factory=dict[str, int])
    notify: tuple[str, ...] = ()
    notify_hours: int = 24
    send: Bounds = field(default_factory=Bounds)
    own: Mapping[str, object] = field(default_factory=dict[str, object])


def load(config: Config) -> Settings:
    """Return the settings; raises ConfigError that names file, line and key.

    `[jobs.ENGINE]` is for the engine of that name; those of other engines may stay.
    """
    table = _table(config, ("jobs",), config.tables.get("jobs", {}))
    engines = [key for key in table if key not in _KEYS and isinstance(table[key], dict)]
    unknown = [key for key in engines if not _is_engine(key)]
    check_keys(config, ("jobs",), [k for k in table if k not in engines or k in unknown], _KEYS)
    default = Settings()
    engine = _get(config, table, "engine", _engine, default.engine)
    return Settings(
        engine,
        _get(config, table, "spool", _directory, default.spool),
        _get(config, table, "keep_days", _count(1, 36_500), default.keep_days),
        _get(config, table, "keep_jobs", _count(1, 10_000_000), default.keep_jobs),
        _slots(config, table.get("slots", {})),
        _get(config, table, "notify", _channels(config), default.notify),
        _get(config, table, "notify_hours", _count(1, 720), default.notify_hours),
        Bounds(
            _get(config, table, "send_limit", _size, default.send.file),
            _get(config, table, "send_quota", _size, default.send.user),
            _get(config, table, "send_keep_days", _count(1, 36_500), default.send.days),
        ),
        _table(config, ("jobs", engine), table.get(engine, {})),
    )


def _get(
    config: Config,
    table: Mapping[str, object],
    key: str,
    check: Callable[[object], T],
    default: T,
) -> T:
    if key not in table:
        return default
    try:
        return check(table[key])
    except ValueError as error:
        where = config.where("jobs", key)
        raise ConfigError(f"{where} must be {error}; it is {table[key]!r}") from error


def _table(config: Config, at: tuple[str, ...], value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{config.where(*at)} must be a table", hint=f"write [{'.'.join(at)}]")
    return cast("dict[str, object]", value)


def _is_engine(name: str) -> bool:
    return name in plugins.names(_ENGINES) or plugins.is_registered(_ENGINES, name)


def _engine(value: object) -> str:
    if isinstance(value, str) and _is_engine(value):
        return value
    raise ValueError(f"one of: {', '.join(plugins.names(_ENGINES))}")


def _directory(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and value.startswith(("/", "~")):
        return value
    raise ValueError("a directory on the nodes that begins with / or ~")


def _count(low: int, high: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"a whole number from {low} to {high}")

    return check


def _size(value: object) -> int:
    try:
        if isinstance(value, str):
            return units.size(value)
    except ValueError:
        pass
    raise ValueError('a size such as "512M" or "4G"')


def _channels(config: Config) -> Callable[[object], tuple[str, ...]]:
    """Return a check for a list of names that `[notify]` has."""
    tables = config.tables.get("notify", {})
    known = list(cast("dict[str, object]", tables)) if isinstance(tables, dict) else []

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError("a list of names of channels")  # noqa: TRY004 - told as a bad value
        names = cast("list[object]", value)
        if any(name not in known for name in names):
            said = ", ".join(known) or "none is there, add [notify.NAME]"
            raise ValueError(f"a list of names of channels ({said})")
        return tuple(dict.fromkeys(map(str, names)))

    return check


def _slots(config: Config, value: object) -> Mapping[str, int]:
    """Return the slots of each node; the keys are node sets."""
    at = ("jobs", "slots")
    found: dict[str, int] = {}
    for nodes, count in _table(config, at, value).items():
        try:
            slots = _count(0, _MOST_SLOTS)(count)
            found.update(dict.fromkeys(expand(nodes), slots))
        except ValueError as error:
            raise ConfigError(
                f"{config.where(*at, nodes)} must be {error}; it is {count!r}"
            ) from error
        except UsageError as error:
            raise ConfigError(f"{config.where(*at, nodes)}: {error}", hint=error.hint) from error
    return found
