"""Leave the terminal at once, and let a child of ours go on with what is being killed.

Who presses Ctrl-C does not wait, and yet nothing may be left running on a node: a slow
link, or a machine with no time for us, takes longer than a person wants to. The child has
neither the terminal nor our standard streams, and is gone after a few seconds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import warnings
from asyncio import events
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from clsh.remote.fanout import FanOut
    from clsh.remote.transport import Transport

_KILLS_S = 5.0
_WHOLE_S = 10


async def leave(code: int, fan: FanOut, transport: Transport) -> NoReturn:
    """End this process with `code` now, and the killing in a child of it."""
    loop = asyncio.get_running_loop()
    if not _is_child():
        os._exit(code)
    events._set_running_loop(loop)  # noqa: SLF001 - a fork forgets it, and the loop must go on
    try:
        await fan.settle(_KILLS_S)
        await transport.aclose()
    finally:
        os._exit(code)


def _is_child() -> bool:
    try:
        with warnings.catch_warnings():
            # No thread of ours holds a lock that the child takes: it only sends and receives.
            warnings.simplefilter("ignore", DeprecationWarning)
            if os.fork():
                return False
    except OSError:  # no room for a process: then whoever stopped us waits
        return True
    os.setsid()
    signal.alarm(_WHOLE_S)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    return True
