"""What a node sent, made safe for the terminal of the person who reads it.

Kept are text, tab, newline and colours (SGR). Everything else that a terminal acts upon is
taken out: it could move the cursor over a label, rename the window, write the clipboard, or
make the terminal type an answer. Files and pipes never pass here; they get the raw bytes.

Whole lines go in, so a sequence that was split on its way is whole again here, and nothing
that a line begins can reach into the next one. Working on decoded text matters: taking a
byte out of `C2 07 9B` would make the very control character (CSI) that has to go.
"""

from __future__ import annotations

import re

RESET = "\x1b[0m"

_BYTE = "\udc80-\udc9f"  # a byte 80 to 9F outside of UTF-8, as surrogateescape spells it
_ACTS = re.compile(
    r"(?P<colour>\x1b\[[0-9;:]{0,64}m)"
    # OSC, DCS, SOS, PM, APC: a string up to BEL or ST, at most to the end of the line
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]?"  # CSI
    r"|\x1b[\x20-\x2f]*[\x30-\x7e]?"  # every other escape
    rf"|[\x00-\x08\x0b-\x1f\x7f-\x9f{_BYTE}]"
)
_PLAIN = bytes([9, 10, *range(32, 127)])


def clean(data: bytes) -> bytes:
    """Return whole lines of `data` as a UTF-8 terminal may have them.

    A carriage return ends a line, as the newline it may stand before: what follows it gets
    a label of its own instead of overwriting the one that is there. A line that sets a
    colour ends with a reset.
    """
    if not data.translate(None, _PLAIN):
        return data
    text = data.decode("utf-8", "surrogateescape")
    if "\r" in text:
        text = re.sub(r"\r+\n?", "\n", text)
    text = _ACTS.sub(lambda found: found["colour"] or "", text)
    if "\x1b" in text:
        text = re.sub(r"[^\n]*\x1b[^\n]*", lambda line: line[0] + RESET, text)
    return text.encode("utf-8", "surrogateescape")
