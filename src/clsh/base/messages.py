"""Messages in the user's language: `tr` looks one up, English being the key.

The language is that of LC_ALL, LC_MESSAGES or LANG, the first that is set (POSIX).
Catalogues are `clsh/locale/LANGUAGE/LC_MESSAGES/clsh.mo`; for English nothing is loaded.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def language() -> str:
    """Return the language code of the locale, `en` when there is none."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            code = value.partition(".")[0].partition("@")[0]
            return "en" if code in {"C", "POSIX"} else code
    return "en"


@functools.cache
def translator(code: str) -> Callable[[str], str]:
    """Return what turns an English message into the language of `code` (`ko`, `zh_CN`)."""
    if code.startswith("en"):
        return str
    import gettext

    directory = Path(__file__).parents[1] / "locale"
    return gettext.translation("clsh", directory, [code], fallback=True).gettext


def tr(message: str, /, **values: object) -> str:
    """Return `message` in the user's language, with `{name}` fields filled in."""
    text = translator(language())(message)
    return text.format(**values) if values else text
