"""Pages of an invented grid, asked without a network and read as HTML."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from clsh.base.clock import SystemClock
from clsh.web.app import build
from tests.support.pictured import Pictured, names
from tests.support.queued import ByWord, Known
from tests.support.web import Browser, a_control

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.queued import Queued
    from tests.support.web import Got

VOID = {"input", "meta", "link", "br", "hr", "img", "rect", "path"}


def pictured(
    clusters: Mapping[str, Sequence[str]] | None = None, lost: Sequence[str] = ()
) -> Pictured:
    monitor = Pictured(SystemClock(), clusters or {"demo": names(4, "node")}, "Our grid")
    monitor.feed()
    if lost:
        monitor.feed(lost)
    return monitor


def person(name: str, queue: Queued, monitor: Pictured | None = None) -> Browser:
    """Return somebody's browser; with "" nobody has logged in."""
    watched = monitor or pictured()
    access = ByWord(watched.clock, "root")
    app = build(watched, a_control(), access=access, jobs=queue)  # type: ignore[arg-type]  # as far as pages ask
    return Browser(Known(app, access), headers={"cookie": f"who={name}"})


async def post(who: Browser, path: str, fields: Mapping[str, str]) -> Got:
    return await who.ask(
        path,
        "POST",
        urlencode(fields).encode(),
        content_type="application/x-www-form-urlencoded",
        sec_fetch_site="same-origin",
    )


def browser(monitor: Pictured) -> Browser:
    return Browser(build(monitor, a_control()))  # type: ignore[arg-type]  # as far as pages ask


class Html(HTMLParser):
    """A page, checked for tags that do not match, with its texts, links and elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert not any(name == "style" or name.startswith("on") for name in given), given
        self.elements.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert not self.open or self.open[-1] not in {"script", "style"} or not data.strip()
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words)).strip()

    def links(self) -> list[str]:
        return [given["href"] for tag, given in self.elements if tag == "a"]

    def having(self, name: str) -> list[dict[str, str]]:
        return [given for _, given in self.elements if name in given]


def html(got: Got) -> Html:
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    return Html(got.text)


def parts(got: Got) -> Any:
    return json.loads(got.text)
