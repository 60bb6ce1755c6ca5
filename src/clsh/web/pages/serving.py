"""The routes of the pages and of what they load; each page is drawn once for all readers.

A page answers three questions at one address: as HTML; with `as=data` the lines of its charts
for the browser to draw; with `as=parts` what changes while it is open.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.responses import Response
from starlette.routing import Route

from clsh.web.answers import Answers, Made, reply, to_json
from clsh.web.pages import (
    alerts,
    cluster,
    compare,
    grid,
    metric,
    missing,
    node,
    processes,
    spans,
)
from clsh.web.pages.asked import Asked
from clsh.web.pages.figures import charts
from clsh.web.pages.words import LANGUAGES, Words, choose_language, number, quantity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Page

    Draw = Callable[[Monitor, Asked], Awaitable[Page]]

_HERE = Path(__file__).parents[1]
_YEAR_S = 366 * 86400
_LONGEST_QUERY = 4096
_KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def _read(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((_HERE / folder).iterdir())}


# Read when the module is: later it would block the event loop.
_FILES = {name: body for name, body in _read("static").items() if not name.endswith(".json")}
_VERSION = hashlib.blake2b(b"".join(_FILES.values()), digest_size=6).hexdigest()
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
    "assets": _VERSION,
}

PAGES: Mapping[str, Draw] = {
    "/": grid.page,
    "/c/{cluster}": cluster.page,
    "/c/{cluster}/{node}": node.page,
    "/m/{cluster}/{metric}": metric.page,
    "/processes": processes.page,
    "/alerts": alerts.page,
    "/compare": compare.page,
}


def routes(monitor: Monitor) -> list[Route]:
    """Return the routes of all pages, and of the files that they load."""
    answers = Answers(monitor.clock)
    pages = [Route(path, _page(monitor, answers, draw)) for path, draw in PAGES.items()]
    return [*pages, Route("/static/{name}", _static(answers))]


def _static(answers: Answers) -> Callable[[Request], Awaitable[Response]]:
    async def make(name: str) -> Made:
        return Made(_FILES[name], _KINDS.get(name.rpartition(".")[2], "text/plain"))

    async def answer(request: Request) -> Response:
        name = str(request.path_params["name"])
        if name not in _FILES:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        kept = await answers.get(f"/static/{name}", 0, lambda: make(name))
        response = await reply(kept, request.headers)
        if request.query_params.get("v") == _VERSION:
            response.headers["cache-control"] = f"public, max-age={_YEAR_S}, immutable"
        return response

    return answer


def _page(
    monitor: Monitor, answers: Answers, draw: Draw
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        query = dict(request.query_params)
        if len(request.url.query) > _LONGEST_QUERY:
            return Response("The address is too long.\n", 414, media_type="text/plain")
        language = choose_language(
            query.get("lang", ""), request.headers.get("accept-language", "")
        )
        gone = missing.is_missing(monitor, request.path_params)
        asked_for = urlencode(sorted(request.query_params.multi_items()))
        kept = await answers.get(
            f"{language} {gone} {request.url.path}?{asked_for}",
            monitor.grid.version,
            lambda: _make(monitor, missing.page if gone else draw, request, language),
        )
        return await reply(kept, request.headers, status=404 if gone else 200)

    return answer


async def _make(monitor: Monitor, draw: Draw, request: Request, language: str) -> Made:
    asked = understand(request, monitor.clock.unix(), language)
    page = await draw(monitor, asked)
    values = _values(monitor, asked, page)
    kind = asked.query.get("as", "")
    if kind == "parts":
        lines = await charts.data(monitor, asked, page.charts, _since(asked))
        html = _blocks(page, values)
        if "sparks" in asked.query:
            sparks = [chart for chart in page.charts if chart.spark]
            drawn = await charts.draw(monitor, asked, sparks)
            html |= {one.chart.key: str(one.svg) for one in drawn}
        parts = {"html": html, "heat": dict(page.heat)}
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
