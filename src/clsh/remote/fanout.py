"""Run one piece of work on many nodes at once, and end it on all of them when told to.

At most `window` nodes run at a time. A node that has not connected after 2 s lends its
place to the next one and waits for a place before its command starts, so dead and hung
nodes do not hold up the others and yet never more than `window` commands run. As many
places are lent as there are, no more. A command that hangs keeps its place: that a limit
(`timeout_s`) or keep-alive ends. What to do when is decided by `clsh.remote.stopping`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from clsh.base.errors import (
    ClshError,
    DeadlineError,
    NodeError,
    NodeLostError,
    UnreachableError,
    UsageError,
)
from clsh.remote.stopping import decide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from clsh.nodes.model import Node
    from clsh.remote.stopping import Event, Order, Phase
    from clsh.remote.transport import Exit, Session, Sink, Transport

    Work = Callable[[Session, Sink], Awaitable[Exit]]

Verdict = Literal["timeout", "stopped"]
State = Literal["done", "lost", "unreachable", "timeout", "stopped", "failed"]

LEND_S = 2.0
"""A node that connects for longer lends its place in the window."""
KILL_S = 2.0
"""From TERM to KILL."""
GIVE_UP_S = 0.25
"""A run that is killed is over by then, whether a node's session has ended or not."""
CLOSE_S = 1.0
"""How long the last sessions may take to close, all together."""
CLOSE_HURRIED_S = 0.05
"""The same in a run that was ended by a key press and may leave its kills to `settle`."""

_STATES: tuple[tuple[type[BaseException], State], ...] = (
    (NodeLostError, "lost"),
    (UnreachableError, "unreachable"),
    (DeadlineError, "timeout"),
    (asyncio.CancelledError, "stopped"),
)
_CODES: dict[State, int] = {"lost": 12, "unreachable": 13, "timeout": 124}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work on one node ended, after how many seconds since it began to connect.

    `stopped` was ended, or never begun (then `seconds` is 0), because the run was stopped;
    `failed` is our side's failure for this node (a full disk under --out, no sudo). `exit`
    is there when the end of the command is known, `reason` and `hint` when it is not `done`.
    """

    node: Node
    state: State
    exit: Exit | None = None
    seconds: float = 0.0
    reason: str = ""
    hint: str = ""

    @property
    def code(self) -> int:
        """The node's share of the exit status: 0 is all well."""
        if self.state == "done" and self.exit is not None:
            return self.exit.code
        return _CODES.get(self.state, 1)


class Observer(Protocol):
    """Who is told what happens, in the event loop; must not block it."""

    def opened(self, node: Node) -> Sink:
        """Take note that the command starts, and return where its output goes.

        An OSError or ClshError fails this node alone.
        """
        ...

    def ended(self, outcome: Outcome) -> None:
        """Take the outcome of a node: exactly once for each, also when it never opened."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run goes. With `batch`, the next so many nodes begin `delay_s` after all of the
    batch before them have ended; within a batch the window holds. `timeout_s` is for the
    command, from its start. `grace_s` is what a first TERM leaves running commands."""

    window: int = 64
    connect_timeout_s: float = 10
    timeout_s: float | None = None
    batch: int | None = None
    delay_s: float = 0
    on_lost: Literal["continue", "stop"] = "continue"
    grace_s: float = 30

    def __post_init__(self) -> None:
        if self.window < 1 or (self.batch is not None and self.batch < 1):
            raise UsageError("the window and a batch have room for 1 node or more")


@dataclass(slots=True, eq=False)
class _Run:
    """One node at work. `verdict` is why it was made to end, None while it was not."""

    index: int
    node: Node
    began: float
    task: asyncio.Task[Exit] | None = None
    session: Session | None = None
    working: bool = False
    has_place: bool = True
    place: asyncio.Future[None] | None = None
    verdict: Verdict | None = None
    reason: str = ""
    cancelled: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list[asyncio.TimerHandle])


class FanOut:
    """One run over many nodes; not to be used again. Lives in one event loop.

    One that `lingers` does not wait for the killing when it was stopped `now`: who runs it
    looks at `unsettled` and calls `settle` before closing the transport.
    """

    def __init__(
        self, transport: Transport, plan: Plan, observer: Observer, *, lingers: bool = False
    ) -> None:
        self._lingers = lingers
        self._transport = transport
        self._plan = plan
        self._observer = observer
        self._phase: Phase = "running"
        self._hurried = False
        self._outcomes: dict[int, Outcome] = {}
        self._waiting: deque[tuple[int, Node]] = deque()
        self._active: dict[int, _Run] = {}
        self._returning: deque[_Run] = deque()
        self._taken = 0
        self._batch_left = plan.batch
        self._timers: list[asyncio.TimerHandle] = []
        self._working: set[asyncio.Task[Exit]] = set()
        self._signals: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self._bug: Exception | None = None

    async def run(self, nodes: Sequence[Node], work: Work) -> list[Outcome]:
        """Do `work` on each node and return the outcomes in the order of `nodes`.

        A cancel stops everything as `stop("now")` does. What is no failure of a node (an
        exception that is neither a ClshError nor an OSError, or any of the observer's
        `ended`) stops the run and is raised.
        """
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._work = work
        self._waiting.extend(enumerate(nodes))
        if self._phase != "running":
            self._hold()
        self._start_more()
        self._look_whether_over()
        try:
            await asyncio.shield(self._over)
        except asyncio.CancelledError:
            self.stop("now")
            await self._over
            raise
        finally:
            await self._close()
        if self._bug is not None:
            raise self._bug
        return [self._outcomes[index] for index in range(len(nodes))]

    def stop(self, how: Literal["finish", "now"]) -> None:
        """Let running commands finish within the grace (TERM), or end all at once (INT).

        A second `finish` is `now`. Before `run`, that one starts nothing.
        """
        self._tell(how)

    # Orders of the table in stopping.py.

    def _tell(self, event: Event) -> None:
        self._hurried |= event == "now"
        self._phase, orders = decide(self._phase, event)
        for order in orders:
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        runs = list(self._active.values())
        match order:
            case "hold":
                self._hold()
            case "time grace" if runs:
                self._tell_later(self._plan.grace_s, "grace over")
            case "terminate":
                for run in runs:
                    self._terminate(run, "stopped")
            case "time kill" if runs:
                self._tell_later(KILL_S, "kill over")
            case "kill" if runs:
                for run in runs:
                    self._kill(run, "stopped")
                self._timers.append(self._loop.call_later(GIVE_UP_S, self._give_up))
            case _:  # a clock for nothing that runs
                pass

    def _tell_later(self, seconds: float, event: Event) -> None:
        self._timers.append(self._loop.call_later(seconds, self._tell, event))

    def _hold(self) -> None:
        for run in list(self._active.values()):
            if not run.working:
                self._kill(run, "stopped")
        while self._waiting:
            index, node = self._waiting.popleft()
            self._settle(index, Outcome(node, "stopped"))

    def _give_up(self) -> None:
        for index, run in list(self._active.items()):
            del self._active[index]
            seconds = self._loop.time() - run.began
            self._settle(index, Outcome(run.node, "stopped", seconds=seconds))

    # Places in the window, and batches: who may start.

    def _start_more(self) -> None:
        if self._batch_left == 0 and not self._active and self._waiting:
            self._timers.append(self._loop.call_later(self._plan.delay_s, self._next_batch))
        while self._waiting and self._taken < self._plan.window and self._batch_left != 0:
            if self._batch_left is not None:
                self._batch_left -= 1
            self._start(*self._waiting.popleft())

    def _next_batch(self) -> None:
        self._batch_left = self._plan.batch
        self._start_more()

    def _start(self, index: int, node: Node) -> None:
        run = _Run(index, node, self._loop.time())
        self._active[index] = run
        self._taken += 1
        if self._waiting:
            run.timers.append(self._loop.call_later(LEND_S, self._lend, run))
        run.task = self._loop.create_task(self._one(run))
        self._working.add(run.task)
        run.task.add_done_callback(lambda task: self._ended(run, task))

    def _lend(self, run: _Run) -> None:
        lent = sum(not other.has_place for other in self._active.values())
        if not run.working and lent < self._plan.window:
            self._give_back(run)

    def _give_back(self, run: _Run) -> None:
        if run.has_place:
            run.has_place = False
            self._taken -= 1
        while self._returning and self._taken < self._plan.window:
            waiter = self._returning.popleft()
            if waiter.place is not None and not waiter.place.done():
                self._taken += 1
                waiter.has_place = True
                waiter.place.set_result(None)
        self._start_more()

    async def _take_place(self, run: _Run) -> None:
        if self._taken < self._plan.window:
            self._taken += 1
            run.has_place = True
            return
        run.place = self._loop.create_future()
        self._returning.append(run)
        await run.place

    # One node.

    async def _one(self, run: _Run) -> Exit:
        run.session = await self._transport.open(run.node, self._plan.connect_timeout_s)
        if not run.has_place:
            await self._take_place(run)
        run.working = True
        sink = self._observer.opened(run.node)
        if self._plan.timeout_s is not None:
            run.timers.append(self._loop.call_later(self._plan.timeout_s, self._time_out, run))
        return await self._work(run.session, sink)

    def _time_out(self, run: _Run) -> None:
        run.reason = f"no end after {self._plan.timeout_s:g} s"
        self._terminate(run, "timeout")
        run.timers.append(self._loop.call_later(KILL_S, self._kill, run, "timeout"))

    def _terminate(self, run: _Run, verdict: Verdict) -> None:
        run.verdict = run.verdict or verdict
        if run.session is not None:
            self._spawn(self._signals, run.session.signal("TERM"))

    def _kill(self, run: _Run, verdict: Verdict) -> None:
        run.verdict = run.verdict or verdict
        # Once only: a second cancel would break off the killing that the first one does.
        if run.task is not None and not run.cancelled:
            run.cancelled = True
            run.task.cancel()

    def _ended(self, run: _Run, task: asyncio.Task[Exit]) -> None:
        self._working.discard(task)
        for timer in run.timers:
            timer.cancel()
        if run.session is not None:
            self._spawn(self._closings, run.session.aclose())
        if self._active.pop(run.index, None) is None:
            return
        error: BaseException | None = asyncio.CancelledError()
        if not task.cancelled():
            error = task.exception()
        exit_ = task.result() if error is None else None
        outcome = _judged(run, exit_, error, self._loop.time() - run.began)
        if isinstance(error, Exception) and not isinstance(error, ClshError | OSError):
            self._found(error)
        self._settle(run.index, outcome)
        if outcome.state == "lost" and self._plan.on_lost == "stop":
            self._tell("lost")
        self._give_back(run)

    # The end.

    def _settle(self, index: int, outcome: Outcome) -> None:
        self._outcomes[index] = outcome
        try:
            self._observer.ended(outcome)
        except Exception as bug:  # noqa: BLE001  # `run` raises it, when all has been stopped
            self._found(bug)
        self._look_whether_over()

    def _found(self, bug: Exception) -> None:
        if self._bug is None:
            self._bug = bug
            self._loop.call_soon(self._tell, "now")

    def _look_whether_over(self) -> None:
        if not self._waiting and not self._active and not self._over.done():
            self._over.set_result(None)

    def _spawn(
        self, tasks: set[asyncio.Task[None]], doing: Coroutine[object, object, None]
    ) -> None:
        task = self._loop.create_task(doing)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._lingers and self._hurried:
            await self._wait(CLOSE_HURRIED_S)
        else:
            await self.settle(CLOSE_S)

    @property
    def unsettled(self) -> bool:
        """Whether something is still being killed."""
        return bool(self._working or self._closings or self._signals)

    async def settle(self, limit_s: float) -> None:
        """Wait until all is killed and closed, and after `limit_s` drop what is not."""
        await self._wait(limit_s)
        for task in self._working | self._closings | self._signals:
            task.cancel()

    async def _wait(self, limit_s: float) -> None:
        over = self._loop.time() + limit_s
        while self.unsettled and (left_s := over - self._loop.time()) > 0:
            # What has ended is closed next: a task of that comes only then.
            tasks = self._working | self._closings | self._signals
            await asyncio.wait(tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)


def _judged(run: _Run, exit_: Exit | None, error: BaseException | None, seconds: float) -> Outcome:
    """Tell how a node's work ended: by itself, by our verdict, or by an error."""
    state: State = run.verdict or "done"
    reason, hint = run.reason, ""
    if run.verdict is None and error is not None:
        state = _state(error)
        reason = _reason(error)
        hint = error.hint if isinstance(error, ClshError) else ""
    return Outcome(run.node, state, exit_, seconds, reason, hint)


def _state(error: BaseException) -> State:
    for kind, state in _STATES:
        if isinstance(error, kind):
            return state
    return "failed"


def _reason(error: BaseException) -> str:
    match error:
        case NodeError():
            return error.reason
        case ClshError():
            return str(error)
        case OSError(strerror=str(why)):
            return f"{why}: {error.filename}" if error.filename else why
        case _:
            return str(error) or type(error).__name__
