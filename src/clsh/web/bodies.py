"""What comes in the body of a request: bounded, and read as JSON or as a form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import parse_qsl

from clsh.web import security
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

T = TypeVar("T", str, bool, int)

FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 100


async def read_body(request: Request) -> bytes:
    """Return the body; raises RefusedError (413) for one that is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > security.LARGEST_BODY:
            raise security.too_large()
    return bytes(body)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form, of two with one name the last; raises RefusedError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise RefusedError(415, f"a form is sent as {FORM}")
    body = await read_body(request)
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise RefusedError(400, "the form cannot be read") from error
    return dict(pairs)


def read_json(body: bytes) -> Mapping[str, object]:
    """Return the fields of a JSON object; raises RefusedError (400)."""
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return cast("dict[str, object]", value)


def field(fields: Mapping[str, object], name: str, otherwise: T) -> T:
    """Return a field that is of the kind of `otherwise`; raises RefusedError (400) naming it."""
    value = fields.get(name, otherwise)
    if type(value) is not type(otherwise):
        kind = {str: "a text", bool: "true or false", int: "a whole number"}[type(otherwise)]
        raise RefusedError(400, f"the field {name!r} must be {kind}", parameter=name)
    return value
