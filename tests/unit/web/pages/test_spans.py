"""Which time an address means, and which parameters links hand on."""

from __future__ import annotations

from datetime import UTC

import pytest

from clsh.web.pages.asked import Asked, Watch
from clsh.web.pages.spans import Span, parse
from clsh.web.pages.words import Words

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("query", "name", "start", "end"),
    [
        ({}, "hour", NOW - 3600, NOW),
        ({"range": "day"}, "day", NOW - 86400, NOW),
        ({"range": "century"}, "hour", NOW - 3600, NOW),
        ({"start": "1799990000", "end": "1799993600"}, "", 1799990000, 1799993600),
        ({"start": "1799993600", "end": "1799990000"}, "", 1799990000, 1799993600),
        ({"start": "1799990000", "end": "9e10"}, "", 1799990000, NOW),
        ({"start": "1799990000", "end": "1799990001"}, "", 1799989941, 1799990001),
        ({"start": "2027-01-15T07:00:00", "end": "2027-01-15T07:30"}, "", NOW - 3600, NOW - 1800),
        ({"start": "0", "end": "1800000000"}, "hour", NOW - 3600, NOW),
        ({"start": "nan", "end": "inf"}, "hour", NOW - 3600, NOW),
        ({"start": "-5", "end": "x" * 500}, "hour", NOW - 3600, NOW),
        ({"start": "5"}, "hour", NOW - 3600, NOW),
    ],
)
def test_an_address_says_a_range(
    query: dict[str, str], name: str, start: float, end: float
) -> None:
    assert parse(query, NOW, UTC) == Span(name, start, end)


def test_a_range_is_live_when_it_ends_now_and_banded_when_it_is_long() -> None:
    hour, day = parse({}, NOW, UTC), parse({"range": "day"}, NOW, UTC)
    dragged = parse({"start": "1799990000", "end": "1799990100"}, NOW, UTC)
    assert [span.live for span in (hour, day, dragged)] == [True, True, False]
    assert [span.banded for span in (hour, day, dragged)] == [False, True, False]
    assert [span.query for span in (hour, day, dragged)] == [
        {}, {"range": "day"}, {"start": "1799990000", "end": "1799990100"},
    ]  # fmt: skip


def test_a_range_can_be_moved_but_not_into_the_future() -> None:
    hour = parse({}, NOW, UTC)
    assert hour.moved(-0.5, NOW) == {"start": "1799994600", "end": "1799998200"}
    assert hour.moved(0.5, NOW) == {"start": "1799996400", "end": "1800000000"}


def asked(query: dict[str, str], path: str = "/c/demo") -> Asked:
    span = parse(query, NOW, UTC)
    kept = dict(span.query) | ({"lang": query["lang"]} if "lang" in query else {})
    lists = {"metric": [query["metric"]]} if "metric" in query else {}
    return Asked(path, query, lists, Words("en", UTC, NOW), span, kept, {})


def test_links_keep_range_and_language_and_on_the_page_all_else() -> None:
    here = asked({"lang": "ko", "range": "day", "q": "a b", "sort": "load", "as": "parts"})
    assert here.to_node("demo", "node1") == "/c/demo/node1?range=day&lang=ko"
    assert here.link(sort="-load") == "/c/demo?q=a+b&sort=-load&range=day&lang=ko"
    assert here.link(range="hour") == "/c/demo?q=a+b&sort=load&lang=ko&range=hour"
    assert here.link(q=None) == "/c/demo?sort=load&range=day&lang=ko"
    assert dict(here.fields(("sort",))) == {"q": "a b", "range": "day", "lang": "ko"}


def test_names_are_quoted_in_addresses() -> None:
    here = asked({})
    assert here.to_cluster("a b/c?d") == "/c/a%20b%2Fc%3Fd"
    assert here.to_metric("x", "<y>") == "/m/x/%3Cy%3E"
    assert here.link("/compare", node=["a/b", "c"]) == "/compare?node=a%2Fb&node=c"


def test_a_page_about_few_nodes_is_drawn_every_second() -> None:
    wish = {"page": "cluster", "cluster": "demo"}
    assert Watch.of(50, **wish) == Watch(wish, 1.0)
    assert Watch.of(51, **wish) == Watch({"page": "grid"}, 5.0)
