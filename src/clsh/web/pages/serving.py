"""The routes of the public pages and of what all pages load; each is drawn once for all readers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from clsh.web.answers import Answers, Made, reply
from clsh.web.pages import alerts, cluster, compare, grid, jobs, metric, missing, node, processes
from clsh.web.pages.drawing import FILES, LONGEST_QUERY, VERSION, draw, language_of, understand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from clsh.jobs.service import Jobs
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked, Page

    Draw = Callable[[Monitor, Asked], Awaitable[Page]]

_YEAR_S = 366 * 86400
_KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
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


def routes(monitor: Monitor, service: Jobs | None = None) -> list[Route]:
    """Return the routes of all pages, and of what they load; without `service` none of jobs."""
    answers = Answers(monitor.clock)
    pages = [Route(path, _page(monitor, answers, make)) for path, make in PAGES.items()]
    private = jobs.routes(monitor, service) if service else []
    return [*pages, *private, Route("/static/{name}", _static(answers))]


def _static(answers: Answers) -> Callable[[Request], Awaitable[Response]]:
    async def make(name: str) -> Made:
        return Made(FILES[name], _KINDS.get(name.rpartition(".")[2], "text/plain"))

    async def answer(request: Request) -> Response:
        name = str(request.path_params["name"])
        if name not in FILES:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        kept = await answers.get(f"/static/{name}", 0, lambda: make(name))
        response = await reply(kept, request.headers)
        if request.query_params.get("v") == VERSION:
            response.headers["cache-control"] = f"public, max-age={_YEAR_S}, immutable"
        return response

    return answer


def _page(
    monitor: Monitor, answers: Answers, make: Draw
) -> Callable[[Request], Awaitable[Response]]:
    async def drawn(request: Request, language: str, page: Draw) -> Made:
        asked = understand(request, monitor.clock.unix(), language)
        return await draw(monitor, asked, await page(monitor, asked))

    async def answer(request: Request) -> Response:
        if len(request.url.query) > LONGEST_QUERY:
            return Response("The address is too long.\n", 414, media_type="text/plain")
        language = language_of(request)
        gone = missing.is_missing(monitor, request.path_params)
        asked_for = urlencode(sorted(request.query_params.multi_items()))
        kept = await answers.get(
            f"{language} {gone} {request.url.path}?{asked_for}",
            monitor.grid.version,
            lambda: drawn(request, language, missing.page if gone else make),
        )
        return await reply(kept, request.headers, status=404 if gone else 200)

    return answer
