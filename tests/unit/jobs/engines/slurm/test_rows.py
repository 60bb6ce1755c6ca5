"""No field of the form is without a word on what becomes of it in Slurm."""

from __future__ import annotations

import pytest

from clsh.jobs.engines._slurm import options
from clsh.jobs.forms.fields import FIELDS
from clsh.jobs.model import Request
from tests.support.slurm_rows import ROWS


def test_every_field_has_a_row() -> None:
    assert list(ROWS) == [one.name for one in FIELDS]
    for name, row in ROWS.items():
        assert row.shows or row.ours, name


@pytest.mark.parametrize("name", ROWS)
def test_what_has_no_equivalent_is_said_before(name: str) -> None:
    row = ROWS[name]
    assert options.complaints(Request(("true",), **row.fields)) == []
    for fields, words in row.refused:
        (said,) = options.complaints(Request(("true",), **fields))
        assert words in said
