"""Log in, log out and one's account, asked without a network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from clsh.access import passwords
from clsh.access.attempts import PAIR
from clsh.base.clock import SystemClock
from clsh.web.app import build
from tests.support.access import CALLER, PASSWORD, an_access
from tests.support.asking import html
from tests.support.pictured import Pictured, names
from tests.support.web import HOST, Browser, a_control

if TYPE_CHECKING:
    from clsh.access.service import Access
    from tests.support.web import Got

PAGE = "text/html,*/*"


class Person:
    """A browser that keeps its cookie and says which page it comes from."""

    def __init__(self, access: Access, **headers: str) -> None:
        monitor = Pictured(SystemClock(), {"demo": names(2, "node")}, "Our grid")
        monitor.feed()
        app = build(monitor, a_control(names=("cluster.example.org",)), access=access)  # type: ignore[arg-type]  # as far as pages ask
        self.access = access
        self.given = {"accept": PAGE, "origin": f"http://{HOST}", **headers}
        self.browser = Browser(app, headers=self.given)

    @property
    def secret(self) -> str:
        return self.browser.headers.get("cookie", "").partition("=")[2]

    async def get(self, path: str) -> Got:
        return self._kept(await self.browser.ask(path))

    async def post(self, path: str, **fields: str) -> Got:
        body = urlencode(fields).encode()
        kind = "application/x-www-form-urlencoded"
        return self._kept(await self.browser.ask(path, "POST", body, content_type=kind))

    async def log_in(self, name: str = "alice", **fields: str) -> Got:
        return await self.post("/login", name=name, password=PASSWORD, **fields)

    def _kept(self, got: Got) -> Got:
        if found := re.match(r"([^=]+)=([^;]*);", got.headers.get("set-cookie", "")):
            self.browser.headers["cookie"] = f"{found[1]}={found[2]}"
        return got


def person(**headers: str) -> Person:
    return Person(an_access(), **headers)


async def test_in_to_where_one_wanted_and_out() -> None:
    one = person()
    got = await one.get("/account?lang=ko")
    assert (got.status, got.headers["location"]) == (303, "/login?next=%2Faccount%3Flang%3Dko")
    page = html(await one.get(got.headers["location"]))
    assert {"name": "next", "type": "hidden", "value": "/account?lang=ko"} in page.having("name")
    got = await one.log_in(next="/account?lang=ko")
    assert (got.status, got.headers["location"]) == (303, "/account?lang=ko")
    assert got.headers["cache-control"] == "no-store"
    got = await one.get("/account")
    assert "You are logged in as alice." in html(got).text
    assert got.headers["cache-control"] == "no-store"
    before = one.secret
    got = await one.post("/logout")
    assert (got.status, got.headers["location"]) == (303, "/")
    assert one.access.of_session(before) is None
    assert (await one.get("/account")).status == 303
    assert (await one.post("/logout")).status == 303, "twice is all well"


@pytest.mark.parametrize(
    "after",
    ["//evil.org", "https://evil.org/", "/\\evil.org", "javascript:alert(1)",
     "/\r\nSet-Cookie: a=b",
     "\\\\evil.org", "/\tx", "evil"],
)  # fmt: skip
async def test_nobody_is_sent_elsewhere(after: str) -> None:
    one = person()
    page = await one.get("/login?" + urlencode({"next": after}))
    assert {"name": "next", "type": "hidden", "value": ""} in html(page).having("name")
    got = await one.log_in(next=after)
    assert (got.status, got.headers["location"]) == (303, "/")


async def test_a_program_that_is_not_known_is_told_in_json() -> None:
    got = await Person(an_access(), accept="*/*").get("/account")
    assert got.status == got.json["status"] == 401


async def test_a_wrong_one_and_too_many() -> None:
    one = person()
    for _ in range(PAIR.burst):
        got = await one.post("/login", name="alice", password="wrong", next="/account")
        assert got.status == 403
        assert "The name or the password is wrong." in html(got).text
        assert "set-cookie" not in got.headers
        assert 'value="/account"' in got.text
    got = await one.log_in()
    assert got.status == 429
    assert 1 <= int(got.headers["retry-after"]) <= PAIR.each_s
    assert f"Too many tries: wait {got.headers['retry-after']} s." in html(got).text
    assert (await one.log_in("bob")).status == 303


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>', "{{ 7*7 }}", "a" * 5000, "\x00"])
async def test_hostile_names_are_text(name: str) -> None:
    got = await person().post("/login", name=name, password="x")
    assert got.status == 403
    assert "<script>alert" not in got.text
    assert "49" not in html(got).having("name")[-2].get("value", "")


async def test_a_link_is_used_by_a_button_and_once() -> None:
    one = person()
    secret = await one.access.link("bob")
    page = html(await one.get(f"/login?link={secret}"))
    assert "Log in as bob" in page.text
    assert one.access.whose_link(secret) == "bob", "to look at it does not use it up"
    got = await one.post(f"/login?link={secret}", link=secret)
    assert (got.status, got.headers["location"]) == (303, "/")
    assert "logged in as bob" in html(await one.get("/account")).text
    other = Person(one.access)
    got = await other.post(f"/login?link={secret}", link=secret)
    assert got.status == 403
    assert "was used already" in html(got).text
    assert "was used already" in html(await other.get(f"/login?link={secret}")).text


async def test_over_plain_http_through_a_proxy_nobody_logs_in() -> None:
    name = "cluster.example.org"
    one = person(host=name, origin=f"http://{name}")
    got = await one.log_in()
    assert got.status == 403
    assert "plain HTTP" in got.text
    good = person(host=name, origin=f"https://{name}")
    got = await good.log_in()
    assert got.status == 303
    assert got.headers["set-cookie"].startswith("__Host-clsh-")
    assert "; Secure" in got.headers["set-cookie"]


async def test_a_planted_session_ends_with_the_login() -> None:
    access = an_access()
    planted = await access.login("bob", PASSWORD, CALLER)
    one = Person(access, cookie=f"clsh-{access.id}={planted}")
    await one.log_in()
    assert access.of_session(planted) is None
    assert one.secret != planted


async def test_sessions_of_mine_and_of_nobody_else() -> None:
    access = an_access()
    one, other, bob = Person(access), Person(access), Person(access)
    await one.log_in()
    await other.log_in()
    await bob.log_in("bob")
    bobs = access.session(bob.secret)
    others = access.session(other.secret)
    assert bobs is not None
    assert others is not None
    assert bobs.id not in (await one.get("/account")).text
    await one.post("/account", do="end", id=bobs.id)
    assert access.of_session(bob.secret), "it is not mine"
    got = await one.post("/account", do="end", id=others.id)
    assert (got.status, got.headers["location"]) == (303, "/account")
    assert access.of_session(other.secret) is None
    await other.log_in()
    await one.post("/account", do="end-others")
    assert access.of_session(other.secret) is None
    here = access.session(one.secret)
    assert here is not None
    got = await one.post("/account", do="end", id=here.id)
    assert got.headers["location"] == "/"
    assert "Max-Age=0" in got.headers["set-cookie"]


async def test_tokens_of_mine_and_of_nobody_else() -> None:
    access = an_access()
    one, carol = Person(access), Person(access)
    await one.log_in()
    await carol.log_in("carol")
    got = await one.post("/account", do="make-token", title="ci", scope="jobs", days="5")
    (secret,) = re.findall(r"clsh_[\w-]+", got.text)
    user = access.of_token(secret)
    assert user is not None
    assert user.scope == "jobs"
    assert secret not in (await one.get("/account")).text
    (token,) = access.holdings.tokens.values()
    await carol.post("/account", do="end-token", id=token.id)
    assert access.of_token(secret), "an administrator's page, too, is about their own"
    for _ in range(2):
        assert (await one.post("/account", do="end-token", id=token.id)).status == 303
    assert access.of_token(secret) is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"do": "make-token", "title": "", "scope": "jobs", "days": "5"}, "1 to 64 printable"),
        ({"do": "make-token", "title": "x", "scope": "root", "days": "5"}, "read, jobs, admin"),
        ({"do": "make-token", "title": "x", "scope": "jobs", "days": "x"}, "a whole number"),
        ({"do": "make-token", "title": "x", "scope": "jobs", "days": "9999"}, "1 to 3650 days"),
        ({"do": "password", "old": "x", "new": "longer one", "again": "another"}, "differ"),
        ({"do": "password", "old": "x", "new": "short", "again": "short"}, "8 to 1024"),
        ({"do": "password", "old": "x", "new": "longer one", "again": "longer one"}, "until now"),
        ({"do": "everything"}, "does not say what to do"),
        ({}, "does not say what to do"),
    ],
)
async def test_what_is_filled_in_wrongly_is_told(fields: dict[str, str], told: str) -> None:
    one = person()
    await one.log_in()
    got = await one.post("/account", **fields)
    assert got.status == 400
    assert told in html(got).text


async def test_a_new_password() -> None:
    access = an_access()
    one, other = Person(access), Person(access)
    await one.log_in()
    await other.log_in()
    new = "another fine one"
    got = await one.post("/account", do="password", old=PASSWORD, new=new, again=new)
    assert got.status == 303
    assert passwords.matches(access.holdings.accounts["alice"].password, new)
    assert access.of_session(one.secret)
    assert access.of_session(other.secret) is None


async def test_a_token_handles_no_sessions_and_a_peer_has_an_account() -> None:
    one = person()
    await one.log_in()
    got = await one.post("/account", do="make-token", title="all", scope="admin", days="5")
    (secret,) = re.findall(r"clsh_[\w-]+", got.text)
    program = Person(one.access, authorization=f"Bearer {secret}")
    got = await program.get("/account")
    assert got.status == 403
    assert "a token does not handle" in got.text
    peer = Browser(program.browser.app, uid=0, headers={"accept": PAGE})
    page = html(await peer.ask("/account"))
    assert "You are logged in as root. You are an administrator." in page.text
    assert "Log out" not in page.text


@pytest.mark.parametrize("language", ["en", "ko", "zh"])
async def test_the_pages_are_whole_in_every_language(language: str) -> None:
    one = person()
    shown: list[Any] = [await one.get(f"/login?lang={language}")]
    await one.log_in()
    shown.append(await one.get(f"/login?lang={language}"))
    shown.append(await one.get(f"/account?lang={language}"))
    for got in shown:
        assert got.status == 200
        assert not re.search(r"\{\w+\}", html(got).text)
