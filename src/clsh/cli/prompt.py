"""Where the interactive mode gets its lines from: a terminal with history, or plain input.

prompt_toolkit is imported only for a terminal. Plain input is echoed behind the prompt, so
that what a script gets reads as what a person would see.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from clsh.cli.output.console import Console

    Write = Callable[[], Awaitable[None]]

_COMMAND = re.compile(r"(?:^(?:!|@\S+\s)?|[|;&])\s*([\w.+-]*)$")
_NODES = re.compile(r"^(?:@|:only\s+)(?:\S*,)?([\w.:%-]*)$")
_WORD = re.compile(r"([^\s,]+)$")


class Prompt(Protocol):
    """Asks for lines."""

    async def read(self, prompt: str) -> str | None:
        """Return the next line without its newline, None at the end of the input."""
        ...

    def interrupt(self) -> None:
        """Clear the line that is being typed."""
        ...

    async def show(self, write: Write) -> None:
        """Let `write` write to the screen although a line is being typed."""
        ...


class PlainPrompt:
    """Lines of a file or pipe, read by a thread: a read may wait for ever."""

    def __init__(self, console: Console, fd: int, *, echo: bool) -> None:
        self._console = console
        self._fd = fd
        self._echo = echo
        self._prompt = b""
        self._rest = b""

    async def read(self, prompt: str) -> str | None:
        """See Prompt; a last line without a newline counts."""
        self._prompt = prompt.encode()
        self._console.text("stdout", self._prompt)
        loop = asyncio.get_running_loop()
        line: asyncio.Future[bytes | None] = loop.create_future()

        def give(found: bytes | None) -> None:
            if not line.done():
                line.set_result(found)

        def work() -> None:
            found = self._next()
            if not loop.is_closed():
                loop.call_soon_threadsafe(give, found)

        threading.Thread(target=work, name="clsh-stdin", daemon=True).start()
        text = await line
        if self._echo or text is None:
            self._console.text("stdout", (text or b"") + b"\n")
        return None if text is None else text.decode("utf-8", "surrogateescape")

    def interrupt(self) -> None:
        """See Prompt; what was typed is the terminal's to drop."""
        self._console.text("stdout", b"\n" + self._prompt)

    async def show(self, write: Write) -> None:
        """See Prompt."""
        await write()

    def _next(self) -> bytes | None:
        while b"\n" not in self._rest:
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                data = b""
            if not data:
                last, self._rest = self._rest, b""
                return last or None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def terminal_prompt(history: Path, nodes: Callable[[], Sequence[str]]) -> Prompt:
    """Return a prompt with editing, completion, and a history of the user's own."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import in_terminal
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    if TYPE_CHECKING:
        from collections.abc import Iterable

        from prompt_toolkit.completion import CompleteEvent
        from prompt_toolkit.document import Document

    class Complete(Completer):
        def get_completions(
            self, document: Document, complete_event: CompleteEvent
        ) -> Iterable[Completion]:
            del complete_event
            begun, found = completions(document.text_before_cursor, nodes(), programs)
            return [Completion(word, start_position=-len(begun)) for word in found]

    session: PromptSession[str] = PromptSession(
        history=FileHistory(history) if make_private(history) else InMemoryHistory(),
        completer=Complete(),
        complete_in_thread=True,
        complete_while_typing=False,
        enable_history_search=True,
    )

    class TerminalPrompt:
        async def read(self, prompt: str) -> str | None:
            try:
                return await session.prompt_async(prompt, handle_sigint=False)
            except KeyboardInterrupt:
                return ""
            except EOFError:
                return None

        def interrupt(self) -> None:
            if session.app.is_running and not session.app.is_done:
                session.app.exit(exception=KeyboardInterrupt)

        async def show(self, write: Write) -> None:
            if not session.app.is_running:
                await write()
                return
            async with in_terminal():
                await write()

    return TerminalPrompt()


def make_private(file: Path) -> bool:
    """Make `file` if need be, with mode 0600; return whether it can be written to."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(fd, 0o600)
        finally:
            os.close(fd)
    except OSError:
        return False
    return True


WORDS = (":help", ":nodes", ":only", ":all", ":fold", ":status", ":reconnect")


def completions(
    before: str, nodes: Sequence[str], commands: Callable[[], Sequence[str]]
) -> tuple[str, list[str]]:
    """Return the word that `before` ends with, and what it may become.

    That is a command where one begins, a word of ours after `:`, else a node's name.
    """
    offered: Sequence[str] = nodes
    if before.startswith(":") and " " not in before:
        begun, offered = before, WORDS
    elif before.startswith(":fold "):
        begun, offered = before.partition(" ")[2], ("on", "off")
    elif found := _NODES.search(before):
        begun = found[1]
    elif found := _COMMAND.search(before):
        begun, offered = found[1], commands()
    else:
        found = _WORD.search(before)
        begun = found[1] if found else ""
    if not begun and not before.startswith((":", "@")):
        return begun, []
    return begun, sorted({word for word in offered if word.startswith(begun)})


def programs() -> list[str]:
    """Return the programs on this machine's PATH; it reads directories."""
    found = {"exit", "quit", "cd", "export", "umask"}
    for folder in os.get_exec_path():
        try:
            with os.scandir(folder) as entries:
                found.update(entry.name for entry in entries)
        except OSError:
            continue
    return sorted(found)
