"""Passwords: asked for once on the terminal, or read from a file that is its owner's alone.

They are kept in memory and go over the connection; never into an argv or a variable.
"""

from __future__ import annotations

import os
import stat

from clsh.base.errors import ClshError, UsageError

_LONGEST = 4096


def ask(prompt: str) -> str | None:
    """Return what a person types unseen; None when there is no terminal to ask on."""
    import getpass

    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return None
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise UsageError("no password was given") from None


def from_file(name: str) -> str:
    """Return the first line of a file; raises ClshError when others may read or change it."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read password file '{name}': {error.strerror}") from error
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
            raise ClshError(
                f"others may read or change password file '{name}'",
                hint=f"chmod 600 {name}",
            )
        if status.st_uid not in {os.geteuid(), 0}:
            raise ClshError(f"password file '{name}' belongs to somebody else")
        line = (file.read(_LONGEST) or b"").partition(b"\n")[0].rstrip(b"\r")
    if not line:
        raise UsageError(f"password file '{name}' has no password in its first line")
    return line.decode("utf-8", "surrogateescape")
