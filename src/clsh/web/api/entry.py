"""One route of the API as data: what it is called with, who may, and what answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clsh.access.service import Access
    from clsh.jobs.service import Jobs
    from clsh.monitor.service import Monitor
    from clsh.web.answers import Answers
    from clsh.web.api.push import Rate
    from clsh.web.asking import Asked, Parameter
    from clsh.web.control import Control
    from clsh.web.live import Live
    from clsh.web.who import Need


@dataclass(frozen=True, slots=True)
class Site:
    """What the answers are made of."""

    monitor: Monitor
    control: Control
    answers: Answers
    live: Live
    rate: Rate
    access: Access
    jobs: Jobs | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A route; `access` is who may use it. What is for a `user` or an `admin` is `kept` by nobody.

    `answer` returns JSON as Python has it, or a Made. It is `kept` for a version of the
    grid, for a second, or (`no`) made anew and never stored by anybody. `schema` and `body`
    name schemas in `clsh.web.api.schemas`; with `lines` a body may also be plain text, and a
    `raw` one is bytes of any kind.
    """

    method: Literal["GET", "POST"]
    path: str
    about: str
    answer: Callable[[Site, Asked], Awaitable[object]]
    schema: str = ""
    parameters: tuple[Parameter, ...] = ()
    access: Need = "public"
    kept: Literal["version", "second", "no"] = "version"
    media: str = "application/json"
    body: str = ""
    lines: bool = False
    raw: bool = False
    status: int = 200
