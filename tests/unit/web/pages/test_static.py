"""The files that pages load: ours and those of others, which are what they say they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import clsh.web
from tests.support.asking import browser, html, pictured

STATIC = Path(clsh.web.__file__).parent / "static"


def test_what_is_vendored_is_unchanged_and_says_its_licence() -> None:
    listed = json.loads((STATIC / "VENDORED.json").read_text())
    for one in listed:
        assert {"name", "version", "licence", "package"} <= one.keys()
        for name, facts in one["files"].items():
            content = (STATIC / name).read_bytes()
            assert hashlib.sha512(content).hexdigest() == facts["sha512"], name
    ours = {"VENDORED.json", "clsh.css", "mark.svg"}
    ours |= {f"{name}.js" for name in ("words", "charts", "heat", "live", "jobs")}
    named = {name for one in listed for name in one["files"]}
    assert {path.name for path in STATIC.iterdir()} == ours | named


async def test_files_are_kept_for_a_year_at_the_address_of_their_version() -> None:
    app = browser(pictured())
    page = html(await app.ask("/"))
    loaded = [
        given.get("src") or given["href"]
        for tag, given in page.elements
        if tag in {"script", "link"}
    ]
    assert len(loaded) == 8
    for address in loaded:
        got = await app.ask(address, accept_encoding="gzip")
        assert got.status == 200
        assert "immutable" in got.headers["cache-control"]
        plain = await app.ask(address.partition("?")[0])
        assert plain.headers["cache-control"] == "no-cache"
        assert plain.text == got.text
    assert (await app.ask("/static/clsh.css")).headers["content-type"].startswith("text/css")


async def test_there_is_nothing_else() -> None:
    app = browser(pictured())
    for name in ("VENDORED.json", "none.js", "..", "%2e%2e%2fapp.py"):
        assert (await app.ask(f"/static/{name}")).status == 404


async def test_a_page_of_a_thousand_nodes_is_light() -> None:
    clusters = {"a": [f"can{place}" for place in range(1, 641)]}
    clusters["b"] = [f"web{place}" for place in range(1, 361)]
    app = browser(pictured(clusters))
    got = await app.ask("/", accept_encoding="gzip")
    assert len(got.body) <= 60_000
    news = await app.ask("/?as=parts&since=99999999999", accept_encoding="gzip")
    assert len(news.body) <= 2048
