"""Real servers that take what is sent: HTTP requests and mail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Hooks(ThreadingHTTPServer):
    """Keeps the JSON of each POST; answers the statuses of `answers`, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.answers: list[int] = []
        super().__init__(("127.0.0.1", 0), _Hook)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Hook(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append(json.loads(body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Mailbox:
    """An SMTP server that takes all mail, with STARTTLS when it has a certificate."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.letters: list[str] = []
        self.logins: list[str] = []
        self.encrypted: list[bool] = []
        self.port = 0
        self._tls = tls

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = self._tls

        def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())

        say("220 here")
        while line := (await reader.readline()).decode().strip():
            word = line.split()[0].upper()
            if word == "EHLO":
                say(f"250-here\r\n250 {'STARTTLS' if tls else 'AUTH PLAIN'}")
            elif word == "STARTTLS":
                say("220 go")
                await writer.start_tls(tls)  # type: ignore[arg-type]  # only then it is offered
                tls = None
                self.encrypted.append(True)
            elif word == "AUTH":
                self.logins.append(line)
                say("235 yes")
            elif word == "DATA":
                say("354 go on")
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.letters.append(text)
                say("250 taken")
            elif word == "QUIT":
                say("221 bye")
                await writer.drain()
                return
            else:
                say("250 ok")


@contextlib.asynccontextmanager
async def mailbox(tls: ssl.SSLContext | None = None) -> AsyncIterator[Mailbox]:
    box = Mailbox(tls)
    async with await asyncio.start_server(box.serve, "127.0.0.1", 0) as server:
        box.port = server.sockets[0].getsockname()[1]
        yield box


class Grumpy(Mailbox):
    """Answers `answer` to the command `at` ("": as its greeting); None: it hangs up there."""

    def __init__(self, at: str, answer: str | None) -> None:
        super().__init__()
        self.at = at
        self.answer = answer
        self.asked = 0

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        word = ""
        while True:
            answer = self.answer if word == self.at else _USUAL.get(word, "250 ok")
            if answer is None:
                return
            writer.write(f"{answer}\r\n".encode())
            if answer == _USUAL["DATA"]:
                self.letters.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                word = "."
            elif line := (await reader.readline()).decode().split():
                word = line[0].upper()
            else:
                return


_USUAL = {
    "": "220 here",
    "EHLO": "250-here\r\n250 AUTH PLAIN",
    "AUTH": "235 yes",
    "DATA": "354 go on",
    "QUIT": "221 bye",
}


@contextlib.asynccontextmanager
async def grumpy(at: str, answer: str | None) -> AsyncIterator[Grumpy]:
    box = Grumpy(at, answer)
    async with await asyncio.start_server(box.serve, "127.0.0.1", 0) as server:
        box.port = server.sockets[0].getsockname()[1]
        yield box
