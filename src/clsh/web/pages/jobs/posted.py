"""What a form sends: its fields, and the request for a job that they make, or what is wrong."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from clsh.jobs import form
from clsh.jobs.errors import RequestError
from clsh.jobs.fields import FIELDS
from clsh.web.asking import RefusedError
from clsh.web.security import LARGEST_BODY, too_large

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request as Asking

    from clsh.jobs.model import Request

_MEDIA = "application/x-www-form-urlencoded"
_MOST_FIELDS = 100
_TOKEN = re.compile(r"[0-9a-f]{32}", re.ASCII)


async def fields(asking: Asking) -> dict[str, str]:
    """Return the fields of a form; raises RefusedError for what no form of ours sends."""
    if asking.headers.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA:
        raise RefusedError(415, f"a form is sent as {_MEDIA}")
    body = bytearray()
    async for chunk in asking.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise too_large()
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict",
            max_num_fields=_MOST_FIELDS,
        )  # fmt: skip
    except ValueError as error:
        raise RefusedError(400, "the form cannot be read") from error
    return dict(pairs)


def request(given: Mapping[str, str]) -> tuple[Request | None, dict[str, RequestError]]:
    """Return the request that the fields ask for, or what is wrong with each of them."""
    texts = {field.name: given[field.name] for field in FIELDS if field.name in given}
    texts["key"] = key(given.get("token", ""), given)
    wrong: dict[str, RequestError] = {}
    while True:  # each round finds another field
        try:
            made = form.read(texts)
        except RequestError as error:
            if error.field in wrong:  # what it stands for now is not what was typed
                return None, wrong
            wrong[error.field] = error
            texts.pop(error.field, None)
            if error.field == "argv":
                texts["argv"] = "true"  # so that the other fields are looked at too
        else:
            return (None if wrong else made), wrong


def token() -> str:
    """Return what makes the submissions of one form the same."""
    return secrets.token_hex(16)


def token_of(given: Mapping[str, str]) -> str:
    """Return the token that a form was sent with, a new one when it has none of ours."""
    found = given.get("token", "")
    return found if _TOKEN.fullmatch(found) else token()


def key(of: str, given: Mapping[str, str]) -> str:
    """Return the key of a submission: the same form with other values is another job."""
    known = of if _TOKEN.fullmatch(of) else token()
    values = "\0".join(f"{name}={given[name]}" for name in sorted(given) if given[name])
    return f"web-{known}-{hashlib.sha256(values.encode()).hexdigest()[:16]}"
