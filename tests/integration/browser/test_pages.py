"""The pages in a real browser: accessible, live, by keyboard, narrow, hostile, without scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from clsh.monitor.alerts import Alert
from clsh.monitor.model import Silent
from clsh.monitor.processes import Process
from clsh.web.pages import spans
from tests.support.pictured import names
from tests.support.served import served

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.integration.browser.conftest import Watched
    from tests.support.served import Served

    Look = Callable[..., Watched]

AXE = Axe()
PAGES = (
    "/", "/c/demo", "/c/demo/node1", "/c/demo/node3", "/m/demo/mem_free", "/processes", "/alerts",
    "/compare?node=demo/node1,demo/node2,demo/node4", "/c/nowhere", "/c/demo?range=day",
)  # fmt: skip


def told(grid: Served) -> None:
    """Give the grid processes and alerts, so that no page is empty."""
    now = grid.monitor.clock.unix()
    grid.monitor.told = [
        Process("node1", 12, 1, "alice", "R", 90.0, 3 << 20, 2, now - 60, "python3 job.py"),
        Silent("demo", "node3", now, "connection lost"),
    ]
    grid.monitor.alerts.now = [
        Alert("silent", "demo", "node3", "", None, now - 90, "critical", "connection lost"),
    ]


def scrolls(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_phone(four: Served, look: Look, scheme: Any) -> None:
    four.call(lambda: told(four))
    watched = look(390, color_scheme=scheme)
    faults: dict[str, str] = {}
    for path in PAGES:
        answer = watched.page.goto(four.address + path)
        assert answer is not None
        if answer.status == 404:
            watched.complaints.clear()  # the browser says on the console that it is a 404
        elif path not in {"/processes", "/alerts"}:
            watched.drawn()
        found = AXE.run(watched.page)
        if found.violations_count:
            faults[path] = found.generate_report()
        if (wider := scrolls(watched.page)) > 0:
            faults[path] = f"is {wider} pixels too wide"
    assert faults == {}


def test_a_thousand_nodes_are_accessible_and_fit_the_screen(thousand: Served, look: Look) -> None:
    watched = look()
    watched.page.goto(thousand.address)
    page = watched.drawn()
    assert AXE.run(page).violations_count == 0
    assert scrolls(page) <= 0
    lowest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('canvas')].filter((one) => one.closest('.heat'))"
        ".map((one) => one.getBoundingClientRect().bottom))"
    )
    assert lowest <= 900
    # A cell far down shows its node's name, and leads to it.
    canvas = page.locator("[data-heat=can49_52] canvas")
    box = canvas.bounding_box()
    assert box is not None
    canvas.hover(position={"x": 5, "y": box["height"] - 6})
    name = page.locator(".tip").inner_text().split()[0]
    canvas.click(position={"x": 5, "y": box["height"] - 6})
    page.wait_for_url(f"**/c/can49_52/{name}")


def test_the_keyboard_goes_to_a_node_and_back(forty: Served, look: Look) -> None:
    page = look().page
    page.goto(forty.address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    reach(page, "/c/web")
    page.keyboard.press("Enter")
    page.wait_for_url("**/c/web")
    reach(page, "/c/web/web4")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/c/web/web4")
    expect(page.locator("h1")).to_have_text("web4")
    reach(page, "/c/web")
    page.keyboard.press("Enter")
    page.wait_for_url("**/c/web")
    expect(page.locator("h1")).to_have_text("web")
    for heading in ("web4", "web", "Our grid"):
        page.go_back()
        expect(page.locator("h1")).to_have_text(heading)


def reach(page: Page, address: str) -> None:
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == address:
            return
    raise AssertionError(f"Tab does not reach {address}")


@pytest.mark.parametrize(
    ("locale", "code", "word", "other"),
    [
        ("en-GB", "en", "lost", "한국어"),
        ("ko-KR", "ko", "끊김", "中文"),
        ("zh-CN", "zh-CN", "失联", "English"),
    ],
)
def test_the_pages_speak_the_reader_s_language(
    four: Served, look: Look, locale: str, code: str, word: str, other: str
) -> None:
    watched = look(locale=locale)
    page = watched.page
    page.goto(four.address + "/c/demo")
    assert page.evaluate("document.documentElement.lang") == code
    expect(page.locator("#say")).to_contain_text(word)
    page.get_by_role("link", name=other).click()
    expect(page.locator("html")).not_to_have_attribute("lang", code)
    assert "lang=" in page.url
    page.locator("a[href^='/c/demo/node1']").first.click()
    page.wait_for_url("**/c/demo/node1?lang=*")


def test_an_open_page_follows_the_grid(look: Look) -> None:
    with served({"demo": names(4, "node")}) as grid:
        watched = look()
        page = watched.page
        page.goto(grid.address)
        watched.drawn()
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator("#say")).to_contain_text("4 up")
        page.evaluate("window.stayed = true")
        page.locator("a[href='/c/demo/node2']").focus()
        grid.call(lambda: grid.monitor.feed(["node4"], load_one=3.9))
        expect(page.locator("#say")).to_contain_text("1 lost")
        expect(page.locator("a[href='/c/demo/node4']")).to_have_class("lost")
        expect(page.locator("a[href='/c/demo/node2']")).to_have_class("l3")
        expect(page.locator("[data-chart=load] .now b")).to_have_text("11.7")
        assert page.evaluate("window.stayed") is True
        assert page.evaluate("document.activeElement.getAttribute('href')") == "/c/demo/node2"


def test_a_thousand_cells_follow_the_grid(look: Look) -> None:
    with served({"big": names(70)}) as grid:
        watched = look()
        page = watched.page
        page.goto(grid.address + "/c/big")
        watched.drawn()
        page.evaluate("window.stayed = true")
        page.locator("input[value='big/can2']").check()
        grid.call(lambda: grid.monitor.feed(["can70"]))
        expect(page.locator(".cells a[href='/c/big/can70']")).to_have_class("lost")
        assert page.locator("input[value='big/can2']").is_checked()
        assert page.evaluate("window.stayed") is True


def test_without_the_socket_the_page_asks_and_says_when_it_cannot(look: Look) -> None:
    with served({"demo": names(4, "node")}) as grid:
        watched = look()
        page = watched.page
        page.add_init_script("window.WebSocket = class extends EventTarget { send() {} };")
        page.clock.install()
        page.goto(grid.address)
        expect(page.locator("#say")).to_contain_text("4 up")
        grid.call(lambda: grid.monitor.feed(["node1"]))
        page.clock.run_for(17_000)
        expect(page.locator("#say")).to_contain_text("1 lost")
        page.route("**/*as=parts*", lambda route: route.abort())
        page.clock.run_for(70_000)
        expect(page.locator("#live")).to_contain_text("stale since")
        page.unroute_all(behavior="ignoreErrors")
        watched.page.close()
        watched.complaints.clear()  # the browser says which answers did not come


def test_a_drag_over_a_chart_changes_the_address(four: Served, look: Look) -> None:
    watched = look()
    watched.page.goto(four.address + "/c/demo?range=day&lang=ko")
    page = watched.drawn()
    over = page.locator("[data-chart=load] .u-over")
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 30)
    expect(page.locator("[data-chart=cpu] .at")).not_to_be_empty()  # all charts at one moment
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 30, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"start=\d+&end=\d+"))
    found = re.search(r"start=(\d+)&end=(\d+)", page.url)
    assert found is not None
    share = (int(found[2]) - int(found[1])) / 86400
    assert share == pytest.approx(100 / box["width"], rel=0.1)
    assert "lang=ko" in page.url
    watched.drawn()
    page.go_back()
    page.wait_for_url("**?range=day&lang=ko")
    assert shown_s(watched.drawn()) == 86400


def shown_s(page: Page) -> float:
    seconds: float = page.evaluate("document.body.dataset.end - document.body.dataset.start")
    return round(seconds)


def test_every_range_is_a_step_that_can_be_undone(four: Served, look: Look) -> None:
    watched = look()
    page = watched.page
    page.goto(four.address + "/c/demo/node1?sort=-load")
    for name, seconds in spans.RANGES.items():
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(f"**range={name}*")
        expect(page.locator(".ranges [aria-current]")).to_have_text(name)
        assert shown_s(watched.drawn()) == seconds
        assert "sort=-load" in page.url
    page.get_by_role("link", name="Earlier").click()
    page.wait_for_url(re.compile(r"start=\d+&end=\d+"))
    assert shown_s(watched.drawn()) == spans.RANGES["year"]
    for name in ("year", "month"):
        page.go_back()
        page.wait_for_url(f"**range={name}*")
        assert shown_s(watched.drawn()) == spans.RANGES[name]


def test_an_address_is_the_same_page_for_somebody_else(forty: Served, look: Look) -> None:
    page = look().page
    page.goto(forty.address + "/c/web?metric=mem_free&sort=-cpu&q=web2&range=week&lang=zh")
    expect(page.locator("#rows tr")).to_have_count(11)
    other = look(390, locale="ko-KR", color_scheme="dark").page
    other.goto(page.url)
    assert other.evaluate("document.documentElement.lang") == "zh-CN"
    assert shown_s(other) == spans.RANGES["week"]
    for where in ("#rows th", "[aria-sort]"):
        assert other.locator(where).all_inner_texts() == page.locator(where).all_inner_texts()
    assert other.locator("#metric").input_value() == "mem_free"
    assert other.locator("input[type=search]").input_value() == "web2"
    other.locator("#rows a").first.click()
    other.wait_for_url("**/c/web/web2*")
    assert "range=week" in other.url
    assert "lang=zh" in other.url


def test_the_table_sorts_and_filters_without_a_reload(forty: Served, look: Look) -> None:
    page = look().page
    page.goto(forty.address + "/c/web")
    page.evaluate("window.stayed = true")
    page.get_by_role("link", name="Load", exact=True).last.click()
    page.wait_for_url("**sort=-load*")
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Load")
    page.locator("input[name=q]").fill("web1")
    expect(page.locator("#rows tr")).to_have_count(11)
    assert "q=web1" in page.url
    assert page.evaluate("window.stayed") is True
    page.reload()
    expect(page.locator("#rows tr")).to_have_count(11)
    page.locator("#rows input").nth(0).check()
    page.locator("#rows input").nth(1).check()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".key")).to_have_count(2)


def test_the_metric_of_the_cells_is_chosen(forty: Served, look: Look) -> None:
    page = look().page
    page.goto(forty.address + "/c/web")
    page.locator("#metric").select_option("mem_free")
    page.wait_for_url("**metric=mem_free*")
    page.get_by_role("link", name="one chart a node").click()
    page.wait_for_url("**/m/web/mem_free*")
    page.locator("#metric").select_option("load_five")
    page.wait_for_url("**/m/web/load_five*")


def test_without_scripts_everything_is_there(thousand: Served, look: Look) -> None:
    page = look(java_script_enabled=False).page
    page.goto(thousand.address)
    expect(page.locator("#say")).to_contain_text("996 up, 4 lost")
    assert page.locator("svg[role=img]").count() == 7
    cell = page.locator(".cells.small a").first
    assert cell.bounding_box() == {**(cell.bounding_box() or {}), "width": 12, "height": 12}
    page.goto(thousand.address + "/c/can1_4")
    page.locator("input[name=q]").fill("can2")
    page.get_by_role("button", name="Filter").click()
    assert page.locator("#rows tr").count() == 1
    page.get_by_role("link", name="day", exact=True).click()
    assert "q=can2" in page.url
    assert "range=day" in page.url
    page.get_by_text(re.compile(r"^other range")).click()
    page.locator("input[name=start]").fill("2026-01-02T03:04:05")
    page.locator(".other button").click()
    assert "start=2026-01-02T03%3A04%3A05" in page.url
