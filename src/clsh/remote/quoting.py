"""Turn argv, environment and scripts into one line for a login shell, whichever it is.

The quoting is read alike by sh, bash, zsh, fish and csh, because the login shell of the
remote user decides what it is read by. Pure; refuses NUL bytes, which no argument can hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A bare '=' would make an assignment (sh) or look up a command (zsh), '%' a job (fish).
_PLAIN = re.compile(r"[A-Za-z0-9_@+:,./-]+", re.ASCII)
# fish reads '\\' within single quotes as one backslash, an old csh replaces '!' there.
_APART = {"'": '"\'"', "\\": "\\\\", "!": "\\!"}
_PIECES = re.compile(r"(['\\!])")
_ENCODED = re.compile(r"[^ -~]|['\\!]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def _word(text: str) -> str:
    if "\0" in text:
        raise UsageError("a NUL byte cannot be passed to a command")
    if _PLAIN.fullmatch(text):
        return text
    pieces = (_APART.get(p) or f"'{p}'" for p in _PIECES.split(text) if p)
    return "".join(pieces) or "''"


def quote(argv: Sequence[str]) -> str:
    """Return the line by which a login shell runs exactly `argv`."""
    if any("\n" in word for word in argv):
        return in_sh('exec "$@"', *argv)
    return " ".join(map(_word, argv))


def in_sh(script: str, *args: str) -> str:
    """Return the line by which a login shell becomes `/bin/sh` running `script`.

    `args` are its `$1`, `$2` and so on. `script` is POSIX shell code.
    """
    if any("\n" in word for word in (script, *args)):
        # csh knows no quoting for a newline that sh would read alike, so it is encoded.
        text = f"set -- {' '.join(map(_word, args))}\n{script}"
        return in_sh('eval "$(printf %b "$1")"', _ENCODED.sub(_octal, text))
    return " ".join(["exec /bin/sh -c", _word(script), "sh", *map(_word, args)])


def _octal(found: re.Match[str]) -> str:
    return "".join(f"\\0{byte:03o}" for byte in found[0].encode(errors="surrogateescape"))


def with_environment(line: str, environment: Mapping[str, str]) -> str:
    """Return the line that runs `line` by the same login shell with variables set.

    The values can be seen in the node's process list, as those of `env` can. Raises
    UsageError for a name that is no variable's.
    """
    if not environment:
        return line
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise UsageError(
                f"bad variable name {name!r}", hint="letters, digits and '_', as in NAME=VALUE"
            )
    settings = " ".join(f"{name}={_word(value)}" for name, value in environment.items())
    become = 'set -- "${SHELL:-/bin/sh}" -c "$1"; '
    return in_sh(f'{become}export {settings}; exec "$@"', line)


def interpreter(content: bytes) -> tuple[str, ...]:
    """Return what a script is run by: its `#!` line as Linux reads it, else `/bin/sh`.

    The words after the interpreter are one argument. Raises UsageError for what is no
    script: a binary, or a `#!` line that ends as on Windows.
    """
    first = content[:4096].partition(b"\n")[0]
    if not first.startswith(b"#!"):
        if b"\0" in content[:4096]:
            raise UsageError("this is not a script", hint="bring a program over with --copy")
        return ("/bin/sh",)
    words = first[2:].decode(errors="surrogateescape").strip(" \t").split(maxsplit=1)
    if first.endswith(b"\r") or not words:
        raise UsageError(f"bad '#!' line {first!r}", hint="save the script with Unix line ends")
    return tuple(words)


# The script comes first on standard input, so that it is neither limited by the length of a
# command line nor seen in the process list. dd with count=1 reads at most what is asked for:
# what follows is left for the script itself. The file has no name any more while it is
# received and run, so that even KILL leaves nothing behind.
_RECEIVE = """\
_clsh_f=$(mktemp "${TMPDIR:-/tmp}/clsh.XXXXXXXX") || exit 1
exec 3<"$_clsh_f" 4>>"$_clsh_f" && rm -f "$_clsh_f" || exit 1
_clsh_n=$1; shift
while [ "$_clsh_n" -gt 0 ]; do
_clsh_b=65536; [ "$_clsh_n" -lt 65536 ] && _clsh_b=$_clsh_n
_clsh_g=$(dd bs="$_clsh_b" count=1 2>/dev/null | tee -a /dev/fd/4 | wc -c)
[ "$_clsh_g" -gt 0 ] || { echo "clsh: the script did not arrive whole" >&2; exit 1; }
_clsh_n=$((_clsh_n - _clsh_g))
done
exec 4>&-
exec "$@"
"""


def script_line(content: bytes, *args: str) -> str:
    """Return the line that runs the local script `content` on a node, with `args`.

    Send `content` first on the command's standard input, and what the script is to read
    right behind it; not for a command with a tty, which would change the bytes. The node
    keeps the script in an open file without a name and gives it to its interpreter as
    `/dev/fd/3`, so an interpreter that insists on a real path (node) does not take it.
    """
    program = (*interpreter(content), "/dev/fd/3", *args)
    return in_sh(_RECEIVE, str(len(content)), *program)


def sh_words(argv: Sequence[str]) -> str:
    """Return `argv` as words within a script of POSIX sh; only that reads newlines alike."""
    return " ".join(map(_word, argv))
