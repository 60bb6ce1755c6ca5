"""Passwords: who may try, who is let in; a wrong one costs nobody else anything.

An unknown name, a wrong password and an account that is closed are answered alike, and after
the same time. A try is counted before it is made, so that many at once are not more.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from clsh.access import passwords
from clsh.access.attempts import Attempts, network
from clsh.access.pool import Pool
from clsh.base.errors import ClshError, NotAllowedError, UsageError
from clsh.base.users import login_name

if TYPE_CHECKING:
    from collections.abc import Generator

    from clsh.access.holdings import Holdings
    from clsh.base.clock import Clock

_AT_ONCE = 2  # checks for one address
_WITHIN_S = 20.0
_ALIKE_S = 1.5


class WrongLoginError(NotAllowedError):
    """The name or the password is wrong."""


class TooOftenError(ClshError):
    """Too many wrong passwords were tried; `wait_s` is how long to wait."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many tries: wait {wait_s} s")
        self.wait_s = wait_s


class Checker(Protocol):
    """What knows passwords that we do not: PAM."""

    def check(self, name: str, password: str, address: str) -> str | None:
        """Return the login name of who is let in, None for everybody else.

        Blocks, and is called in threads. Raises ClshError when it cannot tell.
        """
        ...


class Logins:
    """Checks passwords of local users and, where there is no such user, by `checker`."""

    def __init__(
        self,
        holdings: Holdings,
        clock: Clock,
        checker: Checker | None,
        *,
        alike_s: float = _ALIKE_S,
    ) -> None:
        self._holdings = holdings
        self._clock = clock
        self._checker = checker
        self._alike_s = alike_s
        self.ways = "PAM, local users" if checker else "local users"
        self._attempts = Attempts()
        self._running: dict[str, int] = {}
        self._slow = Pool("pam", 4)
        self._busy = Pool("argon2", 2)

    async def check(self, name: str, password: str, address: str) -> str:
        """Return the login name of who is let in; raises WrongLoginError, TooOftenError.

        Raises another ClshError when it cannot be told whether the password is right.
        """
        attempts, steady = self._attempts, self._clock.steady
        if wait_s := attempts.wait_s(name[:64], address, steady()):
            raise TooOftenError(wait_s)
        with self._one_more(network(address)):
            attempts.take(name[:64], address, steady())
            begun = asyncio.get_running_loop().time()
            known = await self._known(name, password, address)
        if known is not None:
            attempts.give_back(name[:64], address, steady())
            return known
        await asyncio.sleep(begun + self._alike_s - asyncio.get_running_loop().time())
        raise WrongLoginError

    async def hashed(self, password: str) -> str:
        """Return what is kept of a new password; raises UsageError for one that cannot be used."""
        return await self._busy.call(lambda: passwords.hashed(password), _WITHIN_S)

    def end(self) -> None:
        """Let the threads end."""
        self._slow.end()
        self._busy.end()

    async def _known(self, name: str, password: str, address: str) -> str | None:
        try:
            login_name(name)
        except UsageError:
            return None
        account = self._holdings.accounts.get(name)
        checker = self._checker
        try:
            if account is None and checker is not None:
                return await self._slow.call(
                    lambda: checker.check(name, password, address), _WITHIN_S
                )
            kept = account.password if account else ""
            right = await self._busy.call(lambda: passwords.matches(kept, password), _WITHIN_S)
        except TimeoutError:
            raise ClshError(
                "passwords cannot be checked now", hint="try again; the manager's log says more"
            ) from None
        return name if right else None

    @contextmanager
    def _one_more(self, address: str) -> Generator[None]:
        if self._running.get(address, 0) >= _AT_ONCE:
            raise TooOftenError(1)
        self._running[address] = self._running.get(address, 0) + 1
        try:
            yield
        finally:
            self._running[address] -= 1
            if not self._running[address]:
                del self._running[address]
