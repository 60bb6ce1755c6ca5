"""A process in the head of the demo cluster that runs the engine `remote`, and its client.

Lines of JSON go in and out: what is asked has a number, what is told by the engine has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsh.base.clock import SystemClock
from clsh.base.errors import ClshError
from clsh.demo import processes
from clsh.jobs.engine import EngineContext, Launch
from clsh.jobs.engines import remote
from clsh.jobs.model import Place, Request
from clsh.nodes.model import Node, node_name
from clsh.remote.pool import Pool
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import asyncssh

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from tests.support.demo import Demo


def launch(name: str, owner: str, request: Mapping[str, Any], places: Sequence[Any]) -> Launch:
    told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in request.items()}
    where = tuple(Place(node, ranks) for node, ranks in places)
    return Launch(name, owner, 7, 3, 1, Request(**told), where)


SENT = Path("/shared/sent")  # what was handed in, by its digest


class Driver:
    """An engine in a process of its own; end it as you like, attempts go on."""

    def __init__(self, demo: Demo, user: str, spool: str = "") -> None:
        self.told: dict[str, dict[str, Any]] = {}
        self._answers: dict[int, Any] = {}
        self._number = 0
        self._came = threading.Condition()
        argv = [sys.executable, "-m", "tests.support.attempts", user, spool, *demo.names]
        self.process = demo.popen(*argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes

    def send(self, verb: str, *args: Any) -> int:
        self._number += 1
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([self._number, verb, *args]) + "\n")
            self.process.stdin.flush()
        return self._number

    def answer(self, number: int, within_s: float = 40) -> Any:
        with self._came:
            came = self._came.wait_for(lambda: number in self._answers, within_s)
            assert came, f"no answer within {within_s} s"
            return self._answers.pop(number)

    def ask(self, verb: str, *args: Any) -> Any:
        return self.answer(self.send(verb, *args))

    def end_of(self, name: str, within_s: float = 40) -> dict[str, Any]:
        with self._came:
            assert self._came.wait_for(lambda: name in self.told, within_s), f"{name} did not end"
            return self.told[name]

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            number, what = json.loads(line)
            with self._came:
                if number is not None:
                    self._answers[number] = what
                elif what["phase"] not in {"running", "unknown"}:
                    self.told[what["id"]] = what
                self._came.notify_all()


def sleepers(demo: Demo, node: str, number: str) -> int:
    """Count the processes `sleep NUMBER` of a node."""
    found = demo.processes(node, "sleep")
    return sum(processes.words(one.pid)[1:] == [number] for one in found)


def until(true: Any, within_s: float = 40) -> None:
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends, f"not within {within_s} s"
        time.sleep(0.05)


def _say(number: int | None, what: object) -> None:
    sys.stdout.write(json.dumps([number, what]) + "\n")
    sys.stdout.flush()


async def _do(engine: remote.Remote, number: int, verb: str, args: list[Any]) -> None:
    try:
        if verb in {"ask", "forget"}:
            launches = [launch(*one) for one in args]
            if verb == "ask":
                _say(number, [asdict(one) for one in await engine.ask(launches)])
            else:
                await engine.forget(launches)
                _say(number, None)
        elif verb == "start":
            _say(number, asdict(await engine.start(launch(*args))))
        elif verb == "read":
            one, stream, offset, limit = args
            _say(number, (await engine.read(launch(*one), stream, offset, limit)).decode())
        elif verb == "cancel":
            await engine.cancel(launch(*args))
            _say(number, None)
        else:
            _say(number, [asdict(one) for one in engine.slots()])
    except ClshError as error:
        _say(number, {"error": str(error)})


def _sent(owner: str, digest: str) -> Path:
    return SENT / digest


async def _main(user: str, spool: str, names: list[str]) -> None:
    options = TransportOptions(keepalive_s=1)
    nodes = [Node(node_name(name), name, user=user) for name in names]
    pool = Pool(asyncssh.build(options))
    engine = remote.Remote(EngineContext(SystemClock(), nodes, pool, spool, sent=_sent))
    running = asyncio.create_task(engine.run(lambda report: _say(None, asdict(report))))
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        number, verb, *args = json.loads(line)
        task = asyncio.create_task(_do(engine, number, verb, args))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    running.cancel()
    await asyncio.wait([running])
    await pool.aclose()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], sys.argv[3:]))
