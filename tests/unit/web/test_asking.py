from __future__ import annotations

import pytest

from clsh.web.asking import Asked, Parameter, RefusedError, missing, moment, read

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("now", NOW),
        ("-1d", NOW - 86400),
        ("-90s", NOW - 90),
        ("-2w", NOW - 14 * 86400),
        ("-999999999y", 0.0),
        ("1699999999.5", 1699999999.5),
        ("0", 0.0),
        ("yesterday", None),
        ("-1", None),
        ("1d", None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("１", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_moments(text: str, value: float | None) -> None:
    assert moment(text, NOW) == value


WHOLE = Parameter("limit", "rows", "whole", default="10", low=1, high=20)
CHOICE = Parameter("state", "states", "choice", choices=("up", "lost"), many=True)
TEXT = Parameter("q", "text")
START = Parameter("start", "begin", "moment", default="-1h")
NEEDED = Parameter("metric", "metric", required=True)
PLACE = Parameter("cluster", "cluster", where="path", required=True)


def test_values_are_read_and_defaults_filled_in() -> None:
    query = [("limit", "20"), ("state", "up"), ("state", "lost"), ("q", "")]
    asked = Asked(read([WHOLE, CHOICE, TEXT, START, PLACE], query, {"cluster": "red"}, NOW))
    assert asked.whole("limit") == 20
    assert asked.many("state") == ["up", "lost"]
    assert asked.text("q") == ""
    assert asked.moment("start") == NOW - 3600
    assert asked.text("cluster") == "red"


@pytest.mark.parametrize(
    ("query", "at_fault", "allowed"),
    [
        ([("limit", "0")], "limit", "a whole number from 1 to 20"),
        ([("limit", "-3")], "limit", "a whole number from 1 to 20"),
        ([("limit", "9" * 4999)], "limit", "a whole number from 1 to 20"),
        ([("limit", "1"), ("limit", "2")], "limit", ""),
        ([("state", "dead")], "state", "one of: up, lost"),
        ([("q", "x" * 257)], "q", "1 to 256 printable"),
        ([("q", "a\x1b[31m")], "q", "1 to 256 printable"),
        ([("start", "soon")], "start", "-6h"),
        ([("limits", "1")], "limits", "did you mean 'limit'?"),
        ([("cluster", "blue")], "cluster", "known"),
        ([("metric", "")], "metric", "1 to 256 printable"),
    ],
)
def test_a_bad_value_is_refused_naming_the_parameter_and_what_it_may_be(
    query: list[tuple[str, str]], at_fault: str, allowed: str
) -> None:
    parameters = [WHOLE, CHOICE, TEXT, START, NEEDED, PLACE]
    given = query if at_fault == "metric" else [("metric", "m"), *query]
    with pytest.raises(RefusedError) as told:
        read(parameters, given, {"cluster": "red"}, NOW)
    assert told.value.status == 400
    assert told.value.parameter == at_fault
    assert repr(at_fault) in str(told.value)
    assert allowed in told.value.hint


def test_a_parameter_that_is_needed_is_named() -> None:
    with pytest.raises(RefusedError, match="'metric' is missing"):
        read([NEEDED], [], {}, NOW)


def test_many_has_an_end() -> None:
    with pytest.raises(RefusedError, match="at most 1000 times"):
        read([CHOICE], [("state", "up")] * 1001, {}, NOW)


def test_where_no_parameter_is_known_none_is_suggested() -> None:
    with pytest.raises(RefusedError) as told:
        read([PLACE], [("x", "1")], {"cluster": "red"}, NOW)
    assert told.value.hint == ""


def test_what_is_missing_is_named_with_what_is_near() -> None:
    assert missing("node", "nod1", ["node1", "db"]).hint == "did you mean 'node1'?"
    assert missing("node", "x", ["node1", "db"]).hint == "these are known: db, node1"
    many = missing("node", "x", [f"node{n}" for n in range(100)])
    assert many.hint == "there are 100, such as 'node0'"
    assert missing("node", "x" * 500, []).hint == ""
    assert len(str(missing("node", "x" * 500, []))) < 100
