"""What may be asked: each parameter says what it takes, reads it, and refuses in words.

The same values make the OpenAPI description, so what is described is what is checked.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from clsh.base.config import nearest
from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clsh.base.users import User

LONGEST = 256
_MOST = 1000  # values of one parameter
_AGO = re.compile(r"-(\d{1,9})([smhdwy])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_MOMENTS = "Unix seconds, 'now', or a time ago such as -90s, -30m, -6h, -7d, -2w, -1y"


class RefusedError(ClshError):
    """A request is not answered; `status` is that of HTTP, `parameter` what is wrong in it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str = "",
        parameter: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.parameter = parameter
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a request, and what it may be.

    A `whole` number lies in `low` to `high`; a `choice` is one of `choices`; a `moment` is
    read relative to now. With `many` it may stand several times.
    """

    name: str
    about: str
    kind: Literal["text", "whole", "choice", "moment"] = "text"
    where: Literal["query", "path"] = "query"
    default: str = ""
    required: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0

    def allowed(self) -> str:
        """Return in words what this parameter may be."""
        if self.kind == "whole":
            return f"a whole number from {self.low} to {self.high}"
        if self.kind == "choice":
            return f"one of: {', '.join(self.choices)}"
        if self.kind == "moment":
            return _MOMENTS
        return f"a text of 1 to {LONGEST} printable characters"

    def read(self, text: str, now: float) -> str | int | float:
        """Return the value that `text` stands for; raises RefusedError (400) for any other."""
        value: str | int | float | None = None
        if self.kind == "whole":
            value = self._whole(text)
        elif self.kind == "choice":
            value = text if text in self.choices else None
        elif self.kind == "moment":
            value = moment(text, now)
        elif 0 < len(text) <= LONGEST and text.isprintable():
            value = text
        if value is None:
            shown = text if len(text) <= 40 else text[:40] + "..."
            raise RefusedError(
                400,
                f"the parameter {self.name!r} cannot be {shown!r}",
                hint=f"it must be {self.allowed()}",
                parameter=self.name,
            )
        return value

    def _whole(self, text: str) -> int | None:
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            return None
        return int(text) if self.low <= int(text) <= self.high else None


def moment(text: str, now: float) -> float | None:
    """Return the Unix time that `text` names (`now`, `-1d`, `1700000000`), None if none."""
    if text == "now":
        return now
    if ago := _AGO.fullmatch(text):
        return max(0.0, now - int(ago[1]) * _SECONDS[ago[2]])
    try:
        value = float(text) if text.isascii() and len(text) < 24 else math.nan
    except ValueError:
        return None
    return value if 0 <= value < 1e11 else None


class Asked:
    """The checked parameters of one request, its body, and who asks where the route needs it."""

    def __init__(
        self,
        values: Mapping[str, Sequence[str | int | float]],
        body: bytes = b"",
        user: User | None = None,
    ) -> None:
        self._values = values
        self.body = body
        self.user = user

    def text(self, name: str) -> str:
        """Return a text, "" when it was not given."""
        return str(self._first(name, ""))

    def whole(self, name: str) -> int:
        """Return a whole number."""
        return cast("int", self._first(name, 0))

    def moment(self, name: str) -> float:
        """Return a Unix time."""
        return cast("float", self._first(name, 0.0))

    def many(self, name: str) -> list[str]:
        """Return all values of a parameter that may stand several times."""
        return [str(value) for value in self._values.get(name, ())]

    def _first(self, name: str, otherwise: str | float) -> str | int | float:
        values = self._values.get(name, ())
        return values[0] if values else otherwise


def read(
    parameters: Sequence[Parameter],
    query: Iterable[tuple[str, str]],
    path: Mapping[str, str],
    now: float,
) -> dict[str, list[str | int | float]]:
    """Return the values of all parameters; raises RefusedError (400) naming the one at fault."""
    given: dict[str, list[str]] = {name: [text] for name, text in path.items()}
    known = {one.name for one in parameters}
    for name, text in query:
        if name not in known or name in path:
            raise RefusedError(
                400,
                f"there is no parameter {name[:40]!r} here",
                hint=nearest(name[:40], known - set(path)) if known - set(path) else "",
                parameter=name[:40],
            )
        given.setdefault(name, []).append(text)
    return {one.name: _values(one, given.get(one.name, []), now) for one in parameters}


def _values(one: Parameter, given: list[str], now: float) -> list[str | int | float]:
    if len(given) > (_MOST if one.many else 1):
        often = f"at most {_MOST} times" if one.many else "once"
        raise RefusedError(400, f"the parameter {one.name!r} may stand {often}", parameter=one.name)
    if not given and one.required:
        raise RefusedError(
            400,
            f"the parameter {one.name!r} is missing",
            hint=f"it must be {one.allowed()}",
            parameter=one.name,
        )
    texts = given or ([one.default] if one.default else [])
    # An empty field of a form is one that was left out.
    return [one.read(text, now) for text in texts if text or one.required]


def missing(kind: str, name: str, known: Iterable[str]) -> RefusedError:
    """Return the refusal (404) for a name that is not there, with the nearest that is."""
    names = [one for _, one in zip(range(2000), known, strict=False)]
    shown = name[:64]
    hint = nearest(shown, names) if len(names) <= 2000 and names else ""
    if len(hint) > 200:
        hint = f"there are {len(names)}, such as {names[0]!r}"
    return RefusedError(404, f"there is no {kind} {shown!r}", hint=hint)
