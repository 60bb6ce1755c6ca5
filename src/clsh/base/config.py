"""The configuration: one TOML file, then the environment, each value with its origin.

`[shell]` is checked here; the other tables are checked by whom they are for, the inventory
(`clsh.nodes.inventory`) and the manager (`clsh.monitor.settings`). Without a file nothing
is parsed and TOML is not imported.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from clsh.base import paths
from clsh.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE_NAME = "clsh.toml"
INVENTORY = ("default", "defaults", "nodes", "groups", "clusters")
MANAGER = ("manager", "monitor", "alerts", "notify", "access", "jobs")

_WORD = re.compile(r"[A-Za-z0-9_@.,+^*-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shell:
    """The table `[shell]`: what options of `clsh` are when they are not given.

    Times are in seconds; docs/reference/configuration.md says what each one does.
    """

    fanout: int = 64
    connect_timeout: float = 10.0
    timeout: float | None = None
    retry: int = 0
    grace: float = 30.0
    on_lost: Literal["continue", "stop"] = "continue"
    transport: str = "auto"
    color: Literal["auto", "always", "never"] = "auto"
    keepalive: float = 2.0
    keepalive_count: int = 3
    host_keys: Literal["accept-new", "strict", "off"] = "accept-new"
    ssh_config: str | None = None
    known_hosts: str | None = None
    identities: tuple[str, ...] = ()
    kex: str | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a value must be: a whole number, seconds, a word, a file or a list of files."""

    kind: Literal["whole", "seconds", "word", "file", "files"]
    low: float = 0
    words: tuple[str, ...] = ()


_RULES = {
    "fanout": _Rule("whole", low=1),
    "connect_timeout": _Rule("seconds", low=0.1),
    "timeout": _Rule("seconds", low=0.1),
    "retry": _Rule("whole"),
    "grace": _Rule("seconds"),
    "on_lost": _Rule("word", words=("continue", "stop")),
    "transport": _Rule("word"),
    "color": _Rule("word", words=("auto", "always", "never")),
    "keepalive": _Rule("seconds", low=0.1),
    "keepalive_count": _Rule("whole", low=1),
    "host_keys": _Rule("word", words=("accept-new", "strict", "off")),
    "ssh_config": _Rule("file"),
    "known_hosts": _Rule("file"),
    "identities": _Rule("files"),
    "kex": _Rule("word"),
}


@dataclass(frozen=True, slots=True)
class Config:
    """Every value, and where it came from; `tables` has all but `[shell]` as TOML has it.

    `file` is where the configuration is, or would be; `text` is what it holds.
    """

    file: Path
    text: str = ""
    shell: Shell = Shell()
    tables: Mapping[str, object] = field(default_factory=dict[str, object])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    def origin(self, *key: str) -> str:
        """Return `env NAME`, `FILE:LINE` or `default` for a key, such as `shell`, `fanout`."""
        if name := self.variables.get(".".join(key)):
            return f"env {name}"
        line = _lines(self.text).get(key)
        return f"{self.file}:{line}" if line else "default"

    def where(self, *key: str | int) -> str:
        """Return how an error begins that is about a key in the file, or a table without line.

        A number in the key is the place in a list of tables: `"alerts", 0, "below"`.
        """
        lines = _lines(self.text)
        line = next((n for at, n in lines.items() if at[: len(key)] == key), None)
        return f"{self.file}:{line}: {_dotted(key)}" if line else f"{self.file}: {_dotted(key)}"


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Read the file that CLSH_CONFIG names, or `clsh.toml` in the configuration directory.

    `CLSH_` and the key in capitals (`CLSH_FANOUT`) replaces a value of `[shell]`. Raises
    ConfigError naming file and key, or the variable.
    """
    named = environ.get("CLSH_CONFIG")
    file = Path(named) if named else paths.config_dir(environ) / FILE_NAME
    text = _read(file, must_exist=bool(named))
    config = Config(file, text, tables=_parse(file, text) if text else {})
    check_keys(config, (), config.tables, ("shell", *INVENTORY, *MANAGER))
    table = config.tables.get("shell", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{config.where('shell')} must be a table", hint="write [shell]")
    given = cast("dict[str, object]", table)
    check_keys(config, ("shell",), given, _RULES)
    values = {key: _value(config, key, value) for key, value in given.items()}
    variables: dict[str, str] = {}
    for key in _RULES:
        name = f"CLSH_{key.upper()}"
        if written := environ.get(name):
            variables[f"shell.{key}"] = name
            values[key] = _value(config, key, _from_text(key, written), variable=name)
    tables = {key: value for key, value in config.tables.items() if key != "shell"}
    return Config(file, text, replace(Shell(), **values), tables, variables)


def settings(config: Config) -> list[tuple[tuple[str, ...], object]]:
    """Return each key with its value: all of `[shell]`, and the rest as it is written."""
    shell = [(("shell", f.name), getattr(config.shell, f.name)) for f in fields(Shell)]
    return [*shell, *_flat((), config.tables)]


def check_keys(
    config: Config, at: tuple[str | int, ...], table: Iterable[str], known: Iterable[str]
) -> None:
    """Raise ConfigError for a key that is not known, naming the nearest one that is."""
    names = list(known)
    for key in table:
        if key not in names:
            raise ConfigError(
                f"{config.where(*at, key)}: unknown key {key!r}", hint=nearest(key, names)
            )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word most like `word`, or all of them."""
    import difflib

    names = sorted(known)
    like = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {like[0]!r}?" if like else f"these are known: {', '.join(names)}"


def _read(file: Path, *, must_exist: bool) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise ConfigError(
                f"there is no file {str(file)!r}", hint="CLSH_CONFIG names it"
            ) from error
        return ""
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise ConfigError(f"cannot read {str(file)!r}: {reason}") from error


def _parse(file: Path, text: str) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number with 5,000 digits, too
        raise ConfigError(f"{file}: {error}", hint="the file must be TOML 1.0") from error


def _from_text(key: str, text: str) -> object:
    """Return the value of an environment variable as the file would hold it."""
    kind = _RULES[key].kind
    if kind == "files":
        return text.split(":")
    if kind in {"whole", "seconds"} and text.isascii():
        try:
            return int(text) if text.isdigit() else float(text)
        except ValueError:
            return text
    return text


def _value(config: Config, key: str, value: object, *, variable: str | None = None) -> Any:
    """Return a value of `[shell]` or of the variable that replaces it, ready for use."""
    try:
        return _checked(_RULES[key], value)
    except ValueError as error:
        where = variable or config.where("shell", key)
        raise ConfigError(f"{where} must be {error}; it is {value!r}") from error


def _checked(rule: _Rule, value: object) -> object:
    """Return a value as its rule wants it; raises ValueError telling the rule."""
    if rule.kind in {"whole", "seconds"}:
        return _number(rule, value)
    if rule.kind == "word":
        return _word(rule, value)
    if rule.kind == "file":
        return _file(value)
    if isinstance(value, list):
        return tuple(_file(one) for one in cast("list[object]", value))
    raise ValueError("a list of file names")


def _number(rule: _Rule, value: object) -> float:
    whole = rule.kind == "whole"
    right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not right or not rule.low <= cast("float", value) <= 1e9:
        kind = "a whole number" if whole else "a number of seconds"
        raise ValueError(f"{kind} from {rule.low:g} on")
    return cast("int", value) if whole else float(cast("float", value))


def _word(rule: _Rule, value: object) -> str:
    if isinstance(value, str) and rule.words and value in rule.words:
        return value
    if isinstance(value, str) and not rule.words and _WORD.fullmatch(value):
        return value
    raise ValueError(f"one of: {', '.join(rule.words)}" if rule.words else "a word")


def _file(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or value[:1] in {"", "-"}:
        raise ValueError("a file name")
    try:
        return str(Path(value).expanduser())
    except RuntimeError as error:
        raise ValueError("below a home directory that exists") from error


def _dotted(key: Iterable[str | int]) -> str:
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if part.isidentifier() else f'"{part}"')
    return text


def _flat(at: tuple[str, ...], value: object) -> list[tuple[tuple[str, ...], object]]:
    if not isinstance(value, dict):
        return [(at, value)]
    inner = cast("dict[str, object]", value)
    return [pair for key, one in inner.items() for pair in _flat((*at, key), one)]


@functools.lru_cache(maxsize=2)
def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Return the line of each key in TOML that is known to be good.

    What is in the first `[[alerts]]` has the key `("alerts", 0, ...)`.

    A document is statements on lines of their own, and no proper part of a statement that
    ends at a line is TOML: so the shortest run of lines that parses is one statement.
    """
    import tomllib

    found: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    start, statement = 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        statement += f"{line}\n"
        try:
            parsed = tomllib.loads(statement)
        except ValueError:
            continue
        if statement.lstrip().startswith("["):
            table = header = _header(parsed)
            if statement.lstrip().startswith("[["):
                counts[header] = counts.get(header, -1) + 1
                found.setdefault(header, start)
                table = (*header, counts[header])
            found[table] = start
        else:
            found.update(((*table, *key), start) for key, _ in _flat((), parsed))
        start, statement = number + 1, ""
    return found


def _header(parsed: object) -> tuple[str, ...]:
    """Return the key of `[a.b]` from what TOML makes of it: {"a": {"b": {}}}."""
    if not isinstance(parsed, dict) or not parsed:
        return ()
    key, inner = next(iter(cast("dict[str, object]", parsed).items()))
    return (key, *_header(inner))
