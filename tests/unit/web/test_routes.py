"""Every route of the real router against the declared list: who may, and from where."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from clsh.web import app as web
from clsh.web import serve
from clsh.web.api.table import TABLE
from tests.support.web import TOKEN, Browser, a_control, a_monitor, tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.requests import Request

# What a client that says nothing of itself gets: whatever the router has must stand here.
ANONYMOUS = {
    "GET /": 200,
    "GET /c/{cluster}": 200,
    "GET /c/{cluster}/{node}": 200,
    "GET /m/{cluster}/{metric}": 200,
    "GET /processes": 200,
    "GET /alerts": 200,
    "GET /compare": 200,
    "GET /static/{name}": 200,
    "LIVE /live": 101,
    "GET /api/v1/grid": 200,
    "GET /api/v1/clusters/{cluster}": 200,
    "GET /api/v1/nodes": 200,
    "GET /api/v1/clusters/{cluster}/nodes/{node}": 200,
    "GET /api/v1/range": 200,
    "GET /api/v1/heat/{cluster}": 200,
    "GET /api/v1/processes": 200,
    "GET /api/v1/alerts": 200,
    "GET /api/v1/status": 200,
    "GET /metrics": 200,
    "GET /api/openapi.json": 200,
    "GET /healthz": 200,
    "POST /api/v1/metrics/{cluster}/{node}": 401,
    "POST /api/v1/stop": 403,
    "GET /login": 200,
    "POST /login": 415,
    "POST /logout": 303,
    "GET /account": 401,
    "POST /account": 401,
    "GET /api/v1/me": 401,
    "GET /api/v1/users": 401,
    "POST /api/v1/users": 401,
    "POST /api/v1/users/{user}/password": 401,
    "POST /api/v1/users/{user}/admin": 401,
    "POST /api/v1/users/{user}/link": 401,
    "POST /api/v1/users/{user}/remove": 401,
    "POST /api/v1/welcome": 401,
    "GET /api/v1/tokens": 401,
    "POST /api/v1/tokens": 401,
    "POST /api/v1/tokens/{token}/remove": 401,
    "GET /api/v1/audit": 401,
    "POST /api/v1/jobs": 401,
    "GET /api/v1/jobs": 401,
    "GET /api/v1/jobs/{job}": 401,
    "GET /api/v1/jobs/{job}/output": 401,
    "POST /api/v1/jobs/{job}/cancel": 401,
    "POST /api/v1/jobs/files": 401,
    "POST /api/v1/jobs/{job}/hold": 401,
    "POST /api/v1/jobs/{job}/release": 401,
    "POST /api/v1/jobs/{job}/requeue": 401,
}
BODIES = {
    "/api/v1/metrics/{cluster}/{node}": b"room 1",
    "/api/v1/users": b'{"name": "carol"}',
    "/api/v1/users/{user}/password": b'{"password": "a better one"}',
    "/api/v1/tokens": b'{"name": "ci"}',
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
FOREIGN: tuple[dict[str, str], ...] = (
    {"origin": "http://evil.example.org"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
)


def routes(found: Iterable[BaseRoute], above: str = "") -> set[str]:
    """Return all that a router answers to; fails on what it cannot look into."""
    names: set[str] = set()
    for route in found:
        if isinstance(route, WebSocketRoute):
            names.add(f"LIVE {above}{route.path}")
        elif isinstance(route, Mount):
            assert isinstance(route.app, Router), f"{route.path}: what does it answer to?"
            names |= routes(route.routes, above + route.path)
        else:
            assert isinstance(route, Route)
            assert route.methods
            names |= {f"{method} {above}{route.path}" for method in route.methods - {"HEAD"}}
    return names


def addresses(app: Any) -> list[str]:
    """Return the address of an example of each route, `/live` too."""
    return sorted({an_address(name.partition(" ")[2]) for name in routes(app.router.routes)})


def an_address(path: str) -> str:
    names = {"cluster": "red", "node": "n1", "metric": "load_one", "name": "clsh.css"}
    filled = path.format(**names, user="carol", token="ci", job=1)
    return f"{filled}?metric=load_one" if path == "/api/v1/range" else filled


def an_app(stopped: list[bool] | None = None) -> Any:
    monitor = a_monitor()
    tell(monitor, "n1")
    return web.build(monitor, a_control(stopped))


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[int]:
    """Serve on loopback as the manager does; yields the port."""
    line = socket.create_server(("127.0.0.1", 0))
    stopping = asyncio.Event()
    task = asyncio.create_task(serve.serve(app, [line], stopping))
    try:
        yield line.getsockname()[1]
    finally:
        stopping.set()
        async with asyncio.timeout(10):
            await task


async def status_of(port: int, method: str, address: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {address} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(10):
        line = await reader.readline()
        await reader.read()
    writer.close()
    return int(line.split()[1])


def test_the_router_has_the_declared_routes_and_no_others() -> None:
    assert routes(an_app().router.routes) == ANONYMOUS.keys()


def test_a_route_below_another_is_found() -> None:
    """The enumeration above can fail."""

    async def page(request: Request) -> Response:
        return PlainTextResponse("secret")

    below = Mount(
        "/more", routes=[Route("/a", page, methods=["DELETE"]), WebSocketRoute("/b", page)]
    )
    assert routes([Mount("/x", routes=[below])]) == {"DELETE /x/more/a", "LIVE /x/more/b"}
    with pytest.raises(AssertionError, match="/hidden"):
        routes([Mount("/hidden", app=PlainTextResponse("secret"))])
    for undeclared in (
        below,
        Route("/secret", page),
        Mount("/hidden", app=PlainTextResponse("secret")),
    ):
        with pytest.raises(LookupError, match="not declared"):
            web.build(a_monitor(), a_control(), pages=[undeclared])


async def test_an_anonymous_client_gets_what_is_declared_and_nothing_else() -> None:
    stopped: list[bool] = []
    async with listening(an_app(stopped)) as port:
        for name, status in ANONYMOUS.items():
            method, _, path = name.partition(" ")
            if method == "LIVE":
                async with connect(f"ws://127.0.0.1:{port}{path}", proxy=None):
                    continue
            assert await status_of(port, method, an_address(path)) == status, name
    assert stopped == []


async def test_no_route_answers_to_another_method() -> None:
    app = an_app()
    browser = Browser(app)
    for address in addresses(app):
        for method in METHODS:
            got = await browser.ask(address, method)
            path = address.partition("?")[0]
            if (method, path) == ("GET", "/api/v1/jobs/files"):
                path = "/api/v1/jobs/1"  # it is asked for a job of that name
            declared = [
                status
                for name, status in ANONYMOUS.items()
                if an_address(name.partition(" ")[2]).partition("?")[0] == path
                and name.startswith(f"{method} ")
            ]
            assert got.status == (declared or [404 if path == "/live" else 405])[0], (method, path)


@pytest.mark.parametrize(
    "path",
    [
        "//", "/.", "/..", "/api", "/api/", "/api/v1", "/api/v1/", "/static/", "/static/../app.py",
        "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/c", "/c/", "/docs",
        "/static/VENDORED.json", "/static/base.html", "/openapi.json", "/api/v1/stop/", "/live/x",
        "/%00", "/\u00e9",
    ],
)  # fmt: skip
async def test_what_is_near_a_route_is_none(path: str) -> None:
    got = await Browser(an_app()).ask(path)
    assert got.status in {307, 404}, path
    assert not got.headers.get("location", "/").startswith("//")
    assert "Traceback" not in got.text


async def test_no_page_of_another_site_changes_anything() -> None:
    """Not even in the browser of the owner, who has the token too."""
    stopped: list[bool] = []
    app = an_app(stopped)
    owner = Browser(app, uid=1234, headers={"authorization": f"Bearer {TOKEN}"})
    for address in addresses(app):
        for method in UNSAFE:
            for headers in FOREIGN:
                given = {name.replace("-", "_"): text for name, text in headers.items()}
                got = await owner.ask(address, method, b"room 1", **given)
                assert got.status == 403, (method, address, headers)
                assert "another site" in got.json["error"]
    assert stopped == []
    for entry in TABLE:
        if entry.method == "POST" and "/jobs" not in entry.path:  # those: test_jobs.py
            got = await owner.ask(an_address(entry.path), "POST", BODIES.get(entry.path, b""))
            assert got.status == entry.status, f"without them it may: {entry.path}"
    assert stopped == [True]


async def test_no_page_of_another_site_reads_anything() -> None:
    app = an_app()
    for address in addresses(app):
        got = await Browser(app).ask(address, origin="http://evil.example.org")
        assert not [name for name in got.headers if name.startswith("access-control")]
        assert got.headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in got.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [*((headers, 403) for headers in FOREIGN), ({"host": "evil.example.org"}, 421)],
)
async def test_no_page_of_another_site_hears_anything_live(
    headers: dict[str, str], status: int
) -> None:
    async with listening(an_app()) as port:
        host = headers.get("host", f"127.0.0.1:{port}")
        more = {name: text for name, text in headers.items() if name != "host"}
        with pytest.raises(InvalidStatus) as refused:
            # The URL makes the Host; the connection goes to us, as with a rebound name.
            await connect(
                f"ws://{host}/live",
                additional_headers=more,
                host="127.0.0.1",
                port=port,
                proxy=None,
            )
        assert refused.value.response.status_code == status


@pytest.mark.parametrize("port", ["", ":8443"])
async def test_a_proxy_with_tls_before_us_works_by_its_name(port: str) -> None:
    """It hands on the Host, as docs/reference/api.md has it."""
    name = f"cluster.example.org{port}"
    monitor = a_monitor()
    app = web.build(monitor, a_control(names=("cluster.example.org",)))
    origin = Origin(f"https://{name}")
    async with (
        listening(app) as here,
        connect(
            f"ws://{name}/live", origin=origin, host="127.0.0.1", port=here, proxy=None
        ) as viewer,
    ):
        await viewer.send('{"page": "grid"}')
        assert '"new":3' in str(await viewer.recv())


async def test_every_route_refuses_a_foreign_name() -> None:
    """A page whose name was pointed at our address has our origin in its browser's eyes."""
    app = an_app()
    for address in addresses(app):
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            for host in ("evil.example.org", "127.0.0.1.evil.example.org:8650", "localhost.evil"):
                got = await Browser(app).ask(address, method, host=host)
                assert got.status == 421, (method, address)


def test_each_route_of_the_table_says_who_may_use_it() -> None:
    refused = {name for name, status in ANONYMOUS.items() if status in {401, 403}}
    pages = {"GET /account", "POST /account"}
    assert refused - pages == {
        f"{entry.method} {entry.path}" for entry in TABLE if entry.access != "public"
    }
