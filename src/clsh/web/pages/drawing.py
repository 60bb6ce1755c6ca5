"""Draw a page from its template: as HTML, as the lines of its charts, or as what changes.

A page answers three questions at one address: as HTML; with `as=data` the lines of its charts
for the browser to draw; with `as=parts` what changes while it is open.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jinja2 import DictLoader, Environment, StrictUndefined

from clsh.web.answers import Made, to_json
from clsh.web.pages import spans
from clsh.web.pages.asked import Asked
from clsh.web.pages.figures import charts
from clsh.web.pages.words import LANGUAGES, Words, choose_language, number, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Page

LONGEST_QUERY = 4096
_HERE = Path(__file__).parents[1]


def _read(folder: str) -> dict[str, bytes]:
    root = _HERE / folder
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


# Read when the module is: later it would block the event loop.
FILES = {name: body for name, body in _read("static").items() if not name.endswith(".json")}
VERSION = hashlib.blake2b(b"".join(FILES.values()), digest_size=6).hexdigest()
_TEMPLATES = Environment(
    loader=DictLoader({name: body.decode() for name, body in _read("templates").items()}),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_GLOBALS: Mapping[str, object] = {
    "number": number,
    "quantity": quantity,
    "languages": LANGUAGES,
    "ranges": spans.RANGES,
    "assets": VERSION,
}


def language_of(request: Request) -> str:
    """Return the language that a request is answered in."""
    accepted = request.headers.get("accept-language", "")
    return choose_language(request.query_params.get("lang", ""), accepted)


def understand(request: Request, now: float, language: str) -> Asked:
    """Return what a request asks; what it says wrongly is taken as not said."""
    items = request.query_params
    zone = datetime.fromtimestamp(now).astimezone().tzinfo
    if zone is None:  # never: astimezone sets it
        raise AssertionError
    span = spans.parse(items, now, zone)
    kept = dict(span.query)
    if items.get("lang", "") in LANGUAGES:
        kept["lang"] = items["lang"]
    return Asked(
        path=cast("str", request.scope.get("raw_path", b"/").decode("latin-1")).partition("?")[0],
        query={name: value for name, value in items.items() if value},
        lists={
            name: values
            for name in ("node", "metric")
            if (values := [value for value in items.getlist(name) if value])
        },
        words=Words(language, zone, now),
        span=span,
        kept=kept,
        names=dict(request.path_params),
    )


async def draw(monitor: Monitor, asked: Asked, page: Page) -> Made:
    """Return what was asked of the page."""
    values = _values(monitor, asked, page)
    kind = asked.query.get("as", "")
    if kind == "parts":
        lines = await charts.data(monitor, asked, page.charts, _since(asked))
        html = _blocks(page, values)
        if "sparks" in asked.query:
            sparks = [chart for chart in page.charts if chart.spark]
            drawn = await charts.draw(monitor, asked, sparks)
            html |= {one.chart.key: str(one.svg) for one in drawn}
        parts = {"html": html, "heat": dict(page.heat), **page.news}
        return Made(to_json({"charts": lines, "end": asked.span.end} | parts))
    if kind == "data":
        lines = await charts.data(monitor, asked, page.charts, None)
        return Made(to_json({"charts": lines, "end": asked.span.end}))
    drawn = await charts.draw(monitor, asked, page.charts)
    values["drawn"] = {one.chart.key: one for one in drawn}
    document = _TEMPLATES.get_template(page.template).render(values)
    return Made(document.encode(), "text/html; charset=utf-8")


def render(monitor: Monitor, asked: Asked, page: Page) -> bytes:
    """Return a page without charts, for one reader."""
    template = _TEMPLATES.get_template(page.template)
    return template.render(_values(monitor, asked, page)).encode()


def _values(monitor: Monitor, asked: Asked, page: Page) -> dict[str, object]:
    return {
        "asked": asked,
        "words": asked.words,
        "_": asked.words.tr,
        "said": asked.words.said,
        "here": page.here,
        "watch": page.watch,
        "grid_name": monitor.grid.name,
        "interval_s": monitor.settings.interval_s,
        "alert_count": len(monitor.alerts.active()),
        **_GLOBALS,
        **page.values,
    }


def _blocks(page: Page, values: dict[str, object]) -> dict[str, str]:
    template = _TEMPLATES.get_template(page.template)
    html: dict[str, str] = {}
    for part in page.parts:
        context = template.new_context(values | dict(part.values))
        html[part.id] = "".join(template.blocks[part.block or part.id](context))
    return html


def _since(asked: Asked) -> float:
    since = spans.moment(asked.query.get("since", ""), asked.words.zone)
    return asked.span.start if since is None else min(max(since, asked.span.start), asked.span.end)
