"""The client of VictoriaMetrics beside servers that answer badly; the real one is in contract."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsh.monitor.model import Series
from clsh.monitor.store import StoreError
from clsh.monitor.stores.victoriametrics import VictoriaMetricsStore, metric_name, our_name
from tests.support.stores import context, layout, tick

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 500_000 * 3600.0
SERIES = layout(3)


class Answers(BaseHTTPRequestHandler):
    """Answers each question with what it was told to."""

    status = 200
    body = b""
    asked: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.asked.append((self.path, self.rfile.read(length)))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(status: int, body: bytes) -> Iterator[tuple[VictoriaMetricsStore, type[Answers]]]:
    kind = type("Told", (Answers,), {"status": status, "body": body, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            url = f"http://127.0.0.1:{serving.server_address[1]}/insert/"
            yield VictoriaMetricsStore(context(Path(), url=url)), kind
        finally:
            serving.shutdown()
            thread.join()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8428", "ftp://x", "http://", "file:///etc/x"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(StoreError, match="store_url is ") as told:
        VictoriaMetricsStore(context(Path(), url=url))
    assert told.value.hint == 'as in store_url = "http://127.0.0.1:8428"'


def test_a_server_that_is_away() -> None:
    store = VictoriaMetricsStore(context(Path(), url="http://127.0.0.1:1"))
    with pytest.raises(
        StoreError, match=r"the store at http://127.0.0.1:1 fails: .*refused"
    ) as told:
        store.append(tick(START, SERIES, 1))
    assert told.value.hint == "is VictoriaMetrics running there?"
    assert store.trouble() == str(told.value)
    store.close()


def test_a_server_that_refuses_and_one_that_takes_again() -> None:
    with server(503, b" the disk is full\n") as (store, kind):
        with pytest.raises(StoreError, match="/api/v1/import/prometheus: 503 the disk is full"):
            store.append(tick(START, SERIES, 1))
        assert "503 the disk is full" in store.trouble()
        kind.status = 204
        store.append(tick(START, SERIES, [1, math.nan, math.inf]))
        assert store.trouble() == ""
        path, body = kind.asked[-1]
    assert path == "/insert/api/v1/import/prometheus"
    assert body == b'clsh_m0{cluster="can",node="n0"} 1.0 1800000000000\n'


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"null"])
def test_answers_that_are_none(body: bytes) -> None:
    with server(200, body) as (store, _):
        with pytest.raises(StoreError, match="answers b"):
            store.range(SERIES.series, START, START + 60, 4)
        with pytest.raises(StoreError, match="answers b"):
            store.known()
        assert "answers b" in store.trouble()


def test_series_and_moments_that_were_not_asked_for_are_left_out() -> None:
    body = (
        b'{"data":{"result":['
        b'{"metric":{"cluster":"can","node":"other"},"values":[[1800000014.999,"9"]]},'
        b'{"metric":{"cluster":"can","node":"n0"},"values":[[1700000000,"9"],[1800000029.999,"7"]]}]}}'
    )
    with server(200, body) as (store, _):
        (line,) = store.range(SERIES.series[:1], START, START + 30, 2)
    assert line.average[1] == 7
    assert math.isnan(line.average[0])


def test_many_nodes_are_asked_in_portions() -> None:
    nodes = [f"a-node-with-a-rather-long-name-{number}" for number in range(500)]
    with server(200, b'{"data":{"result":[]}}') as (store, kind):
        lines = store.range([Series("c", node, "m") for node in nodes], START, START + 60, 4)
        queries = [parse_qs(body.decode())["query"][0] for _, body in kind.asked]
    assert len(lines) == 500
    assert len(queries) > 3
    assert max(map(len, queries)) < 16_384
    assert {query[:3] for query in queries} == {"avg", "min", "max"}
    for node in nodes:
        assert sum(node.replace("-", "\\\\-") + "|" in q.replace('"', "|") for q in queries) == 3


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_any_name_of_a_metric_comes_back(name: str) -> None:
    there = metric_name(name)
    assert there.isascii()
    assert there.replace(":", "").replace("_", "").isalnum()
    assert our_name(there) == name
