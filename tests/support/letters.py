"""A teller for tests: keeps what it is told, refuses or hangs when it is told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsh.jobs.notices.notice import Message


class Letters:
    """See Teller. `fails` says why a receiver cannot be told now, `hangs` who never answers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Message]] = []
        self.fails: dict[str, str] = {}
        self.hangs: set[str] = set()
        self.tries = 0
        self.refused: dict[str, str] = {}

    def refusal(self, who: str) -> tuple[str, str]:
        return self.refused.get(who, ""), "name another"

    async def tell(self, who: str, message: Message) -> None:
        self.tries += 1
        if who in self.hangs:
            await asyncio.Event().wait()
        if who in self.fails:
            raise OSError(self.fails[who])
        self.told.append((who, message))

    def said(self) -> list[tuple[str, str, int | None, str]]:
        """Return receiver, event, task and state of all, in their order."""
        found = [(who, one.facts) for who, one in self.told]
        return [(who, facts.event, facts.task, facts.state) for who, facts in found]
