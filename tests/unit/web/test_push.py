from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from clsh.web.api import push
from clsh.web.api.push import Rate, check_token, parse
from clsh.web.asking import RefusedError
from tests.support.web import TOKEN, TOKEN_DIGEST, Browser, Got, a_monitor, an_app, tell
from tests.unit.web.test_answers import Hand
from tests.unit.web.test_routes import listening


async def send(app: Any, body: bytes | str, path: str = "red/n1", token: str = TOKEN) -> Got:
    sent = body if isinstance(body, bytes) else body.encode()
    browser = Browser(app)
    return await browser.ask(
        f"/api/v1/metrics/{path}", "POST", sent, authorization=f"Bearer {token}"
    )


async def test_what_is_pushed_is_shown_at_once() -> None:
    monitor = a_monitor()
    app = an_app(monitor)
    browser = Browser(app)
    await browser.ask("/api/v1/clusters/red/nodes/n1")
    body = {"metrics": {"room": 21.5, "fan": {"value": 3, "units": "rpm", "type": "uint16"}}}
    got = await send(app, json.dumps(body))
    assert (got.status, got.json) == (200, {"taken": 2})
    shown = (await browser.ask("/api/v1/clusters/red/nodes/n1")).json
    rows = {row["name"]: row for row in shown["metrics"]}
    assert rows["room"]["value"] == 21.5
    assert (rows["fan"]["value"], rows["fan"]["units"], rows["fan"]["type"]) == (3, "rpm", "uint16")
    assert rows["fan"]["group"] == "custom"


async def test_lines_are_taken_too() -> None:
    values, metrics = parse(b"# comment\n\nroom 21.5 degrees C\nstate good\nload 1e3\n")
    assert values == {"room": 21.5, "state": "good", "load": 1000.0}
    assert metrics["room"].units == "degrees C"
    assert metrics["state"].type == "string"


@pytest.mark.parametrize("token", ["", "wrong", TOKEN_DIGEST, TOKEN + "x", TOKEN.upper()])
async def test_without_the_token_nothing_is_taken(token: str) -> None:
    monitor = a_monitor()
    got = await send(an_app(monitor), "room 1", token=token)
    assert got.status == 401
    assert got.headers["www-authenticate"] == "Bearer"
    assert monitor.grid.version == 0
    assert TOKEN not in got.text


def test_tokens() -> None:
    check_token(f"bearer  {TOKEN} ", ["sha256:00", TOKEN_DIGEST.upper()])
    for header, tokens in (("", []), (f"Bearer {TOKEN}", []), (f"Basic {TOKEN}", [TOKEN_DIGEST])):
        with pytest.raises(RefusedError, match="token"):
            check_token(header, tokens)


def test_time_tells_nothing_of_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole hashes are compared, all of them, whichever fits."""
    compared: list[tuple[bytes, bytes]] = []
    right = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return right(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    tokens = ["sha256:" + "0" * 64, TOKEN_DIGEST, "sha256:" + "1" * 64]
    for token in (TOKEN, "wrong"):
        compared.clear()
        with contextlib.suppress(RefusedError):
            check_token(f"Bearer {token}", tokens)
        assert [other.decode() for _, other in compared] == tokens
        assert {len(one) for one, _ in compared} == {len(TOKEN_DIGEST)}


async def test_a_token_is_in_no_log_and_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "a-secret-that-somebody-sends"
    push_path, end = (
        "/api/v1/metrics/red/n1",
        "Connection: close\r\nContent-Length: 6\r\n\r\nroom 1",
    )
    authorized = f"Authorization: Bearer {secret}\r\n"
    monitor = a_monitor(push_tokens=("sha256:" + hashlib.sha256(secret.encode()).hexdigest(),))
    told = ""
    async with listening(an_app(monitor)) as port:
        host = f"Host: 127.0.0.1:{port}\r\n"
        for head, status in (
            (f"POST {push_path} HTTP/1.1\r\n{host}{authorized}", 200),
            (f"POST {push_path} HTTP/1.1\r\n{host}Authorization: Bearer {secret}x\r\n", 401),
            (f"POST {push_path} HTTP/1.1\r\n{host}Authorization: Basic {secret}\r\n", 401),
            (f"POST {push_path}/more HTTP/1.1\r\n{host}{authorized}", 404),
            (f"POST {push_path} HTTP/1.1\r\nHost: evil.example\r\n{authorized}", 421),
            (f"POST {push_path} HTTP/1.1\r\n{host}{authorized}bad header\r\n", 400),
            (f"POST {push_path} HTTP/1.1\r\n{host}{authorized}Origin: http://a.example\r\n", 403),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write((head + end).encode())
            async with asyncio.timeout(10):
                answer = (await reader.read()).decode()
            writer.close()
            assert int(answer.split()[1]) == status
            told += answer
        with pytest.raises(InvalidStatus):
            await connect(
                f"ws://127.0.0.1:{port}/live",
                additional_headers={
                    "Authorization": f"Bearer {secret}",
                    "Origin": "http://a.example",
                },
                logger=logging.getLogger("the-client"),
                proxy=None,
            )
    ours = [one for one in caplog.records if one.name != "the-client"]
    assert secret not in told
    assert not [one for one in ours if secret in one.getMessage()]
    assert secret not in repr(monitor.settings)
    assert not [one for one in ours if one.levelno > logging.WARNING], "a refusal is no failure"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"", "no metric"),
        (b"# nothing", "no metric"),
        (b"{", "no JSON"),
        (b'{"metrics": ' + b'{"a":' * 50000, "no JSON"),
        (b"{}", "no object 'metrics'"),
        (b'{"metrics": [1]}', "no object 'metrics'"),
        (b'{"metrics": {"a b": 1}}', "must begin with a letter"),
        (b'{"metrics": {"1a": 1}}', "must begin with a letter"),
        (b'{"metrics": {"<script>": 1}}', "must begin with a letter"),
        (b'{"metrics": {"a": true}}', "finite number or a text"),
        (b'{"metrics": {"a": null}}', "finite number or a text"),
        (b'{"metrics": {"a": [1]}}', "finite number or a text"),
        (b'{"metrics": {"a": NaN}}', "finite number or a text"),
        (b'{"metrics": {"a": 1' + b"0" * 400 + b"}}", "finite number or a text"),
        (b'{"metrics": {"a": "\\u001b[31m"}}', "printable text"),
        (b'{"metrics": {"a": "' + b"x" * 1025 + b'"}}', "printable text"),
        (b'{"metrics": {"a": {"value": 1, "units": 5}}}', "printable units"),
        (b'{"metrics": {"a": {"value": 1, "units": "' + b"x" * 33 + b'"}}}', "printable units"),
        (b'{"metrics": {"a": {"value": 1, "type": "complex"}}}', "of the type 'complex'"),
        (b'{"metrics": {"a": {"value": 1, "type": "string"}}}', "of the type 'string'"),
        (b'{"metrics": {"a": {"value": 1, "type": []}}}', "of the type"),
        (b'{"metrics": {"a": {"value": 1, "tmax": 5}}}', "only value, units and type"),
        (b'{"metrics": {"a": {"units": "s"}}}', "finite number or a text"),
        (b"lonely", "has no value"),
        (b"a nan", "finite number"),
        (b"".join(b"m%d 1\n" % n for n in range(501)), "more than 500"),
    ],
)
async def test_what_cannot_be_is_refused_in_words_and_nothing_is_taken(
    body: bytes, words: str
) -> None:
    monitor = a_monitor()
    got = await send(an_app(monitor), body)
    assert got.status == 400
    assert words in got.json["error"]
    assert monitor.grid.version == 0


@pytest.mark.parametrize("path", ["red/-oProxyCommand=x", "red/a%b", "a b/n1", "red/..", "..%2f/x"])
async def test_names_of_nodes_are_checked(path: str) -> None:
    monitor = a_monitor()
    got = await send(an_app(monitor), "room 1", path)
    assert got.status in {400, 404}
    assert monitor.grid.version == 0


async def test_strangers_are_taken_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = a_monitor({"red": ["n1"]})
    app = an_app(monitor)
    assert (await send(app, "room 1", "blue/x1")).status == 200
    assert monitor.grid.clusters["blue"].nodes["x1"].values["room"] == 1.0
    monkeypatch.setattr(push, "_MOST_CLUSTERS", 2)
    monkeypatch.setattr(push, "_MOST_NODES", 2)
    monkeypatch.setattr(push, "_MOST_OF_A_NODE", 1)
    for path, body, words in (
        ("green/x1", "room 1", "2 clusters"),
        ("blue/x2", "room 1", "2 nodes"),
        ("blue/x1", "other 1", "more than 1 metrics"),
    ):
        got = await send(app, body, path)
        assert got.status == 403
        assert words in got.json["error"]
    assert (await send(app, "room 2", "blue/x1")).status == 200


async def test_a_push_does_not_hide_what_the_node_told() -> None:
    monitor = a_monitor()
    tell(monitor, "n1")
    await send(an_app(monitor), "room 1")
    assert monitor.grid.clusters["red"].nodes["n1"].values["load_one"] == 1.0


def test_the_rate_is_bounded() -> None:
    clock = Hand()
    rate = Rate(clock, per_second=3)
    for _ in range(3):
        rate.take()
    with pytest.raises(RefusedError) as told:
        rate.take()
    assert told.value.status == 429
    assert told.value.headers == {"retry-after": "1"}
    clock.now += 1
    rate.take()


async def test_every_push_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Rate) -> None:
        raise RefusedError(429, "full")

    monkeypatch.setattr(Rate, "take", full)
    assert (await send(an_app(a_monitor()), "room 1")).status == 429
