"""The reference page names every field with its options, and every sub-command."""

from __future__ import annotations

import re
from pathlib import Path

from clsh.base import plugins
from clsh.jobs.forms.fields import FIELDS

PAGE = (Path(__file__).parents[4] / "docs/reference/jobs.md").read_text(encoding="utf-8")
ROWS = PAGE.partition("## Fields")[2].partition("## Notices")[0].splitlines()


def test_the_page_has_every_field_and_no_other() -> None:
    cells = [row.split("|")[1] for row in ROWS if row.startswith("| `")]
    told = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert told == [field.name for field in FIELDS]


def test_the_page_has_the_options_of_every_field() -> None:
    rows = "\n".join(row for row in ROWS if row.startswith("| `"))
    for field in FIELDS:
        flags = field.flags.split()
        assert not flags or re.search(rf"`[^`]*{re.escape(flags[0])}[ `]", rows), field.name


def test_the_page_has_every_command() -> None:
    names = plugins.names("clsh.cli.job_commands")
    assert names == sorted(
        ["submit", "sub", "jobs", "job", "cancel", "hold", "release", "requeue", "queue"]
    )
    for name in names:
        assert re.search(rf"`cl [\w|]*\b{name}\b", PAGE), name
