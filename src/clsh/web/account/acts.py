"""What the forms of the account page do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.access import passwords
from clsh.access.logins import WrongLoginError
from clsh.access.users import Users
from clsh.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.access.service import Access
    from clsh.web.who import Who


class Acts:
    """Each act is named by the field `do` of its form."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._users = Users(access)

    async def do(self, asker: Who, form: Mapping[str, str]) -> str:
        """Do what a form says; return the secret of a token that was made, else "".

        What is not there any more is all well. Raises UsageError for what is filled in wrongly.
        """
        act = form.get("do", "")
        if act == "make-token":
            return await self._make_token(asker, form)
        if act == "end-token":
            await self._end_token(asker, form.get("id", ""))
        elif act in {"end", "end-others"}:
            await self._end(asker, form.get("id", ""), others=act == "end-others")
        elif act == "password":
            await self._password(asker, form)
        else:
            raise UsageError("the form does not say what to do")
        return ""

    async def _make_token(self, asker: Who, form: Mapping[str, str]) -> str:
        days = form.get("days", "")
        if not (days.isascii() and days.isdigit() and len(days) < 6):
            raise UsageError("the days must be a whole number")
        title, scope = form.get("title", "").strip(), form.get("scope", "")
        secret, _ = await self._users.make_token(
            asker.known(), title, scope, int(days), asker.address
        )
        return secret

    async def _end_token(self, asker: Who, word: str) -> None:
        """End a token of mine: an administrator's page, too, is about their own."""
        user = asker.known()
        if any(one.id == word for one in self._access.holdings.tokens_of(user.name)):
            await self._users.remove_token(user, word, asker.address)

    async def _end(self, asker: Who, word: str, *, others: bool) -> None:
        user, here = asker.known(), self._access.session(asker.secret)
        for one in self._access.holdings.sessions_of(user.name):
            if one.id == word or (others and one != here):
                await self._access.end(user, one, asker.address)

    async def _password(self, asker: Who, form: Mapping[str, str]) -> None:
        user, new = asker.known(), form.get("new", "")
        if new != form.get("again", ""):
            raise UsageError("the two new passwords differ")
        if not passwords.SHORTEST <= len(new) <= passwords.LONGEST:
            raise UsageError(
                f"a password has {passwords.SHORTEST} to {passwords.LONGEST} characters"
            )
        try:
            await self._access.logins.check(user.name, form.get("old", ""), asker.address)
        except WrongLoginError:
            raise UsageError("the password until now is another one") from None
        here = self._access.session(asker.secret)
        await self._users.set_password(
            user, user.name, new, keep=here.digest if here else b"", address=asker.address
        )
