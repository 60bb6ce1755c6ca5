"""One thing that was looked at, and what to do when it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about `where`: `manager`, or a set of nodes with the same finding.

    `bad` keeps something from working, a `note` is worth knowing; `mend` is a command, or
    words where no command does it.
    """

    where: str
    grade: Grade
    text: str
    mend: str = ""
