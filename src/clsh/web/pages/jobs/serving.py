"""The routes of the pages of jobs: who asks must be known, and gets an answer of their own.

Jobs of others are answered exactly like those that there are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from clsh.base.errors import ClshError, NodeError, NotAllowedError
from clsh.jobs.errors import NoJobError, NotNowError, RequestError
from clsh.web import who
from clsh.web.answers import Kept, reply
from clsh.web.asking import RefusedError
from clsh.web.bodies import read_form
from clsh.web.pages.asked import Page
from clsh.web.pages.drawing import LONGEST_QUERY, draw, language_of, understand
from clsh.web.pages.jobs import entry, files, job, listing, posted
from clsh.web.pages.jobs.details import Details
from clsh.web.pages.words import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from clsh.base.users import User
    from clsh.jobs.service import Jobs
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked

ACTS = ("cancel", "hold", "release", "requeue")


def routes(monitor: Monitor, service: Jobs) -> list[Route]:
    """Return the routes of all pages of jobs."""
    desk = _Desk(monitor, service)
    return [
        Route("/jobs", desk.page(desk.listing)),
        Route("/jobs/new", desk.page(desk.form)),
        Route("/jobs/new", desk.page(desk.submit), methods=["POST"]),
        Route("/jobs/{job}", desk.page(desk.job)),
        Route("/jobs/{job}", desk.page(desk.act), methods=["POST"]),
        Route("/jobs/{job}/{index}/{stream}", desk.page(desk.file)),
    ]


class _Desk:
    """Answers requests of users; each method takes who asks, the request, what it asks."""

    def __init__(self, monitor: Monitor, service: Jobs) -> None:
        self._monitor = monitor
        self._service = service
        self._details = Details(service)

    def page(
        self, answer: Callable[[User, Request, Asked], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint that knows the user."""

        async def endpoint(request: Request) -> Response:
            if len(request.url.query) > LONGEST_QUERY:
                raise RefusedError(414, "The address is too long.")
            user = who.of(request.scope).known()
            asked = understand(request, self._monitor.clock.unix(), language_of(request))
            try:
                return await answer(user, request, asked)
            except NoJobError as error:
                return await self._draw(request, asked, _missing(asked, error), 404)
            except RefusedError:
                raise
            except ClshError as error:
                raise RefusedError(_status(error), str(error), hint=error.hint) from error

        return endpoint

    async def listing(self, user: User, request: Request, asked: Asked) -> Response:
        """Answer with the list."""
        if self._has_seen(asked):
            return _nothing_new()
        page = await listing.page(self._service, self._details, user, asked)
        return await self._draw(request, asked, page)

    async def form(self, user: User, request: Request, asked: Asked) -> Response:
        """Answer with the form."""
        return await self._draw(
            request, asked, await entry.page(self._service, self._monitor, user, asked)
        )

    async def submit(self, user: User, request: Request, asked: Asked) -> Response:
        """Take a form, or show it again with what is wrong in it."""
        given = posted.joined(await read_form(request))
        made, wrong = posted.request(given)
        problem: ClshError | None = None
        if made:
            try:
                (number,) = await self._service.submit(user, [made])
            except RequestError as error:
                wrong = {error.field: error}
            except ClshError as error:
                problem = error
            else:
                return _go(asked.link(f"/jobs/{number}"))
        typed = entry.Typed(given, wrong, problem)
        page = await entry.page(self._service, self._monitor, user, asked, typed)
        return await self._draw(request, asked, page, _status(problem) if problem else 422)

    async def job(self, user: User, request: Request, asked: Asked) -> Response:
        """Answer with the page of a job."""
        if self._has_seen(asked):
            return _nothing_new()
        number = files.number(asked.names["job"])
        asked, page = await job.page(self._service, self._monitor, user, asked, number)
        return await self._draw(request, asked, page)

    async def act(self, user: User, request: Request, asked: Asked) -> Response:
        """Do something with a job, or show why that cannot be done."""
        given = await read_form(request)
        number, name = files.number(asked.names["job"]), given.get("act", "")
        if name not in ACTS:
            raise RefusedError(400, f"a job can be told to: {', '.join(ACTS)}")
        index = files.number(given["task"]) if given.get("task") else None
        service = self._service
        try:
            match name:
                case "cancel":
                    await service.cancel(user, number, index)
                case "hold":
                    await service.hold(user, number, index)
                case "release":
                    await service.release(user, number, index)
                case _:
                    await service.requeue(user, number, index)
        except NoJobError:
            raise
        except ClshError as error:
            asked, page = await job.page(service, self._monitor, user, asked, number, error)
            return await self._draw(request, asked, page, _status(error))
        return _go(asked.link())

    async def file(self, user: User, _: Request, asked: Asked) -> Response:
        """Answer with a file that a task has written."""
        number = files.number(asked.names["job"])
        return await files.download(self._service, user, number, dict(asked.names))

    def _has_seen(self, asked: Asked) -> bool:
        """Tell whether an open page has all that there is."""
        return asked.query.get("seen") == str(self._service.version)

    async def _draw(
        self, request: Request, asked: Asked, page: Page, status: int = 200
    ) -> Response:
        made = await draw(self._monitor, asked, page)
        return await reply(Kept(made), request.headers, status=status, private=True)


def _go(address: str) -> Response:
    return Response(status_code=303, headers={"location": address, "cache-control": "no-store"})


def _nothing_new() -> Response:
    return Response(status_code=204, headers={"cache-control": "no-store"})


def _status(error: ClshError) -> int:
    known = ((NotAllowedError, 403), (NotNowError, 409), (NodeError, 502))
    return next((status for kind, status in known if isinstance(error, kind)), 503)


def _missing(asked: Asked, error: NoJobError) -> Page:
    words = asked.words
    name = asked.names.get("job", str(error.job))
    say = words.tr("There is no job {name}.", name=visible(name[:40]))
    links = [(words.said("Jobs"), asked.link("/jobs"))]
    return Page("missing.html", {"say": say, "links": links}, "jobs")
