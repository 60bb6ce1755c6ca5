"""Logging in and out in a real browser: by keyboard, without scripts, with TLS, accessibly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from clsh.manager import certificate
from clsh.web import security
from tests.support.access import PASSWORD, an_access
from tests.support.pictured import names
from tests.support.served import Served, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from clsh.access.service import Access
    from tests.integration.browser.conftest import Watched

    Look = Callable[..., Watched]

AXE = Axe()


@pytest.fixture
def access() -> Access:
    return an_access()


@pytest.fixture
def site(access: Access) -> Iterator[Served]:
    with served({"demo": names(2, "node")}, access=access) as one:
        yield one


def log_in(page: Page, address: str, name: str = "alice", password: str = PASSWORD) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_in_and_out_by_keyboard(site: Served, look: Look) -> None:
    watched = look()
    page = watched.page
    page.goto(f"{site.address}/account")
    page.wait_for_url("**/login?next=%2Faccount")
    assert page.evaluate("document.activeElement.id") == "name"
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("not it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    watched.complaints.clear()  # the browser says on the console that it was refused
    assert page.evaluate("document.activeElement.id") == "password"
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account")
    expect(page.locator(".say").first).to_have_text("You are logged in as alice.")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Log out":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.address}/")
    page.goto(f"{site.address}/account")
    page.wait_for_url("**/login?next=%2Faccount")


def test_a_script_cannot_read_the_cookie_and_it_is_not_a_guest(site: Served, look: Look) -> None:
    watched = look()
    log_in(watched.page, site.address)
    watched.page.wait_for_url(f"{site.address}/")
    (cookie,) = watched.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert cookie["path"] == "/"
    assert watched.page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit_a_phone(site: Served, look: Look, scheme: Any) -> None:
    watched = look(390, color_scheme=scheme)
    page = watched.page
    faults: dict[str, str] = {}

    def judge(what: str) -> None:
        found = AXE.run(page)
        if found.violations_count:
            faults[what] = found.generate_report()
        if page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
            faults[what] = "is too wide"

    page.goto(f"{site.address}/login?lang=ko")
    judge("login in Korean")
    log_in(page, site.address, password="wrong")
    judge("refused")
    watched.complaints.clear()
    log_in(page, site.address)
    page.goto(f"{site.address}/account")
    judge("account")
    page.get_by_label("Name").fill("a program of mine")
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_role("status")).to_contain_text("clsh_")
    judge("token")
    assert faults == {}


def test_a_token_made_and_ended_without_scripts(site: Served, access: Access, look: Look) -> None:
    page = look(java_script_enabled=False).page
    log_in(page, site.address)
    page.goto(f"{site.address}/account")
    page.get_by_label("Name").fill("ci <b>")
    page.get_by_label("Scope").select_option("read")
    page.get_by_role("button", name="Make a token").click()
    secret = page.locator("code").inner_text()
    user = access.of_token(secret)
    assert user is not None
    assert (user.name, user.scope) == ("alice", "read")
    page.goto(f"{site.address}/account")
    expect(page.locator("code")).to_have_count(0)
    page.get_by_role("button", name="End the token ci <b>").click()
    page.wait_for_url("**/account")
    expect(page.get_by_text("ci <b>")).to_have_count(0)
    assert access.of_token(secret) is None


def test_other_sessions_end(site: Served, look: Look) -> None:
    one, other = look().page, look().page
    for page in (one, other):
        log_in(page, site.address)
        page.goto(f"{site.address}/account")
    one.goto(f"{site.address}/account")
    one.get_by_role("button", name="End all others").click()
    expect(one.get_by_role("button", name="End the session")).to_have_count(1)
    other.goto(f"{site.address}/account")
    other.wait_for_url("**/login?next=%2Faccount")


def test_with_tls_the_cookie_is_of_this_host_alone(
    access: Access, look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "is_loopback", lambda _: False)
    tls = certificate.self_made(tmp_path, ["127.0.0.1"])
    with served({"demo": names(1, "node")}, access=access, tls=tls.context) as site:
        watched = look(ignore_https_errors=True)
        log_in(watched.page, site.address)
        watched.page.wait_for_url(f"{site.address}/")
        (cookie,) = watched.context.cookies()
        assert cookie["name"] == f"__Host-clsh-{access.id}"
        assert cookie["secure"]
        assert cookie["httpOnly"]
        expect(watched.page.locator("#live")).not_to_contain_text("as of")  # it is live
        watched.page.goto(f"{site.address}/account")
        watched.page.get_by_role("button", name="Log out").click()
        watched.page.wait_for_url(f"{site.address}/")
        assert watched.context.cookies() == []
        watched.page.goto("about:blank")  # nothing is asked of a server that ends


def test_a_link_logs_in_once(site: Served, access: Access, look: Look) -> None:
    secret = site.wait(access.link("bob"))
    watched = look()
    page = watched.page
    for _ in range(2):  # to look at it does not use it up
        page.goto(f"{site.address}/login?link={secret}")
    page.get_by_role("button", name="Log in as bob").press("Enter")
    page.wait_for_url(f"{site.address}/")
    page.goto(f"{site.address}/account")
    expect(page.locator(".say").first).to_have_text("You are logged in as bob.")
    page.goto(f"{site.address}/login?link={secret}")
    expect(page.get_by_role("alert")).to_contain_text("was used already")
