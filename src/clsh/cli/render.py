"""The only file that prints: a line of data, a line of talk, an error with its hint.

The output of nodes does not come this way (see `clsh.cli.output.console`): it is bytes, it is much,
and a reader who does not read must not hold up the event loop.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    from clsh.base.errors import ClshError


def say(text: str) -> None:
    """Print one line of data to stdout; raises BrokenPipeError when nobody reads."""
    print(_printable(text, sys.stdout.encoding), flush=True)


def put(data: bytes, *, error: bool = False) -> None:
    """Write bytes as they are to stdout, or stderr; raises BrokenPipeError when nobody reads."""
    stream = sys.stderr if error else sys.stdout
    stream.buffer.write(data)
    stream.flush()


def talk(text: str) -> None:
    """Print one line for a person to stderr; a closed stderr is not an error."""
    with contextlib.suppress(OSError, ValueError):
        print(_printable(text, sys.stderr.encoding), file=sys.stderr, flush=True)


def fail(error: ClshError, program: str = "clsh") -> int:
    """Print what failed and what to do next; return the exit code."""
    talk(f"{program}: {tr(str(error))}")
    if error.hint:
        talk(f"  {tr(error.hint)}")
    return error.exit_code


def _printable(text: str, encoding: str) -> str:
    """Return `text` with what the stream's encoding lacks written as `\\xNN`."""
    return text.encode(encoding, "backslashreplace").decode(encoding)
