"""Which keys a terminal's bytes stand for. Pure."""

from __future__ import annotations

import re

_SEQUENCES = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end",
    "1~": "home", "7~": "home", "4~": "end", "8~": "end", "5~": "page-up", "6~": "page-down",
}  # fmt: skip
_CONTROLS = {
    "\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\x08": "backspace",
    "\x0c": "ctrl-l", "\x1b": "escape",
}  # fmt: skip
_KEY = re.compile(r"\x1b[\[O](?P<sequence>[0-9;]*[A-Za-z~])|(?P<one>.)", re.DOTALL)
_BEGUN = re.compile(r"\x1b([\[O][0-9;]*)?\Z")


def decode(data: bytes) -> list[str]:
    """Return the keys in order: a letter as itself, others by name, those of no use left out."""
    found: list[str] = []
    for match in _KEY.finditer(data.decode("utf-8", "ignore")):
        if match["sequence"]:
            key = _SEQUENCES.get(match["sequence"], "")
        else:
            key = _CONTROLS.get(match["one"], match["one"] if match["one"].isprintable() else "")
        if key:
            found.append(key)
    return found


def is_begun(data: bytes) -> bool:
    """Tell whether the rest of a key may still be on its way; Escape alone looks so as well."""
    if _BEGUN.search(data.decode("utf-8", "ignore")):
        return True
    tail = data[-3:]
    lead = next((at for at in range(len(tail) - 1, -1, -1) if tail[at] >= 0xC0), None)
    if lead is None:
        return False
    wanted = 2 + (tail[lead] >= 0xE0) + (tail[lead] >= 0xF0)
    return len(tail) - lead < wanted
