"""What errors of ours are told as."""

from __future__ import annotations

import pytest

from clsh.access.logins import TooOftenError, WrongLoginError
from clsh.access.store import StoreError
from clsh.access.users import NoTokenError, NoUserError
from clsh.base.errors import ClshError, NodeLostError, NotAllowedError, UsageError
from clsh.jobs.errors import NoJobError, NotNowError, RequestError
from clsh.web.refusing import told


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("x"), 400),
        (RequestError("memory", "x"), 400),
        (NotAllowedError("x"), 403),
        (WrongLoginError(), 403),
        (NoJobError(5), 404),
        (NoUserError("x"), 404),
        (NoTokenError("x"), 404),
        (NotNowError("x"), 409),
        (ClshError("x"), 409),
        (TooOftenError(7), 429),
        (NodeLostError("n1", "x"), 502),
        (StoreError("x"), 503),
    ],
)
def test_each_has_its_status(error: ClshError, status: int) -> None:
    refused = told(error)
    assert (refused.status, str(refused), refused.hint) == (status, str(error), error.hint)


def test_what_is_more_to_tell() -> None:
    assert told(RequestError("memory", "x")).parameter == "memory"
    assert told(TooOftenError(7)).headers == {"retry-after": "7"}
