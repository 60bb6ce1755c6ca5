"""What comes in a body: JSON and forms, in words when it is neither."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from clsh.web.asking import RefusedError
from clsh.web.bodies import field, read_form, read_json


@pytest.mark.parametrize("body", [b"[]", b"5", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object(body: bytes) -> None:
    with pytest.raises(RefusedError, match="must be a JSON object") as told:
        read_json(body)
    assert told.value.status == 400


def test_fields_of_json() -> None:
    given = read_json(b'{"a": "x", "b": true, "c": 5}')
    assert (field(given, "a", ""), field(given, "b", False), field(given, "c", 1)) == ("x", True, 5)
    assert (field(given, "z", "none"), read_json(b"")) == ("none", {})
    for name, otherwise, told in (
        ("a", 1, "a whole number"),
        ("b", 1, "a whole number"),
        ("c", "", "a text"),
        ("c", False, "true or false"),
    ):
        with pytest.raises(RefusedError, match=told) as refused:
            field(given, name, otherwise)  # type: ignore[type-var]  # one of three at a time
        assert refused.value.parameter == name


def a_request(body: bytes, kind: str) -> Request:
    parts: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return parts.pop()

    headers = [(b"content-type", kind.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


FORM = "application/x-www-form-urlencoded"


async def test_fields_of_a_form() -> None:
    got = await read_form(a_request(b"name=a%20b&empty=&name=%EA%B0%80", f"{FORM}; charset=utf-8"))
    assert got == {"name": "가", "empty": ""}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"a=1", "text/plain", 415),
        (b"a=1", "multipart/form-data; boundary=x", 415),
        (b"a=1", "", 415),
        (b"a=%ff", FORM, 400),
        (b"\xff=1", FORM, 400),
        (b"&".join(b"a=1" for _ in range(101)), FORM, 400),
        (b"a=" + b"x" * 300_000, FORM, 413),
    ],
)
async def test_what_is_no_form(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(RefusedError) as told:
        await read_form(a_request(body, kind))
    assert told.value.status == status
