"""The pages of jobs in a real browser: by keyboard, live, hostile, narrow, without scripts."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from clsh.jobs.model import Request, Task
from tests.support.pictured import names
from tests.support.queued import Queued, on, some
from tests.support.served import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.integration.browser.conftest import Watched
    from tests.support.served import Served

    Look = Callable[..., Watched]

AXE = Axe()
PAGES = (
    "/jobs", "/jobs?state=failed", "/jobs?q=nothing", "/jobs/1", "/jobs/2?task=22", "/jobs/3",
    "/jobs/5", "/jobs/new", "/jobs/77",
)  # fmt: skip


class Desk:
    """A served grid with jobs; `do` runs something in its loop, so that no request meets it."""

    def __init__(self, grid: Served, queue: Queued) -> None:
        self.grid = grid
        self.queue = queue
        self.address = grid.address

    def do(self, what: Callable[[Queued], object]) -> None:
        self.grid.call(lambda: what(self.queue))


@pytest.fixture
def desk() -> Iterator[Desk]:
    queue = some(Queued())
    with served({"demo": names(4, "node")}, ["node3"], jobs=queue) as grid:
        yield Desk(grid, queue)


def came(watched: Watched, desk: Desk, who: str = "alice") -> Page:
    watched.context.add_cookies([{"name": "who", "value": who, "url": desk.address}])
    return watched.page


def reach(page: Page, what: str) -> None:
    """Go by Tab to the element that is found by a selector."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("(what) => document.activeElement.matches(what)", what):
            return
    raise AssertionError(f"Tab does not reach {what}")


def job_at(page: Page) -> int:
    page.wait_for_url(re.compile(r"/jobs/\d+$"))
    return int(page.url.rpartition("/")[2])


def scrolls(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width


def test_by_keyboard_from_the_form_over_live_output_to_the_result(desk: Desk, look: Look) -> None:
    page = came(look(), desk)
    page.goto(desk.address + "/jobs")
    reach(page, "a.act")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/new")
    reach(page, "#argv")
    page.keyboard.press("Control+a")
    page.keyboard.type("./simulate 'one two'")
    reach(page, "#memory")
    page.keyboard.type("2G")
    page.keyboard.press("Enter")
    number = job_at(page)
    assert desk.queue.found[number][0].request.argv == ("./simulate", "one two")
    expect(page.locator("#say")).to_contain_text("pending")
    page.evaluate("window.stayed = true")
    begun = Task(0, 0, "running", 1, on("node2"), "node2: score 0.1", time.time())
    desk.do(lambda queue: queue.put(number, begun))
    expect(page.locator("#say")).to_contain_text("running")
    expect(page.locator("#places")).to_contain_text("node2: score 0.1")
    output = page.locator("[data-tail=output]")
    for step in range(3):
        desk.do(lambda queue, step=step: queue.write(number, b"step %d\n" % step))  # type: ignore[misc]  # each its own
        expect(output).to_contain_text(f"step {step}")
    desk.do(
        lambda queue: queue.put(number, replace(begun, state="done", ended=time.time(), status=0))
    )
    expect(page.locator("#say")).to_contain_text("done")
    expect(output).to_have_text("step 0\nstep 1\nstep 2\n")
    assert page.evaluate("window.stayed") is True
    page.keyboard.press("Home")
    reach(page, "#acts summary")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    reach(page, "#acts button")
    page.keyboard.press("Enter")
    expect(page.locator("#say")).to_contain_text("pending")
    assert desk.queue.acts == [("requeue", "alice", number, None)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_accessible_and_fits(desk: Desk, look: Look, width: int, scheme: Any) -> None:
    watched = look(width, color_scheme=scheme)
    page = came(watched, desk, "root")
    faults: dict[str, object] = {}
    for path in PAGES:
        answer = page.goto(desk.address + path)
        assert answer is not None
        for summary in page.locator("#acts summary").all():
            summary.click()
        found = AXE.run(page)
        if found.violations_count:
            faults[path] = found.generate_report()
        if scrolls(page) > 0:
            faults[f"{path} scrolls by"] = scrolls(page)
    page.goto(desk.address + "/jobs/new?like=none")
    page.locator("button.main").click()
    expect(page.locator("#argv")).to_be_focused()
    if (found := AXE.run(page)).violations_count:
        faults["with errors"] = found.generate_report()
    assert faults == {}
    # The browser says on the console what was not answered with 200.
    watched.complaints = [one for one in watched.complaints if "40" not in one and "422" not in one]


@pytest.mark.parametrize(
    ("locale", "code", "word", "other"),
    [
        ("en-GB", "en", "Processes", "한국어"),
        ("ko-KR", "ko", "프로세스", "中文"),
        ("zh-CN", "zh-CN", "进程", "English"),
    ],
)
def test_the_pages_speak_the_reader_s_language(
    desk: Desk, look: Look, locale: str, code: str, word: str, other: str
) -> None:
    page = came(look(locale=locale), desk)
    page.goto(desk.address + "/jobs")
    assert page.evaluate("document.documentElement.lang") == code
    expect(page.locator("header nav")).to_contain_text(word)
    page.get_by_role("link", name=other).click()
    expect(page.locator("html")).not_to_have_attribute("lang", code)
    page.locator("a.act").click()
    page.wait_for_url("**/jobs/new?lang=*")
    page.locator("#argv").fill("./run")
    page.locator("button.main").click()
    page.wait_for_url(re.compile(r"/jobs/\d+\?lang="))


def test_without_scripts_everything_works(desk: Desk, look: Look) -> None:
    watched = look(java_script_enabled=False)
    page = came(watched, desk)
    page.goto(desk.address + "/jobs")
    page.locator("input[name=q]").fill("train")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#rows tr")).to_have_count(1)
    page.locator("a.act").click()
    # All fields are there, in groups, for whatever kind.
    expect(page.locator("fieldset")).to_have_count(7)
    expect(page.locator("#array")).to_be_visible()
    page.get_by_label("batch").check()
    page.locator("#argv").fill("./run")
    page.locator("#array").fill("1-")
    page.locator("button.main").click()
    expect(page.locator("#array-error")).to_contain_text("it must be indexes such as 0-99")
    expect(page.locator("#array")).to_have_value("1-")
    page.locator("#array").fill("1-3")
    page.locator("button.main").click()
    number = job_at(page)
    assert desk.queue.found[number][0].request.array == (1, 2, 3)
    page.locator("summary", has_text="Cancel").click()
    page.locator("#acts button:visible").click()
    expect(page.locator("#say")).to_contain_text("cancelled")
    page.goto(desk.address + "/jobs/1")
    expect(page.locator("[data-tail=output]")).to_contain_text("step 4130")
    assert page.locator("svg[role=img]").count() == 4
    watched.complaints = [one for one in watched.complaints if "422" not in one]


def test_the_form_shows_the_fields_of_its_kind_and_sends_no_others(desk: Desk, look: Look) -> None:
    page = came(look(), desk)
    page.goto(desk.address + "/jobs/new?like=none")
    expect(page.locator("#array")).to_be_hidden()
    expect(page.locator("fieldset:visible")).to_have_count(6)
    page.get_by_label("batch").check()
    expect(page.locator("#array")).to_be_visible()
    expect(page.locator("#tasks_per_node")).to_be_hidden()
    page.locator("#array").fill("0-9")
    page.get_by_label("parallel").check()
    expect(page.locator("#array")).to_be_hidden()
    page.locator("#tasks").fill("4")
    page.locator("#argv").fill("./run")
    page.locator("button.main").click()
    number = job_at(page)
    request = desk.queue.found[number][0].request
    assert (request.kind, request.tasks, request.array) == ("parallel", 4, ())
    page.goto(desk.address + "/jobs/new")
    assert page.locator("#tasks").input_value() == "4"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_double_click_makes_one_job(desk: Desk, look: Look, scripts: bool) -> None:
    page = came(look(java_script_enabled=scripts), desk)
    page.goto(desk.address + "/jobs/new")
    page.locator("#argv").fill("./once")
    page.locator("button.main").dblclick()
    number = job_at(page)
    page.reload()
    assert number == len(desk.queue.found) == 6


def test_files_are_handed_in_and_named(desk: Desk, look: Look, tmp_path: Path) -> None:
    watched = look()
    page = came(watched, desk)
    page.goto(f"{desk.address}/jobs/new")
    (tmp_path / "big").write_bytes(bytes(range(256)) * 2500)
    (tmp_path / "go").write_text("#!/bin/sh")
    page.locator("#argv").fill("./go")
    page.locator("#send").set_input_files([tmp_path / "big", tmp_path / "go"])
    desk.do(lambda queue: setattr(queue, "full", True))
    page.locator("button.main").click()
    expect(page.get_by_text("big was not taken: your files would be more than 9")).to_be_visible()
    assert page.url.endswith("/jobs/new")
    desk.do(lambda queue: setattr(queue, "full", False))
    page.locator("button.main").click()
    number = job_at(page)
    job, _ = desk.queue.found[number]
    digests = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("big", "go")]
    assert job.request.send == (f"{digests[0]}+x:big", f"{digests[1]}+x:go")
    expect(page.get_by_text("big, go", exact=True)).to_be_visible()
    page.get_by_role("link", name="Submit again").click()
    page.get_by_label("big", exact=True).uncheck()
    page.locator("button.main").click()
    page.wait_for_url(lambda url: url.endswith(f"/jobs/{number + 1}"))
    assert desk.queue.found[number + 1][0].request.send == (f"{digests[1]}+x:go",)
    watched.complaints = [one for one in watched.complaints if "400" not in one]


def test_what_is_being_read_stays_where_it_is(desk: Desk, look: Look) -> None:
    page = came(look(), desk)
    desk.do(lambda queue: queue.write(1, b"".join(b"line %d\n" % n for n in range(900))))
    page.goto(desk.address + "/jobs/1")
    output = page.locator("[data-tail=output]")
    expect(output).to_contain_text("line 899")
    near = "(pre) => pre.scrollHeight - pre.scrollTop - pre.clientHeight"
    assert output.evaluate(near) < 24
    desk.do(lambda queue: queue.write(1, b"at the end\n"))
    expect(output).to_contain_text("at the end")
    assert output.evaluate(near) < 24
    output.evaluate(
        "(pre) => { pre.scrollTop = 40;"
        " getSelection().setBaseAndExtent(pre.firstChild, 2, pre.firstChild, 9); }"
    )
    desk.do(lambda queue: queue.write(1, b"later\n"))
    expect(output).to_contain_text("later")
    assert output.evaluate("(pre) => pre.scrollTop") == 40
    assert len(page.evaluate("String(getSelection())")) == 7


def test_a_node_that_does_not_answer_takes_nothing_away(desk: Desk, look: Look) -> None:
    page = came(look(), desk)
    page.goto(desk.address + "/jobs/1")

    def lose(queue: Queued) -> None:
        from clsh.base.errors import NodeLostError

        queue.unreadable = NodeLostError("node1", "no answer")

    desk.do(lose)
    expect(page.locator("[data-note=output]")).to_contain_text("node1 connection lost: no answer")
    expect(page.locator("[data-tail=output]")).to_contain_text("step 4130")
    desk.do(lambda queue: setattr(queue, "unreadable", None))
    expect(page.locator("[data-note=output]")).to_be_hidden()
    # What is started anew has written nothing yet.
    desk.do(lambda queue: queue.put(1, Task(1, 0)))
    expect(page.locator("[data-note=output]")).to_contain_text("Not started yet.")
    expect(page.locator("[data-tail=output]")).to_be_hidden()


def test_the_list_follows_and_is_filtered_without_a_reload(desk: Desk, look: Look) -> None:
    page = came(look(), desk)
    page.goto(desk.address + "/jobs")
    page.evaluate("window.stayed = true")
    desk.do(lambda queue: queue.add("alice", Request(("./new",), name="just-now")))
    expect(page.locator("#rows")).to_contain_text("just-now")
    expect(page.locator("#say")).to_contain_text("2 waiting")
    page.locator("select[name=state]").select_option("running")
    expect(page.locator("#rows tr")).to_have_count(2)
    assert "state=running" in page.url
    page.get_by_role("link", name="Name", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Name")
    assert page.evaluate("window.stayed") is True


def test_a_file_is_downloaded_and_never_shown(desk: Desk, look: Look) -> None:
    page = came(look(), desk)
    desk.do(lambda queue: queue.write(4, b"<script>alert(1)</script>"))
    page.goto(desk.address + "/jobs/4")
    with page.expect_download() as waiting:
        page.locator("#output a[download]").click()
    assert waiting.value.suggested_filename == "job-4.out"
    assert waiting.value.path().read_bytes() == b"3.141592653\n<script>alert(1)</script>"


def test_nobody_is_sent_to_the_login(desk: Desk, look: Look) -> None:
    page = look().page
    page.goto(desk.address + "/jobs/1?task=0")
    page.wait_for_url("**/login?next=%2Fjobs%2F1%3Ftask%3D0")
    expect(page.locator("input[type=password]")).to_be_visible()


TEXT = (
    "\"><script>alert(1)</script><img src=x onerror=alert(1)>'<svg/onload=alert(1)>{{7*7}}\x1b[2J"
)
OUTPUT = TEXT.encode() + b"\xff\x9b31m\x1b]52;c;aGk=\x07\x1b[6n\x1b[c\x00\xe2\x80\xae\r</pre><b>\n"


def hostile(queue: Queued) -> None:
    request = Request(
        (TEXT, TEXT), name=TEXT, directory=TEXT, input=TEXT, output=TEXT, error=TEXT,
        environment={"A": TEXT}, send=(TEXT,), notify=(TEXT,), restart_argv=(TEXT,),
        restart="own", checkpoint_signal="USR1",
    )  # fmt: skip
    task = Task(
        0, 0, "failed", 1, on("node1"), TEXT, time.time() - 99, time.time(), None, TEXT, TEXT
    )
    queue.add("root", request, replace(task, state="running", ended=0.0), reason=TEXT)
    array = replace(request, kind="batch", array=(0, 1))
    queue.add("root", array, task, replace(task, index=1))
    for number in (6, 7):
        queue.write(number, OUTPUT)
        queue.write(number, OUTPUT, "error")


def unharmed(page: Page) -> None:
    assert page.locator("img, iframe, object, embed, base, svg[onload], pre b").count() == 0
    scripts = page.evaluate("[...document.scripts].map((one) => one.getAttribute('src'))")
    assert all(one.startswith("/static/") for one in scripts)
    assert page.evaluate(
        "[...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames())"
        ".filter((name) => name.startsWith('on')).length"
    ) == 0  # fmt: skip
    links = page.evaluate("[...document.links].map((one) => one.protocol)")
    assert set(links) <= {"http:"}
    shown = page.locator("main").inner_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert "{{7*7}}" in shown or "49" not in shown


@pytest.mark.parametrize("width", [390, 1440])
def test_hostile_texts_do_nothing_anywhere(desk: Desk, look: Look, width: int) -> None:
    watched = look(width)
    page = came(watched, desk, "root")
    desk.do(hostile)
    for path in ("/jobs", "/jobs/6", "/jobs/7?task=1", "/jobs/new?like=6", "/jobs/new?like=7"):
        page.goto(desk.address + path)
        unharmed(page)
        assert scrolls(page) <= 0, path
        if "new" not in path:
            assert "<img src=x" in page.locator("main").inner_text(), path
    # Also what the page's scripts write while it is open.
    page.goto(desk.address + "/jobs/6")
    desk.do(lambda queue: queue.write(6, OUTPUT + b"<i>the end</i>\n"))
    expect(page.locator("[data-tail=output]")).to_contain_text("<i>the end</i>")
    unharmed(page)
    desk.do(lambda queue: queue.written.update({(6, 0, "output"): b"<b>anew</b>\n" + OUTPUT}))
    expect(page.locator("[data-tail=output]")).to_contain_text("<b>anew</b>")
    unharmed(page)
    # And what people type.
    page.goto(desk.address + "/jobs/new?like=none")
    page.get_by_label("parallel").check()
    for name in ("argv", "name", "memory", "tasks", "nodes", "after", "environment"):
        page.locator(f"#{name}").fill(TEXT.replace("\x1b", ""))
    page.locator("button.main").click()
    expect(page.locator("#memory-error")).to_contain_text("<script>")
    unharmed(page)
    watched.complaints = [one for one in watched.complaints if "422" not in one]


GROWS = """
() => {
  const lines = Array.from({length: 60000}, (_, at) => `news ${at}\\n`);
  for (let at = 3000; at <= lines.length; at += 1000) {
    const texts = {output: [lines.slice(at - 3000, at).join(""), ""]};
    document.dispatchEvent(new CustomEvent("news", {detail: {texts}}));
  }
}
"""


def test_endless_output_costs_the_page_little(desk: Desk, look: Look) -> None:
    page = came(look(), desk)
    desk.do(lambda queue: queue.write(1, b"x" * 5_000_000))
    page.goto(desk.address + "/jobs/1")
    length = "document.querySelector('[data-tail=output]').textContent.length"
    assert page.evaluate(length) <= 32 * 1024
    for number in range(3):
        more = b"".join(b"%d line %d\n" % (number, n) for n in range(20_000))
        desk.do(lambda queue, more=more: queue.write(1, more))  # type: ignore[misc]  # each its own
        expect(page.locator("[data-tail=output]")).to_contain_text(f"{number} line 19999")
        assert page.evaluate(length) <= 256 * 1024
    assert scrolls(page) <= 0
    # Read without a pause it grows by little each time, and still not for ever.
    page.evaluate(GROWS)
    assert 32 * 1024 <= page.evaluate(length) <= 256 * 1024


def test_two_thousand_jobs_are_a_page_of_fifty(look: Look) -> None:
    queue = Queued()
    now = time.time()
    for place in range(2000):
        task = Task(0, 0, "done", 1, on("node1"), "", now - 60, now - 30, 0)
        queue.add("alice", Request(("./run", str(place)), name=f"run-{place}"), task)
    with served({"demo": names(4, "node")}, jobs=queue) as grid:
        page = came(look(), Desk(grid, queue))
        page.goto(grid.address + "/jobs?q=run-1")
        expect(page.locator("#rows tr")).to_have_count(50)
        page.get_by_role("link", name="older").click()
        page.wait_for_url("**offset=50*")
        expect(page.locator("#pager")).to_contain_text("51 to 100 of 1,111")
        page.get_by_role("link", name="newer").click()
        expect(page.locator("#pager")).to_contain_text("1 to 50")
