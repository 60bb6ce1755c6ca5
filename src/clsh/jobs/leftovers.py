"""What nodes keep of jobs that are kept no longer: deleted after them, as nodes can be asked."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from clsh.base.errors import NodeError
from clsh.jobs.engine import Launch
from clsh.jobs.model import Place, Request, Task, attempt_id
from clsh.jobs.queue import gone

if TYPE_CHECKING:
    from clsh.base.clock import Clock
    from clsh.jobs.engine import Engine
    from clsh.jobs.queue import Queue
    from clsh.jobs.queue.gone import Gone

_NOTHING = Request(("true",))  # nobody starts it

_log = logging.getLogger(__name__)


async def sweep(engine: Engine, queue: Queue, clock: Clock) -> None:
    """Let nodes forget what is due; those that cannot be asked are asked again later.

    An attempt is noted in the queue until it is forgotten, so a death at any moment leaves none.
    Raises QueueError.
    """
    now = clock.unix()
    while found := await queue.ask(partial(gone.due, now=now)):
        try:
            await engine.forget([_launch(one) for one in found])
        except NodeError as error:
            _log.info("what is left on %s stays for now: %s", found[0].node or "nodes", error)
            await queue.change(partial(gone.put_off, gone=found, now=now))
        except Exception:  # noqa: BLE001 - a bug in an engine must not stop the queue
            _log.exception("the engine failed to forget attempts on %s", found[0].node)
            await queue.change(partial(gone.put_off, gone=found, now=now))
        else:
            await queue.change(partial(gone.settle, gone=found))


def _launch(one: Gone) -> Launch:
    task = Task(one.job, one.index, attempt=one.attempt)
    places = (Place(one.node),) if one.node else ()
    id_ = attempt_id(one.queue, task)
    return Launch(id_, one.owner, one.job, one.index, one.attempt, _NOTHING, places)
