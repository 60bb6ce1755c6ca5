"""Who may stop it, what every answer carries, and how failures are told."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from clsh.web import app as web
from clsh.web.security import CSP
from tests.support.web import TOKEN, Browser, a_control, a_monitor, an_app, tell

if TYPE_CHECKING:
    from starlette.requests import Request


@pytest.mark.parametrize(("uid", "status"), [(1234, 202), (0, 202), (1235, 403), (None, 403)])
async def test_only_the_owner_and_root_stop_the_manager(uid: int | None, status: int) -> None:
    stopped: list[bool] = []
    app = an_app(a_monitor(), a_control(stopped))
    got = await Browser(app, uid).ask("/api/v1/stop", "POST")
    assert got.status == status
    assert stopped == ([True] if status == 202 else [])
    if status == 403:
        assert "owner" in got.json["error"]
        assert "cl" in got.json["hint"]


@pytest.mark.parametrize(
    "headers",
    [{"x-forwarded-for": "uid:0"}, {"x-real-ip": "uid:0"}, {"forwarded": "for=uid:0"},
     {"authorization": f"Bearer {TOKEN}"}, {"x-user": "root"}],
)  # fmt: skip
async def test_nobody_becomes_the_owner_by_saying_so(headers: dict[str, str]) -> None:
    got = await Browser(an_app(a_monitor()), headers=headers).ask("/api/v1/stop", "POST")
    assert got.status == 403


async def test_every_answer_has_the_security_headers() -> None:
    browser = Browser(an_app(a_monitor()))
    for path in ("/api/v1/grid", "/metrics", "/nowhere", "/api/v1/nodes?limit=0", "/healthz"):
        got = await browser.ask(path)
        assert got.headers["content-security-policy"] == CSP
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["referrer-policy"] == "same-origin"
        assert got.headers["cache-control"] in {"no-cache", "no-store"}
        assert "access-control-allow-origin" not in got.headers


async def test_a_foreign_name_is_told_in_words() -> None:
    got = await Browser(an_app(a_monitor())).ask("/api/v1/grid", host="evil.example.org")
    assert got.status == 421
    assert "evil.example.org" in got.json["error"]
    assert got.headers["content-type"] == "application/problem+json"


async def test_what_is_not_there_is_named_with_what_is_near() -> None:
    browser = Browser(an_app(a_monitor({"red": ["n1"], "blue": ["n1"]})))
    for path, error, hint in (
        ("/api/v1/grit", "there is no page '/api/v1/grit'", "did you mean '/api/v1/grid'?"),
        ("/api/v1/clusters/rad", "there is no cluster 'rad'", "did you mean 'red'?"),
        ("/api/v1/clusters/red/nodes/n12", "there is no node 'n12'", "did you mean 'n1'?"),
        ("/api/v1/heat/red?metric=load_on", "there is no metric 'load_on'", "'load_one'"),
        ("/api/v1/range?metric=m&cluster=blu", "there is no cluster 'blu'", "'blue'"),
        ("/api/v1/nodes?cluster=rde", "there is no cluster 'rde'", "'red'"),
        ("/api/v1/processes?cluster=red&node=x1", "there is no node 'x1'", "n1"),
    ):
        got = await browser.ask(path)
        assert got.status == 404, path
        assert got.json["error"] == error
        assert hint in got.json["hint"]


async def test_a_wrong_method_is_told_with_the_right_one() -> None:
    browser = Browser(an_app(a_monitor()))
    got = await browser.ask("/api/v1/stop")
    assert got.status == 405
    assert got.headers["allow"] == "POST"
    assert got.json["hint"] == "use POST"
    assert (await browser.ask("/api/v1/grid", "DELETE")).status == 405


async def test_a_browser_gets_a_page_in_which_nothing_is_markup() -> None:
    browser = Browser(an_app(a_monitor()), headers={"accept": "text/html,*/*"})
    got = await browser.ask("/<script>alert(1)</script>")
    assert got.status == 404
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in got.text
    assert "&lt;script&gt;" in got.text
    api = await browser.ask("/api/v1/nodes?limit=x")
    assert api.json["parameter"] == "limit"
    assert "1 to 10000" in api.json["hint"]


async def fails(request: Request) -> Response:
    raise ZeroDivisionError("the secret of the house")


async def half(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ZeroDivisionError


class Half:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return half(scope, receive, send)


async def teapot(request: Request) -> Response:
    raise HTTPException(418)


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_a_bug_is_for_the_log_alone(accept: str, caplog: pytest.LogCaptureFixture) -> None:
    app = web.build(a_monitor(), a_control(), pages=[Route("/", fails)])
    with caplog.at_level(logging.ERROR, "clsh.web.app"):
        got = await Browser(app).ask("/", accept=accept)
    assert got.status == 500
    assert "secret" not in got.text
    assert "Traceback" not in got.text
    assert "the secret of the house" in caplog.text


async def test_half_an_answer_is_broken_off() -> None:
    app = web.build(a_monitor(), a_control(), pages=[Route("/", Half())])
    with pytest.raises(ZeroDivisionError):
        await Browser(app).ask("/")


async def test_other_refusals_keep_their_status() -> None:
    app = web.build(a_monitor(), a_control(), pages=[Route("/", teapot)])
    got = await Browser(app).ask("/")
    assert got.status == 418
    assert got.json["title"] == "I'm a Teapot"


async def upgrade(app: Any, extensions: dict[str, Any], **headers: str) -> list[Any]:
    scope = Browser(app).scope("websocket", "/live", headers)
    scope |= {"scheme": "ws", "subprotocols": [], "extensions": extensions}
    messages = [{"type": "websocket.connect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_a_foreign_page_hears_nothing_live() -> None:
    app = an_app(a_monitor())
    start, body = await upgrade(
        app, {"websocket.http.response": {}}, origin="http://evil.example.org"
    )
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 403
    assert "another site" in json.loads(body["body"])["error"]
    assert any(name == b"content-security-policy" for name, _ in start["headers"])
    (closed,) = await upgrade(app, {}, origin="http://evil.example.org")
    assert closed["type"] == "websocket.close"


async def test_a_body_is_bounded_also_when_its_length_is_not_told() -> None:
    browser = Browser(an_app(a_monitor()), headers={"authorization": f"Bearer {TOKEN}"})
    got = await browser.ask("/api/v1/metrics/red/n1", "POST", b"#" * (256 * 1024 + 1))
    assert got.status == 413


async def test_head_and_tags() -> None:
    monitor = a_monitor()
    browser = Browser(an_app(monitor))
    first = await browser.ask("/api/v1/grid")
    assert (await browser.ask("/api/v1/grid", "HEAD")).status == 200
    again = await browser.ask("/api/v1/grid", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    tell(monitor, "n1")
    await asyncio.sleep(0.2)  # ten times what the first answer took
    changed = await browser.ask("/api/v1/grid", if_none_match=first.headers["etag"])
    assert changed.status == 200
