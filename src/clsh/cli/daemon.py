"""Start the manager as a process of its own, and be that process.

Who starts it learns by a pipe that it really runs; a start that fails tells why on standard
error, and its exit status becomes ours. systemd learns the same by NOTIFY_SOCKET, spoken by
hand (sd_notify(3)).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError
from clsh.cli import render
from clsh.manager import sockets
from clsh.manager.state import Holder, Place

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, MutableMapping, Sequence
    from typing import NoReturn

_READY = "CLSH_READY_FD"
_NOTIFY = "NOTIFY_SOCKET"
_CANNOT_START = 127


def argv(place: Place) -> list[str]:
    """Return the words that run the manager of `place`."""
    words = [sys.executable, "-P", "-m", "clsh.cli.daemon", str(place.directory)]
    return [*words, str(place.socket), *(["demo"] if place.demo else [])]


def launch(
    words: Sequence[str], environ: Mapping[str, str], opened: Mapping[str, socket.socket]
) -> Holder:
    """Run `words` in the background until they say that the manager is ready.

    `opened` are handed over. Raises FailedStartError for a start that failed: the manager
    itself has said why.
    """
    environ = _without_supervisor(environ)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _become(words, environ, opened, writer)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        raise
    if said:
        return Holder(**json.loads(said))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    raise FailedStartError(code)


class FailedStartError(ClshError):
    """The manager did not start; unless a signal ended it, it has told why itself."""

    def __init__(self, code: int) -> None:
        told = f"the manager was ended by signal {-code} while it started" if code < 0 else ""
        super().__init__(told)
        self.told = code >= 0
        self.exit_code = code if code > 0 else 128 - code if code else 1


def become(
    words: Sequence[str], environ: Mapping[str, str], opened: Mapping[str, socket.socket]
) -> NoReturn:
    """Turn this process into `words`, with the sockets handed over."""
    variables = {**environ, **_handing(opened)}
    sockets.hand_over([one.fileno() for one in opened.values()])
    try:
        os.execvpe(words[0], list(words), variables)  # noqa: S606 - our own words
    except OSError as error:
        raise ClshError(f"cannot run {words[0]}: {error.strerror}") from error


def _become(
    words: Sequence[str],
    environ: Mapping[str, str],
    opened: Mapping[str, socket.socket],
    writer: int,
) -> NoReturn:
    """Be the child: no terminal, no input, no directory that it would hold busy."""
    try:
        os.setsid()
        os.chdir("/")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        ready = sockets.above(writer, len(opened))
        os.set_inheritable(ready, True)
        become(words, {**environ, _READY: str(ready)}, opened)
    except ClshError as error:
        render.fail(error, "cl")
    finally:
        os._exit(_CANNOT_START)


def _handing(opened: Mapping[str, socket.socket]) -> dict[str, str]:
    return {**sockets.names(opened), "LISTEN_PID": str(os.getpid())} if opened else {}


def _without_supervisor(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what another start left in it, paths made absolute."""
    left = {*sockets.VARIABLES, _NOTIFY, _READY}
    kept = {name: value for name, value in environ.items() if name not in left}
    if file := kept.get("CLSH_CONFIG"):
        kept["CLSH_CONFIG"] = str(Path(file).absolute())
    return kept


class Supervisor:
    """Who started this process and waits for word: a launcher of ours, systemd, or nobody."""

    def __init__(self, environ: MutableMapping[str, str], log: Path) -> None:
        ready = environ.pop(_READY, "")
        self._ready = int(ready) if ready.isdigit() else None
        self._notify = environ.pop(_NOTIFY, "")
        self._log = log
        if self._ready is not None:
            os.set_inheritable(self._ready, False)

    @property
    def in_background(self) -> bool:
        """Whether nobody looks at our standard error any more once we are ready."""
        return self._ready is not None

    def ready(self, holder: Holder) -> None:
        """Say that the manager runs."""
        self._tell(f"READY=1\nSTATUS={holder.address}\n")
        if self._ready is not None:
            self._leave_terminal()
            with contextlib.suppress(OSError):  # nobody waits any more
                os.write(
                    self._ready,
                    json.dumps({"pid": holder.pid, "address": holder.address}).encode(),
                )
            os.close(self._ready)

    def stopping(self) -> None:
        """Say that it ends."""
        self._tell("STOPPING=1\n")

    def _leave_terminal(self) -> None:
        """Send what the interpreter itself may still say, such as a crash, to the log."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            sink = os.open(self._log, flags, 0o600)
        except OSError:
            sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.close(sink)

    def _tell(self, text: str) -> None:
        if not self._notify:
            return
        import socket

        name = self._notify
        address = f"\0{name[1:]}" if name.startswith("@") else name
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.connect(address)
            peer.send(text.encode())


def serve(place: Place) -> int:
    """Be the manager of `place` until it is told to end; return the exit status."""
    from clsh.base import config, log
    from clsh.manager import service

    os.umask(0o077)
    supervisor = Supervisor(os.environ, place.log)
    opened = sockets.handed_over(os.environ)
    with service.held(place) as lock, log.writing(place.log if supervisor.in_background else None):
        service.run(
            service.Start(config.load(os.environ), place, lock, opened),
            ready=supervisor.ready,
            stopping=supervisor.stopping,
        )
    return 0


def main(words: Sequence[str]) -> int:
    """Be the manager that `argv` describes."""
    try:
        return serve(Place(Path(words[0]), Path(words[1]), demo=words[2:] == ["demo"]))
    except ClshError as error:
        return render.fail(error, "cl")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
