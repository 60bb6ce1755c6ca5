"""One chromium for the tests of a module, and servers that they share.

Not for the whole session: while Playwright runs, its loop counts as one that runs in this
thread, and no test with a loop of its own could come after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.support.pictured import names
from tests.support.served import Served, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = "/usr/bin/chromium"
# The machine may be busy: what does not come at all is what counts.
expect.set_options(timeout=20_000)


@pytest.fixture(autouse=True)
def blocked_loop_fails() -> None:
    """Playwright's own loop waits for its driver: the server's loop is another one."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def four() -> Iterator[Served]:
    with served({"demo": names(4, "node")}, ["node3"]) as one:
        yield one


@pytest.fixture(scope="module")
def forty() -> Iterator[Served]:
    with served({"web": names(40, "web")}, ["web7"]) as one:
        yield one


@pytest.fixture(scope="module")
def thousand() -> Iterator[Served]:
    clusters = {"can1_4": names(4), "can49_52": names(640, "c"), "can53_55": names(356, "d")}
    with served(clusters, ["c117", "c301", "c302", "d41"]) as one:
        yield one


class Watched:
    """A page that remembers what it complained about; `complaints` must be empty at the end."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._dialog)
        # A policy that is broken is told in the page, whatever the console shows.
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " (event) => console.error('policy', event.violatedDirective, event.blockedURI));"
        )

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def drawn(self) -> Page:
        """Wait until the charts in sight are those that can be dragged over."""
        self.page.wait_for_selector(".uplot", timeout=20_000)
        return self.page


@pytest.fixture
def look(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    opened: list[Watched] = []

    def one(width: int = 1440, **more: Any) -> Watched:
        size: Any = {"width": width, "height": 900}
        watched = Watched(chromium.new_context(viewport=size, **more))
        opened.append(watched)
        return watched

    yield one
    for watched in opened:
        watched.context.close()
        assert watched.complaints == []
