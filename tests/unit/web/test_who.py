"""Who asks, by which secret; what cookies look like; roles against the real router."""

from __future__ import annotations

import os
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from clsh.access.users import Users
from clsh.base.users import User
from clsh.web import app as web
from clsh.web import who
from clsh.web.api.entry import Entry
from clsh.web.api.table import TABLE
from clsh.web.asking import Asked, RefusedError
from tests.support.access import CALLER, PASSWORD, an_access
from tests.support.asking import pictured
from tests.support.queued import Queued, some
from tests.support.web import HOST, Browser, a_control, a_monitor, tell
from tests.unit.web.test_routes import ANONYMOUS, BODIES, an_address, routes

FORM = {"content_type": "application/x-www-form-urlencoded"}
OURS = {"origin": f"http://{HOST}"}
ROLES = ("anonymous", "user", "admin", "reads", "jobs", "all")
JOB_PAGES = {path: need for path, need in web.PAGES.items() if path.startswith("/jobs")}
ALICE, CAROL = User("alice"), User("carol", is_admin=True)


def an_app(access: Any, **more: Any) -> Any:
    monitor = a_monitor()
    tell(monitor, "n1")
    return web.build(monitor, a_control(**more), access=access)


async def cookie(access: Any, name: str) -> dict[str, str]:
    secret = await access.login(name, PASSWORD, CALLER)
    return {"cookie": f"clsh-{access.id}={secret}"}


async def bearer(access: Any, name: str, scope: str) -> dict[str, str]:
    secret, _ = await Users(access).make_token(User(name), scope, scope, 5)
    return {"authorization": f"Bearer {secret}"}


async def as_role(access: Any, role: str) -> dict[str, str]:
    """Return what somebody in a role sends along."""
    return {
        "anonymous": {},
        "user": {**await cookie(access, "alice"), **OURS},
        "admin": {**await cookie(access, "carol"), **OURS},
        "reads": await bearer(access, "carol", "read"),
        "jobs": await bearer(access, "carol", "jobs"),
        "all": await bearer(access, "carol", "admin"),
    }[role]


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_gets_what_is_declared(role: str) -> None:
    """The matrix: what a session, an administrator's, and tokens of each scope may."""
    access = an_access()
    headers = await as_role(access, role)
    browser = Browser(an_app(access), headers=headers)
    entries = {f"{entry.method} {entry.path}": entry.access for entry in TABLE}
    pages = {
        f"{method} {path}": need
        for path, need in web.PAGES.items()
        for method in ("GET", "POST")
        if f"{method} {path}" in ANONYMOUS
    }
    declared = {**entries, **pages}
    assert declared.keys() | {"LIVE /live"} == ANONYMOUS.keys()
    for name, need in declared.items():
        method, _, path = name.partition(" ")
        if path == "/logout":
            continue  # it ends the role that is looked at
        body = BODIES.get(path, b"")
        got = await browser.ask(an_address(path.replace("{user}", "bob")), method, body)
        refused = {401, 403} & {got.status}
        assert bool(refused) == (not may(role, need, method, path)), (role, name, got.status)


def may(role: str, need: str, method: str, path: str) -> bool:
    if need in {"token", "socket"}:
        return False  # nobody here is that
    if need == "public":
        return True
    if role == "anonymous" or (role in {"reads", "jobs"} and need == "admin"):
        return False
    if role == "user" and need == "admin":
        return False
    if path == "/account":
        return role in {"user", "admin"}
    if method == "POST" and "/jobs" in path:
        return role != "reads"
    if method == "POST" and role in {"reads", "jobs"}:
        return False  # the rest for users is about secrets: a lesser token makes none
    return not (role == "user" and "{user}" in path)  # it is bob


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_gets_what_is_declared_of_the_pages_of_jobs(role: str) -> None:
    """They are there only where a manager runs jobs."""
    access, queue = an_access(), some(Queued())
    app: Any = web.build(pictured(), a_control(), access=access, jobs=queue)  # type: ignore[arg-type]  # as far as pages ask
    names = {name for name in routes(app.router.routes) if name.partition(" ")[2] in JOB_PAGES}
    assert names == {
        "GET /jobs", "GET /jobs/new", "POST /jobs/new", "GET /jobs/{job}", "POST /jobs/{job}",
        "GET /jobs/{job}/{index}/{stream}",
    }  # fmt: skip
    assert {name.partition(" ")[2] for name in names} == JOB_PAGES.keys()
    browser = Browser(app, headers=await as_role(access, role))
    for name in names:
        method, _, path = name.partition(" ")
        address = path.format(job=1, index=0, stream="output")
        got = await browser.ask(address, method, sec_fetch_site="same-origin")
        refused = got.status in {401, 403}
        assert refused == (not may(role, JOB_PAGES[path], method, path)), (name, got.status)


async def test_a_token_for_reading_changes_nothing_and_one_for_jobs_does() -> None:
    access = an_access()

    async def page(_: Any) -> Response:
        return PlainTextResponse("done")

    for scope, status in (("read", 403), ("jobs", 200), ("admin", 200)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(web, "PAGES", {"/jobs": "user"})
            route = Route("/jobs", page, methods=["GET", "POST", "DELETE"])
            app = web.build(a_monitor(), a_control(), access=access, pages=[route])
        browser = Browser(app, headers=await bearer(access, "alice", scope))
        assert (await browser.ask("/jobs")).status == 200
        assert (await browser.ask("/jobs", "POST")).status == status
        assert (await browser.ask("/jobs", "DELETE")).status == status


async def test_what_is_not_theirs_is_told() -> None:
    access = an_access()
    alice = {**await cookie(access, "alice"), **OURS}
    browser = Browser(an_app(access), headers=alice)
    own = await browser.ask("/api/v1/users/alice/password", "POST", b'{"password": "long enough"}')
    assert (own.status, own.json["hint"]) == (403, "open /account")
    for path, method in (("/api/v1/users/bob/link", "POST"), ("/api/v1/tokens?whose=all", "GET")):
        got = await browser.ask(path, method)
        assert got.status == 403
        assert "administrators" in got.json["error"]
    assert "login?link=" in (await browser.ask("/api/v1/users/alice/link", "POST")).json["url"]


def test_what_is_for_one_user_is_kept_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: Any, asked: Asked) -> object:
        return asked.asker.name

    for need in ("user", "admin"):
        entry = Entry("GET", "/api/v1/mine", "Mine", answer, access=need)
        monkeypatch.setattr(web, "TABLE", (entry,))
        with pytest.raises(ValueError, match="must not be kept"):
            web.build(a_monitor(), a_control())
    with pytest.raises(LookupError, match="for everybody"):
        _ = Asked({}).asker


@pytest.mark.parametrize("ended", ["revoked", "removed", "unknown", "empty"])
async def test_a_secret_that_counts_no_more_is_nobody_s(ended: str) -> None:
    access = an_access()
    acts, by = Users(access), User("root", is_admin=True)
    secret, token = await acts.make_token(ALICE, "ci", "jobs", 5)
    headers = {"authorization": f"Bearer {secret}"}
    app = an_app(access)
    assert (await Browser(app, headers=headers).ask("/api/v1/me")).json["name"] == "alice"
    if ended == "revoked":
        await acts.remove_token(ALICE, token.id)
    elif ended == "removed":
        await acts.remove(by, "alice")
    else:
        headers = {"authorization": "Bearer " + ("" if ended == "empty" else "clsh_x")}
    got = await Browser(app, headers=headers).ask("/api/v1/me")
    assert got.status == 401
    assert got.headers["www-authenticate"] == "Bearer"
    assert "cl token create" in got.json["hint"]
    assert (await Browser(app, headers=headers).ask("/api/v1/grid")).status == 200


async def test_only_the_cookie_of_this_manager_counts() -> None:
    access = an_access()
    secret = (await cookie(access, "alice"))["cookie"].partition("=")[2]
    app = an_app(access)
    for name, status in (
        (f"clsh-{access.id}", 200),
        (f"__Host-clsh-{access.id}", 401),
        ("clsh-another", 401),
        ("clsh", 401),
    ):
        got = await Browser(app).ask("/api/v1/me", cookie=f"{name}={secret}")
        assert got.status == status, name
    first = f"a=b; clsh-{access.id}={secret}; clsh-{access.id}=planted"
    assert (await Browser(app).ask("/api/v1/me", cookie=first)).status == 200


async def test_a_peer_is_who_the_kernel_says_or_whose_token_they_have() -> None:
    access = an_access()
    app = an_app(access)
    me = (await Browser(app, uid=1).ask("/api/v1/me")).json
    assert me == {"name": "daemon", "admin": False, "how": "socket", "scope": "admin"}
    token = await bearer(access, "alice", "read")
    me = (await Browser(app, uid=0, headers=token).ask("/api/v1/me")).json
    assert me == {"name": "alice", "admin": False, "how": "token", "scope": "read"}
    assert (await Browser(app, uid=54321).ask("/api/v1/me")).status == 401
    assert (await Browser(app, uid=0).ask("/api/v1/me", authorization="Bearer x")).json["admin"]


@pytest.mark.parametrize(
    "headers",
    [{"x-user": "root"}, {"remote-user": "root"}, {"authorization": "Basic cm9vdDo="},
     {"cookie": "user=root"}, {"x-forwarded-for": "uid:0"}],
)  # fmt: skip
async def test_nobody_is_somebody_by_saying_so(headers: dict[str, str]) -> None:
    got = await Browser(an_app(an_access()), headers=headers).ask("/api/v1/me?", "GET")
    assert got.status == 401


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.org"}, {"origin": "null"},
                                     {"sec-fetch-site": "cross-site"},
                                     {"sec-fetch-site": "same-site"}])  # fmt: skip
async def test_a_session_changes_nothing_from_another_page(headers: dict[str, str]) -> None:
    """Without a word of which page it comes from, neither: every browser says it."""
    access = an_access()
    session = await cookie(access, "carol")
    browser = Browser(an_app(access), headers={**session, **headers})
    for path in (
        "/logout",
        "/account",
        "/api/v1/users",
        "/api/v1/tokens",
        "/api/v1/users/x/remove",
    ):
        got = await browser.ask(path, "POST", b"{}", **FORM)
        assert got.status == 403, path
    assert access.of_session(session["cookie"].partition("=")[2]) == CAROL


@pytest.mark.parametrize(
    ("scheme", "host", "name", "safe"),
    [
        ("http", "127.0.0.1:8650", "clsh-", False),
        ("http", "localhost:8650", "clsh-", False),
        ("http", "[::1]:8650", "clsh-", False),
        ("http", "cluster.example.org", "__Host-clsh-", True),
        ("https", "127.0.0.1:8650", "__Host-clsh-", True),
        ("https", "192.0.2.7:8650", "__Host-clsh-", True),
    ],
)
def test_cookies(scheme: str, host: str, name: str, safe: bool) -> None:
    access = an_access()
    headers = [(b"host", host.encode())]
    scope: Any = {"type": "http", "scheme": scheme, "headers": headers}
    words = who.set_cookie(scope, access, "s3cret").split("; ")
    assert words[0] == f"{name}{access.id}=s3cret"
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=604800"} <= set(words)
    assert ("Secure" in words) == safe
    assert not any(word.startswith("Domain") for word in words)
    assert "Max-Age=0" in who.set_cookie(scope, access, "")
    assert who.is_private(scope) == (scheme == "https" or not safe)


def test_a_route_for_known_users_has_one() -> None:
    with pytest.raises(RefusedError, match="log in first"):
        who.Who().known()


async def test_what_a_stranger_s_client_has_for_an_address() -> None:
    scope = {**Browser(None).scope("http", "/", {}), "client": None}  # type: ignore[arg-type]  # no app is asked
    assert who.identify(scope, an_access(), os.getuid()).address == ""
