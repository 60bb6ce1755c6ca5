"""What is known of accounts, sessions, tokens and links: in memory to be read, and on disk.

Memory never has what the disk has not taken, and looking somebody up waits for nothing.
Without a store, or with one that cannot be read, nothing outlives the process.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from clsh.access.model import Account, Link, Session, Token, is_alive
from clsh.access.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clsh.access.model import Lengths
    from clsh.access.store import Record, Store

    Change = tuple[Sequence[Record], Sequence[Record]]
    """What goes, and what comes."""

_log = logging.getLogger(__name__)


class Holdings:
    """All records by their keys; the mappings are for reading alone."""

    def __init__(self, store: Store | None) -> None:
        self.accounts: dict[str, Account] = {}
        self.sessions: dict[bytes, Session] = {}
        self.tokens: dict[bytes, Token] = {}
        self.links: dict[bytes, Link] = {}
        self.about: dict[str, str] = {}
        self.trouble: StoreError | None = None
        self._store = store
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Read what there is; a file that cannot be used is told in `trouble`."""
        if self._store is None:
            return
        try:
            records, self.about = await self._store.open()
        except StoreError as error:
            _log.critical("%s: nobody can log in", error)
            self.trouble = error
        else:
            self._hold(records)

    async def change(self, decide: Callable[[], Change]) -> None:
        """Forget records and keep others, all or nothing; raises StoreError.

        `decide` says which when it is its turn: nobody else changes anything meanwhile, so
        that what was just revoked is not written back. What it raises is raised.
        """
        async with self._turn:
            if self.trouble:
                raise self.trouble
            gone, new = decide()
            if self._store and (gone or new):
                await self._store.swap(gone, new)
            for one in gone:
                self._forget(one)
            self._hold(new)

    async def swap(self, gone: Sequence[Record], *new: Record) -> None:
        """Forget some records and keep others, all or nothing; raises StoreError."""
        await self.change(lambda: (gone, new))

    async def say(self, key: str, value: str) -> None:
        """Keep a fact; raises StoreError."""
        if self.trouble:
            raise self.trouble
        if self._store:
            await self._store.say(key, value)
        self.about[key] = value

    def see(self, one: Session | Token) -> None:
        """Take note in memory that something was used; it is written some time later."""
        self._hold([one])

    def sessions_of(self, name: str) -> list[Session]:
        """Return the sessions of a user, the one used last first."""
        found = [one for one in self.sessions.values() if one.name == name]
        return sorted(found, key=lambda one: -one.used)

    def tokens_of(self, name: str) -> list[Token]:
        """Return the tokens of a user, the newest first."""
        found = [one for one in self.tokens.values() if one.name == name]
        return sorted(found, key=lambda one: -one.made)

    def all_of(self, name: str) -> list[Record]:
        """Return all that there is of a user."""
        account = self.accounts.get(name)
        found: list[Record] = [account] if account else []
        found += [*self.sessions_of(name), *self.tokens_of(name)]
        return [*found, *(one for one in self.links.values() if one.name == name)]

    def expired(self, lengths: Lengths, now: float) -> list[Record]:
        """Return what does not count any more."""
        return [
            *(one for one in self.sessions.values() if not is_alive(one, lengths, now)),
            *(one for one in self.tokens.values() if one.expires <= now),
            *(one for one in self.links.values() if one.expires <= now),
        ]

    async def close(self) -> None:
        """Close the file."""
        if self._store:
            await self._store.close()

    def _hold(self, records: Iterable[Record]) -> None:
        for one in records:
            match one:
                case Account():
                    self.accounts[one.name] = one
                case Session():
                    self.sessions[one.digest] = one
                case Token():
                    self.tokens[one.digest] = one
                case Link():
                    self.links[one.digest] = one

    def _forget(self, one: Record) -> None:
        match one:
            case Account():
                self.accounts.pop(one.name, None)
            case Session():
                self.sessions.pop(one.digest, None)
            case Token():
                self.tokens.pop(one.digest, None)
            case Link():
                self.links.pop(one.digest, None)
