"""Read the fields of the form into a Request, and write them back. Pure.

A value is a text, as people type it, or what JSON has for it: a list of words, a number, true.
An empty text is a field that was left out. Every error is a RequestError that names the field
and says what it may be.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from clsh.base.config import nearest
from clsh.base.errors import UsageError
from clsh.jobs.errors import RequestError
from clsh.jobs.forms import spelling
from clsh.jobs.forms.fields import BY_NAME, FIELDS
from clsh.jobs.model import Request
from clsh.nodes.model import node_name
from clsh.nodes.nodeset import expand, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clsh.jobs.forms.fields import Field, FieldKind

LONGEST_WORD = 128 * 1024 - 1
"""Bytes of one argument or variable; Linux takes no longer one (MAX_ARG_STRLEN)."""
_LONGEST_TEXT = 4096
# Written even when they are what a new request has: `read` would guess them.
_GUESSED = ("kind", "metric", "again")


def read(given: Mapping[str, object]) -> Request:
    """Return the request that these fields ask for; raises RequestError."""
    values: dict[str, object] = {}
    for name, value in given.items():
        field = BY_NAME.get(name)
        if field is None:
            shown = name[:40]
            raise RequestError(shown, f"there is no field {shown!r}", hint=nearest(shown, BY_NAME))
        if value is not None and value != "":
            values[name] = _value(field, value)
    if not values.get("argv"):
        raise RequestError("argv", "no command was given", hint="it is a program and its arguments")
    _guess(values)
    _check(values)
    array = values.pop("array", None)
    if array is not None:
        values["array"], values["at_once"] = cast("tuple[tuple[int, ...], int]", array)
    return Request(**values)  # type: ignore[arg-type]  # _value made each of its field's type


def _value(field: Field, value: object) -> object:
    try:
        if isinstance(value, str):
            found = _READ[field.kind](field, value.replace("\r\n", "\n"))
        else:
            found = _native(field, value)
        _check_texts(field, found)
    except (ValueError, UsageError) as error:
        why = error.hint if isinstance(error, UsageError) else ""
        raise _refused(field, value, why) from error
    return found


def _refused(field: Field, value: object, why: str = "") -> RequestError:
    text = value if isinstance(value, str) else repr(value)
    shown = repr(text if len(text) <= 60 else text[:60] + "...")
    return RequestError(
        field.name,
        f"{field.name} cannot be {shown if isinstance(value, str) else shown[1:-1]}",
        hint=why or f"it must be {field.allowed()}",
    )


def _words(_: Field, text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


def _text(_: Field, text: str) -> str:
    return text.strip()


def _whole(field: Field, text: str) -> int:
    digits = text.strip()
    bare = digits.removeprefix("-") if field.kind == "signed" else digits
    if not (bare.isascii() and bare.isdigit() and len(bare) < 10):
        raise ValueError("no number")
    return _within(field, int(digits))


def _within(field: Field, number: int) -> int:
    if not field.low <= number <= field.high:
        raise ValueError("out of range")
    return number


def _choice(field: Field, text: str) -> str:
    if text.strip() not in field.choices:
        raise ValueError("no choice")
    return text.strip()


def _nodes(_: Field, text: str) -> tuple[str, ...]:
    return tuple(node_name(name) for name in expand(text.strip()))


def _by(reader: Callable[[str], object]) -> Callable[[Field, str], object]:
    return lambda _, text: reader(text.strip())


_READ: Mapping[FieldKind, Callable[[Field, str], object]] = {
    "words": _words,
    "text": _text,
    "whole": _whole,
    "signed": _whole,
    "size": _by(spelling.size),
    "time": _by(spelling.seconds),
    "array": _by(spelling.array),
    "choice": _choice,
    "nodes": _nodes,
    "after": _by(spelling.after),
    "environment": lambda _, text: spelling.environment(text),
    "list": _by(spelling.entries),
    "signal": _by(spelling.signal_name),
    "truth": _by(spelling.truth),
}


def _native(field: Field, value: object) -> object:
    """Return what JSON or Python has for a field; raises ValueError for any other type."""
    match field.kind, value:
        case "truth", bool():
            return value
        case _, bool():
            raise ValueError("no truth")
        case "whole" | "signed", int():
            return _within(field, value)
        case "size" | "time", int() if 0 <= value < 1 << 60:
            return value
        case "environment", Mapping():
            return _variables(cast("Mapping[object, object]", value))
        case "words" | "list" | "nodes", list() | tuple():
            return _strings(field, cast("Sequence[object]", value))
        case _:
            raise ValueError("another type")


def _variables(value: Mapping[object, object]) -> dict[str, str]:
    found = {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, str)}
    if len(found) < len(value) or not all(map(spelling.is_variable, found)):
        raise ValueError("no variables")
    return found


def _strings(field: Field, value: Sequence[object]) -> tuple[str, ...]:
    found = tuple(one for one in value if isinstance(one, str))
    if len(found) < len(value):
        raise ValueError("not only texts")
    if field.kind == "nodes":
        return tuple(dict.fromkeys(map(node_name, found)))
    if field.kind == "list" and spelling.entries(",".join(found)) != found:
        raise ValueError("a comma or a space too much, or the same one twice")
    return found


def _check_texts(field: Field, value: object) -> None:
    """Refuse what no program, file or database can be given, in a value of any shape."""
    inner: list[object] = [value]
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, str]", value)
        inner = [f"{name}={text}" for name, text in pairs.items()]
    elif isinstance(value, tuple):
        inner = list(cast("Iterable[object]", value))
    for text in inner:
        if not isinstance(text, str):
            continue
        if "\0" in text:
            raise UsageError(hint="no text may have a NUL byte")
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            raise UsageError(hint="all texts are UTF-8") from error
        if field.kind in {"text", "list"} and not (text.isprintable() and size <= _LONGEST_TEXT):
            raise UsageError(hint=f"it is one line of at most {_LONGEST_TEXT} printable bytes")
        if size > LONGEST_WORD:
            raise UsageError(
                hint=f"{size:,} bytes are more than a program can be given ({LONGEST_WORD:,}):"
                " put it into a file that the nodes have"
            )


def _guess(values: dict[str, object]) -> None:
    """Fill in what the other fields say: the kind, that nodes were named, one restart."""
    if values.get("kind") == "batch" and "array" not in values and "tasks" in values:
        values["array"] = (tuple(range(cast("int", values.pop("tasks")))), 0)
    if "kind" not in values:
        many = cast("int", values.get("tasks", 1)) > 1 or values.get("tasks_per_node", 0)
        values["kind"] = "batch" if "array" in values else "parallel" if many else "single"
    if values.get("nodes") and "metric" not in values:
        values["metric"] = "named"
    if values.get("restart", "none") != "none" and "again" not in values:
        values["again"] = 1


def _check(values: Mapping[str, object]) -> None:
    """Refuse fields that do not go together."""
    kind = cast("str", values["kind"])
    for name, value in values.items():
        field = BY_NAME[name]
        if kind not in field.kinds and value != _fallback(field):
            raise RequestError(
                name,
                f"a {kind} job has no {name}",
                hint=f"leave it out, or let kind be {' or '.join(field.kinds)}",
            )
    if kind == "batch" and "array" not in values:
        raise RequestError(
            "array", "a batch job has no array", hint=f"it must be {BY_NAME['array'].allowed()}"
        )
    if kind == "batch" and cast("int", values.get("tasks", 1)) > 1:
        raise RequestError("tasks", "tasks and array do not go together", hint="leave one out")
    if values.get("metric") == "named" and not values.get("nodes"):
        raise RequestError("nodes", "no nodes are named", hint="name them, or take another metric")
    if values.get("restart") == "own" and not values.get("restart_argv"):
        raise RequestError(
            "restart_argv",
            "a job with checkpoints of its own needs a restart command",
            hint="it is run instead of the command when the job goes on",
        )


def _fallback(field: Field) -> object:
    """Return what a new request has for a field."""
    if field.kind == "truth":
        return False
    return int(field.default) if field.kind in {"whole", "signed"} else field.default


def texts(request: Request) -> dict[str, str]:
    """Return the fields that say something, as people type them; `read` gives the request back."""
    return {name: _written(BY_NAME[name], value, request) for name, value in _said(request).items()}


def native(request: Request) -> dict[str, object]:
    """Return the fields that say something, as JSON has them; `read` gives the request back.

    Long lists of numbers and of nodes are texts here too.
    """
    found: dict[str, object] = {}
    for name, value in _said(request).items():
        kind = BY_NAME[name].kind
        if kind in {"words", "list"}:
            found[name] = list(cast("Iterable[str]", value))
        elif kind == "environment":
            found[name] = dict(cast("Mapping[str, str]", value))
        elif isinstance(value, int):
            found[name] = value
        else:
            found[name] = _written(BY_NAME[name], value, request)
    return found


def _said(request: Request) -> dict[str, object]:
    fresh = Request(())
    found = {field.name: getattr(request, field.name) for field in FIELDS}
    return {
        name: value
        for name, value in found.items()
        if value != getattr(fresh, name) or name in _GUESSED
    }


def _written(field: Field, value: object, request: Request) -> str:
    match field.kind:
        case "words":
            return shlex.join(cast("tuple[str, ...]", value))
        case "time":
            return spelling.from_seconds(cast("int", value))
        case "size":
            return spelling.from_size(cast("int", value))
        case "array":
            return spelling.from_array(request.array, request.at_once)
        case "after":
            return spelling.from_after(request.after)
        case "environment":
            return spelling.from_environment(request.environment)
        case "nodes":
            return _folded(request.nodes)
        case "list":
            return ",".join(cast("tuple[str, ...]", value))
        case "truth":
            return "yes" if value else "no"
        case _:
            return str(value)


def _folded(names: tuple[str, ...]) -> str:
    """Return the nodes as a set where that keeps their order, which is what they are taken in."""
    short = fold(names)
    return short if tuple(expand(short)) == names else ",".join(names)
