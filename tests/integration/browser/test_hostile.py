"""Hostile texts in every field that nodes, sources and addresses give, in a real browser.

Nothing of it may run, load, become an element or break the policy; all of it stays readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import expect

from clsh.monitor.alerts import Alert
from clsh.monitor.model import Health, Metric, Report, Sample, Silent
from clsh.monitor.processes import Process
from clsh.monitor.settings import Rule, Settings
from tests.support.pictured import names
from tests.support.served import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from tests.integration.browser.conftest import Watched
    from tests.support.served import Served

TEXT = (
    "\"><script>alert(1)</script><img src=x onerror=alert(1)>'<svg/onload=alert(1)>{{7*7}}\x1b[2J"
)
# In names no '/' comes this far: neither sources nor people can give one.
NAME = "a\"><img src=x onerror=alert(1)>'{{7*7}}&lt;?q#%2e\\`${alert(1)}"
BIG = f"big {NAME}"
# The grid takes no other names of nodes: at worst one is a tag when it is decoded once too often.
NODE = "fe80::1%3Cimg"
LONG = "w" * 250
FIELDS = "q", "sort", "metric", "node", "user", "cluster", "range", "start", "lang", "state"
ASKED = dict.fromkeys(FIELDS, TEXT)


def tell(grid: Served) -> None:
    monitor = grid.monitor
    now = monitor.clock.unix()
    metrics = {NAME: Metric(NAME, "double", TEXT, title=TEXT, group=TEXT, description=TEXT)}
    for cluster, nodes in ((NAME, [NODE, "node2", LONG]), (BIG, [*names(69), NODE])):
        for node in nodes:
            values: dict[str, float | str] = {NAME: 5.0, "text": TEXT, "os_name": TEXT}
            values |= {"load_one": 1.0, "cpu_num": 4.0}
            monitor.grid.hear(Sample(cluster, node, now, values, metrics, address=TEXT))
    monitor.grid.hear(Silent(NAME, "node2", now, TEXT))
    monitor.grid.hear(Health(TEXT, now, ok=False, reason=TEXT))
    monitor.grid.hear(Report(NAME, now, 3, 1, {}, authority="javascript:alert(1)"))
    monitor.grid.tick()
    monitor.trouble = TEXT
    monitor.told = [
        Process(NODE, 1, 0, TEXT, TEXT, 1, 1, 1, now, TEXT),
        Silent(NAME, "node2", now, TEXT),
    ]
    monitor.alerts.now = [Alert(TEXT, NAME, NODE, TEXT, TEXT, now, "critical", TEXT)]
    monitor.settings = Settings(alerts=(Rule(TEXT, TEXT, "equal", TEXT, 60.0, TEXT, TEXT),))


@pytest.fixture(scope="module")
def hostile() -> Iterator[Served]:
    with served({}) as grid:
        grid.call(lambda: tell(grid))
        yield grid


@pytest.fixture
def page(look: Callable[..., Watched]) -> Page:
    """A page that must not have complained in the end: of dialogs, scripts, the policy."""
    return look().page


def unharmed(page: Page) -> None:
    assert page.locator("img, iframe, object, embed, base, svg[onload]").count() == 0
    scripts = page.evaluate("[...document.scripts].map((one) => one.getAttribute('src'))")
    assert len(scripts) == 5
    assert all(one.startswith("/static/") for one in scripts)
    handlers = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames())"
        ".filter((name) => name.startsWith('on') || name === 'style').length"
        " - document.querySelectorAll('.uplot [style], .tip[style], canvas[style]').length"
    )
    assert handlers <= 0
    links = page.evaluate("[...document.links].map((one) => one.protocol)")
    assert set(links) <= {"http:"}


BEYOND = """
[...document.querySelectorAll("main *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth)
  .map((one) => one.cloneNode(false).outerHTML).slice(0, 9)
"""
C = quote(NAME, safe="")
N = quote(NODE, safe="")
PATHS = (
    "/", f"/c/{C}", f"/c/{C}?metric={C}", f"/c/{C}/{N}", f"/c/{C}/node2",
    f"/c/{quote(BIG, safe='')}", f"/m/{C}/{C}", f"/processes?cluster={C}", "/alerts",
    f"/compare?node={C}%2F{N}&metric={C}",
)  # fmt: skip


def test_hostile_names_and_values_stay_texts(hostile: Served, page: Page) -> None:
    for path in PATHS:
        answer = page.goto(hostile.address + path, wait_until="networkidle")
        assert answer is not None
        assert answer.status == 200, path
        unharmed(page)
        assert "<img src=x" in page.locator("main").inner_text(), path


def test_long_names_fit_a_phone(hostile: Served, look: Callable[..., Watched]) -> None:
    page = look(390).page
    wide: dict[str, object] = {}
    for path in (*PATHS, f"/c/{C}/{LONG}"):
        page.goto(hostile.address + path)
        if page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
            wide[path] = page.evaluate(BEYOND)
    assert wide == {}


def test_hostile_addresses_do_nothing(hostile: Served, page: Page) -> None:
    for path in PATHS:
        page.goto(f"{hostile.address}{path.partition('?')[0]}?{urlencode(ASKED)}")
        unharmed(page)


def test_what_is_not_there_is_named_as_text(hostile: Served, look: Callable[..., Watched]) -> None:
    watched = look()
    for path in (f"/c/no{C}", f"/c/{C}/no{C}"):
        watched.page.goto(hostile.address + path)
        unharmed(watched.page)
        assert "<img src=x" in watched.page.locator("main").inner_text()
    # The browser says on the console that it was a 404.
    watched.complaints = [one for one in watched.complaints if "404" not in one]


def test_what_scripts_write_stays_text(hostile: Served, page: Page) -> None:
    """Live updates, the figures at the pointer, the name at a cell: all written by scripts."""
    page.goto(f"{hostile.address}/c/{C}/{N}")
    page.wait_for_selector(".uplot")
    page.locator(f'[data-chart="{css(f"m:{NAME}")}"] .u-over').hover()
    expect(page.locator(f'[data-chart="{css(f"m:{NAME}")}"] .now')).to_contain_text("<script>")
    page.goto(f"{hostile.address}/c/{quote(BIG, safe='')}?metric={C}")
    canvas = page.locator(".heat canvas")
    box = canvas.bounding_box()
    assert box is not None
    canvas.hover(position={"x": 5, "y": 5})
    expect(page.locator(".tip")).to_contain_text("<script>alert(1)")
    unharmed(page)
    page.goto(f"{hostile.address}/c/{C}")
    page.evaluate("window.stayed = true")
    hostile.call(lambda: hostile.monitor.grid.hear(late(hostile)))
    expect(page.locator("#rows")).to_contain_text("fe80::2%3Cimg")
    assert page.evaluate("window.stayed") is True
    unharmed(page)


def late(grid: Served) -> Sample:
    return Sample(NAME, "fe80::2%3Cimg", grid.monitor.clock.unix(), {"load_one": 2.0})


def css(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
