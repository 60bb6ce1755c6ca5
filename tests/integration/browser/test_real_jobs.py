"""A real job on a real node that writes hostile bytes, watched in a real browser as it runs."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.integration.browser.test_jobs import OUTPUT, job_at, unharmed
from tests.integration.test_jobs_remote import SUM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.browser.conftest import Watched
    from tests.support.tried import Tried

LONG = 1_000_000
BIDI = "\u202eevil\u202c \u2066isolated\u2069 \u200f\ufeff".encode()
# What terminals answer as if it were typed, titles, links, the clipboard, and half characters.
ESCAPES = (
    b"\x1b[6n\x1b]0;title\x07\x1b]8;;http://evil.example\x07link\x1b]8;;\x07\x9b5n\x90q\x9c\r\x08"
)
INVALID = b"\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82"
HOSTILE = b"".join(
    (OUTPUT, ESCAPES, b"\n", INVALID, b"\n", BIDI, b"\n", b"<i>" * (LONG // 3), b"\n")
)
RUNS = """
cat /shared/hostile; cat /shared/hostile >&2; echo first part; echo first part >&2
until [ -e /shared/go ]; do sleep 0.1; done
cat /shared/hostile; echo second part
exit 3
"""
ACTS_ON_PEOPLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def test_what_a_job_writes_does_nothing(tried: Tried, look: Callable[..., Watched]) -> None:
    put = tried.demo.run(
        "sh", "-c", "rm -f /shared/go; base64 -d >/shared/hostile",
        stdin=base64.b64encode(HOSTILE).decode(),
    )  # fmt: skip
    assert put.returncode == 0, put.stderr
    alice = tried.visitor("alice")
    name, _, secret = alice.cookie.partition("=")
    watched = look(390)
    page = watched.page
    watched.context.add_cookies([{"name": name, "value": secret, "url": tried.address}])
    number = alice.submit({"argv": ["sh", "-c", RUNS], "name": "writes"})
    page.goto(f"{tried.address}jobs/{number}")
    for stream in ("output", "error"):
        shown = page.locator(f"[data-tail={stream}]")
        expect(shown).to_contain_text("first part")
    unharmed(page)
    tried.demo.run("touch", "/shared/go")
    output = page.locator("[data-tail=output]")
    expect(output).to_contain_text("second part")
    expect(page.locator("main")).to_contain_text("exit status 3")
    unharmed(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.title().endswith(f"Job {number} writes - clsh")
    for path in (f"jobs/{number}", f"jobs/{number}?task=0", "jobs"):  # anew, as the server has it
        page.goto(tried.address + path)
        unharmed(page)
        assert not ACTS_ON_PEOPLE.search(page.locator("main").inner_text())
    # The file itself is downloaded as it is, and never shown.
    page.goto(f"{tried.address}jobs/{number}")
    with page.expect_download() as waiting:
        page.locator("#output a[download]").click()
    assert waiting.value.path().read_bytes() == (
        HOSTILE + b"first part\n" + HOSTILE + b"second part\n"
    )


def test_a_small_hostile_output_is_shown_replaced(
    tried: Tried, look: Callable[..., Watched]
) -> None:
    """What cannot be shown is seen to have been there, but for colours."""
    text = b"A" + INVALID + b"B" + "\u202e".encode() + b"C\x1b[31mD\x00E<script>F"
    octal = "".join(f"\\{byte:03o}" for byte in text)
    alice = tried.visitor("alice")
    name, _, secret = alice.cookie.partition("=")
    watched = look()
    watched.context.add_cookies([{"name": name, "value": secret, "url": tried.address}])
    number = alice.submit({"argv": ["printf", octal], "name": "small"})
    alice.ended(number)
    watched.page.goto(f"{tried.address}jobs/{number}")
    shown = watched.page.locator("[data-tail=output]").inner_text()
    assert re.fullmatch(r"A\ufffd+B\\u202eCD\\x00E<script>F", shown), ascii(shown)
    unharmed(watched.page)


def test_from_the_link_of_cl_up_to_the_sum_of_ranks(
    tried: Tried, look: Callable[..., Watched]
) -> None:
    """What a person does first: opens the link that was printed, and fills in the form."""
    program = tried.compiled(SUM, "/shared/sum")
    told = tried.person.cl("up", "--demo").stderr
    (link,) = re.findall(r"as alice, at (\S+)", told)
    page = look().page
    page.goto(link)
    page.get_by_role("button", name="Log in as alice").click()
    page.wait_for_url(tried.address)
    page.goto(f"{tried.address}jobs/new")
    page.get_by_label("parallel").check()
    page.locator("#argv").fill(program)
    page.locator("#tasks").fill("4")
    page.locator("#tasks_per_node").fill("1")
    page.locator("button.main").click()
    number = job_at(page)
    output = page.locator("[data-tail=output]")
    for node in ("node1", "node2", "node3", "node4"):
        expect(output).to_contain_text(f"of 4 on {node}: 6")
    expect(page.locator("main")).to_contain_text("done")
    job = tried.visitor("alice").ended(number)
    assert (job["owner"], job["state"], job["request"]["tasks"]) == ("alice", "done", 4)
