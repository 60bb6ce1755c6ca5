"""The routes of users, tokens and the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clsh.web.api import access
from clsh.web.api.entry import Entry
from clsh.web.asking import Parameter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clsh.web.api.entry import Site
    from clsh.web.asking import Asked

    Answer = Callable[[Site, Asked], Awaitable[object]]

_USER = Parameter("user", "the user's login name", where="path", required=True)
_TOKEN = Parameter("token", "the token's id, or the name of one's own", where="path", required=True)


def _entry(
    method: Literal["GET", "POST"],
    path: str,
    about: str,
    answer: Answer,
    schema: str,
    need: Literal["user", "admin"],
    *parameters: Parameter,
    body: str = "",
) -> Entry:
    return Entry(
        method, path, about, answer, schema, parameters, access=need, kept="no", body=body
    )  # fmt: skip


ACCESS: tuple[Entry, ...] = (
    _entry("GET", "/api/v1/me", "Who asks", access.me, "Me", "user"),
    _entry(
        "GET",
        "/api/v1/users",
        "Local users, and who has sessions or tokens",
        access.users,
        "Users",
        "admin",
    ),
    _entry(
        "POST",
        "/api/v1/users",
        "Add a local user",
        access.add,
        "UserName",
        "admin",
        body="NewUser",
    ),
    _entry(
        "POST",
        "/api/v1/users/{user}/password",
        "Give a local user a new password; their sessions end",
        access.set_password,
        "UserName",
        "user",
        _USER,
        body="Password",
    ),
    _entry(
        "POST",
        "/api/v1/users/{user}/admin",
        "Make a local user an administrator, or none",
        access.set_admin,
        "UserName",
        "admin",
        _USER,
        body="Admin",
    ),
    _entry(
        "POST",
        "/api/v1/users/{user}/link",
        "Make an address that logs the user in once",
        access.link,
        "Url",
        "user",
        _USER,
    ),
    _entry(
        "POST",
        "/api/v1/users/{user}/remove",
        "Remove a user, their sessions and tokens",
        access.remove,
        "UserName",
        "admin",
        _USER,
    ),
    _entry(
        "POST",
        "/api/v1/welcome",
        "The owner's address to log in at the first run, empty ever after",
        access.welcome,
        "Url",
        "admin",
    ),
    _entry(
        "GET",
        "/api/v1/tokens",
        "Tokens, without their secrets",
        access.tokens,
        "Tokens",
        "user",
        Parameter("whose", "whose tokens", "choice", default="mine", choices=("mine", "all")),
    ),
    _entry(
        "POST",
        "/api/v1/tokens",
        "Make a token; its secret is in this answer alone",
        access.make_token,
        "TokenMade",
        "user",
        body="NewToken",
    ),
    _entry(
        "POST",
        "/api/v1/tokens/{token}/remove",
        "End a token",
        access.remove_token,
        "TokenId",
        "user",
        _TOKEN,
    ),
    _entry(
        "GET",
        "/api/v1/audit",
        "Who changed what, the oldest first",
        access.audit,
        "Audit",
        "admin",
        Parameter("since", "the first moment", "moment", default="0"),
        Parameter(
            "limit", "lines at most, the newest", "whole", default="1000", low=1, high=100_000
        ),
    ),
)
