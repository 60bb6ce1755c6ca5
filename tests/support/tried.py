"""The whole as a person has it: a demo, its manager, and people who log in at its page.

    def test_x(tried):
        alice = tried.visitor("alice")          # a browser's session; alice.token is a program's
        number = alice.submit({"argv": ["uname", "-n"]})
        assert alice.ended(number)["state"] == "done"

Every node of the demo has the homes of alice and bob, and their keys to each other.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import pytest

from clsh.demo import namespaces
from tests.support.demo import Demo
from tests.support.manager import Person, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NODES = ["node1", "node2", "node3", "node4"]
OVER = {"done", "failed", "cancelled"}
_END_S = 40


class Got(NamedTuple):
    """An answer: its status, its headers by small names, its bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class Visitor:
    """Somebody at the page: by a session, or with a token when there is one."""

    def __init__(self, address: str, name: str, cookie: str = "", token: str = "") -> None:
        self.address = address
        self.name = name
        self.cookie = cookie
        self.token = token

    def ask(self, path: str, body: object = None, *, form: bool = False, method: str = "") -> Got:
        """Ask for a page, or send an object: as JSON, or as a form does."""
        host = self.address.removeprefix("http://").rstrip("/")
        headers = {"Origin": f"http://{host}"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif self.cookie:
            headers["Cookie"] = self.cookie
        data = None
        if form:
            data = urlencode(body).encode()  # type: ignore[arg-type]  # a form is a mapping
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif body is not None:
            data = json.dumps(body).encode()
        connection = HTTPConnection(host, timeout=_END_S)
        try:
            connection.request(method or ("GET" if data is None else "POST"), path, data, headers)
            answer = connection.getresponse()
            told = {name.lower(): text for name, text in answer.getheaders()}
            return Got(answer.status, told, answer.read())
        finally:
            connection.close()

    def submit(self, *jobs: Mapping[str, object]) -> int:
        """Submit jobs over the API; return the number of the first."""
        got = self.ask("/api/v1/jobs", {"jobs": jobs})
        assert got.status == 201, got.text
        return int(got.json["jobs"][0])

    def form(self, **fields: str) -> Got:
        """Post the form of a new job."""
        return self.ask("/jobs/new", {"token": secrets.token_hex(16), **fields}, form=True)

    def job(self, number: int) -> Any:
        return self.ask(f"/api/v1/jobs/{number}").json

    def ended(self, number: int) -> Any:
        """Return a job when it has ended."""
        eventually(lambda: self.job(number)["state"] in OVER, _END_S)
        return self.job(number)

    def wrote(self, number: int, stream: str = "output", task: int | None = None) -> str:
        one = "" if task is None else f"&task={task}"
        return self.ask(f"/api/v1/jobs/{number}/output?stream={stream}{one}").text


class Tried:
    """A demo of four nodes with its manager."""

    def __init__(self, home: Path) -> None:
        self.person = Person(home)
        try:
            assert self.person.cl("demo", "up").returncode == 0
            self.address = self.person.up("--demo")
            self.demo = Demo(self.person.run / "clsh/demo", NODES, runs=True)
            eventually(lambda: self.person.cl("submit", "true").returncode == 0, _END_S)
        except BaseException:
            self.person.close()
            raise

    def visitor(self, name: str, password: str = "") -> Visitor:
        """Log somebody in: by a password when one is given, else by a link."""
        if password:
            file = self.person.home / f"{name}.password"
            file.touch(0o600)
            file.write_text(password)
            self._cl("user", "passwd", "--password-file", str(file), name)
            fields = {"name": name, "password": password}
        else:
            link = self._cl("user", "link", name).strip()
            fields = {"link": link.partition("link=")[2]}
        got = Visitor(self.address, name).ask("/login", fields, form=True)
        assert got.status == 303, got.text
        return Visitor(self.address, name, cookie=got.headers["set-cookie"].partition(";")[0])

    def program(self, visitor: Visitor, scope: str = "jobs") -> Visitor:
        """Return the same user as a program with a token."""
        fields = {"do": "make-token", "title": "t", "scope": scope, "days": "1"}
        got = visitor.ask("/account", fields, form=True)
        assert got.status == 200, got.text
        token = next(one for one in got.text.replace("<", ">").split(">") if "clsh_" in one)
        return Visitor(self.address, visitor.name, token=token.strip())

    def sub(self, text: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `cl sub` of a script in /shared, as root in the head; after `--` come its words."""
        (self.person.home / "job.sh").write_text(text)
        script = str(self.person.home / "job.sh")
        at = words.index("--") if "--" in words else len(words)
        argv = ["cl", "sub", *words[:at], script, *words[at + 1 :]]
        return self.demo.run(*argv, cwd="/shared", env=self.person.environ)

    def file(self, path: str) -> str:
        """Return a file below /shared."""
        return self.demo.run("cat", path).stdout

    def compiled(self, source: str, path: str) -> str:
        """Compile a program of MPI to a path below /shared, and return that."""
        done = self.demo.run("mpicc", "-x", "c", "-", "-o", path, stdin=source)
        assert done.returncode == 0, done.stderr
        return path

    def close(self) -> None:
        self.person.close()

    def _cl(self, *words: str) -> str:
        done = self.person.cl(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def tried_at(home: Path) -> Iterator[Tried]:
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    one = Tried(home)
    try:
        yield one
    finally:
        one.close()


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    with tried_at(tmp_path_factory.mktemp("tried")) as one:
        yield one
