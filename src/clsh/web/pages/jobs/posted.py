"""What the form of a job sends: the request that its fields make, or what is wrong with each."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from clsh.jobs.errors import RequestError
from clsh.jobs.forms import form
from clsh.jobs.forms.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.jobs.model import Request

_FILE = "send."
_TOKEN = re.compile(r"[0-9a-f]{32}", re.ASCII)


def joined(given: Mapping[str, str]) -> dict[str, str]:
    """Return the fields with the files that were chosen (`send.1`, `send.2`) as one of them."""
    files = [given[name] for name in sorted(given, key=_number) if name.startswith(_FILE)]
    rest = {name: text for name, text in given.items() if not name.startswith(_FILE)}
    return {**rest, "send": ",".join(files)} if files else rest


def _number(name: str) -> int:
    text = name.removeprefix(_FILE)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


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
