"""Two users, a root and an administrator before one manager with real nodes: who gets what.

alice's jobs have names and output that nothing which bob is answered may hold; root and carol,
an administrator, see and handle all. Each way of asking is tried by each of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from clsh.web.api.job_table import JOBS
from tests.support.manager import eventually
from tests.support.tried import Tried, Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.tried import Got

PASSWORD = "correct horse battery"
NAME, SAID = "alice-s-own-secret", "what-alice-wrote"
RUNS = f"echo {SAID}; echo {SAID} >&2; sleep 4711"
ACTS = ("cancel", "hold", "release", "requeue")


@dataclass
class People:
    """Who asks: alice by a password, bob by a link and by a token, an administrator, root."""

    alice: Visitor
    bob: Visitor
    program: Visitor
    carol: Visitor
    root: Visitor

    def strangers(self) -> list[Visitor]:
        return [self.bob, self.program]

    def masters(self) -> list[Visitor]:
        return [self.carol, self.root]


@dataclass
class Owned:
    """alice's jobs: one that runs, one that has ended, one that is held; and one of bob's."""

    runs: int
    done: int
    held: int
    bobs: int

    def all(self) -> list[int]:
        return [self.runs, self.done, self.held]


@pytest.fixture(scope="module")
def people(tried: Tried) -> People:
    for words in (("bob",), ("--admin", "carol")):  # alice was made known by `cl up`
        assert tried.person.cl("user", "add", "--no-password", *words).returncode == 0
    bob = tried.visitor("bob")
    return People(
        tried.visitor("alice", PASSWORD),
        bob,
        tried.program(bob),
        tried.visitor("carol"),
        tried.visitor("root"),
    )


@pytest.fixture(scope="module")
def owned(people: People) -> Iterator[Owned]:
    alice = people.alice
    job = {"argv": ["sh", "-c", RUNS], "name": NAME}
    done = alice.submit({**job, "argv": ["echo", SAID], "key": "same"})
    found = Owned(
        alice.submit(job),
        done,
        alice.submit({**job, "held": True}),
        people.bob.submit({"argv": ["echo", "bob's"], "name": "bob-s", "key": "same"}),
    )
    assert alice.ended(done)["state"] == "done"
    eventually(lambda: SAID in alice.wrote(found.runs), 40)
    yield found
    assert alice.ask(f"/api/v1/jobs/{found.runs}/cancel", {}).status == 200
    assert alice.ended(found.runs)["state"] == "cancelled"


def says_nothing(got: Got) -> None:
    assert NAME not in got.text
    assert SAID not in got.text


def test_the_same_key_of_another_user_is_another_job(owned: Owned) -> None:
    assert owned.bobs not in owned.all()


@pytest.mark.parametrize(
    "query", ["", "?owner=alice", f"?q={NAME}", "?state=running", "?node=node1"]
)
def test_a_list_has_ones_own_alone(people: People, owned: Owned, query: str) -> None:
    for who in people.strangers():
        got = who.ask(f"/api/v1/jobs{query}")
        says_nothing(got)
        assert {job["owner"] for job in got.json["jobs"]} <= {"bob"}
        assert got.json["states"].get("running", 0) == 0
        assert got.json["states"].get("held", 0) == 0
    page = people.bob.ask(f"/jobs{query}")  # it has the question itself
    assert page.status == 200
    assert SAID not in page.text
    assert not [number for number in owned.all() if f"/jobs/{number}" in page.text]
    for who in people.masters():
        numbers = {job["id"] for job in who.ask("/api/v1/jobs?owner=alice").json["jobs"]}
        assert numbers >= set(owned.all())
        assert NAME in who.ask("/jobs?owner=alice").text


def alike(got: Got, number: int) -> str:
    return got.text.replace(f"job {number}", "job N")


def test_a_job_of_another_is_answered_as_one_that_is_not_there(
    people: People, owned: Owned
) -> None:
    for who in people.strangers():
        for number in owned.all():
            for path in ("", "?wait=1&seen=0", "/output", "/output?stream=error&wait=1"):
                got = who.ask(f"/api/v1/jobs/{number}{path}")
                none = who.ask(f"/api/v1/jobs/9{number}{path}")
                assert (got.status, none.status) == (404, 404), path
                assert alike(got, number) == alike(none, int(f"9{number}"))
                says_nothing(got)


@pytest.mark.parametrize("path", ["", "/0/output", "/0/error", "?task=0"])
def test_the_pages_of_a_job_of_another_are_not_there(
    people: People, owned: Owned, path: str
) -> None:
    for number in owned.all():
        got = people.bob.ask(f"/jobs/{number}{path}")
        assert got.status == 404
        says_nothing(got)
        assert people.bob.ask(f"/jobs/new?like={number}").status == 404


def test_a_job_of_another_cannot_be_handled(people: People, owned: Owned) -> None:
    for number in owned.all():
        before = people.alice.job(number)["state"]
        for act in ACTS:
            for who in people.strangers():
                for task in ("", "?task=0"):
                    got = who.ask(f"/api/v1/jobs/{number}/{act}{task}", {})
                    assert got.status == 404, act
                    says_nothing(got)
            got = people.bob.ask(f"/jobs/{number}", {"act": act}, form=True)
            assert got.status == 404
            says_nothing(got)
        assert people.alice.job(number)["state"] == before


def test_nobody_submits_for_another_or_after_their_jobs(people: People, owned: Owned) -> None:
    for who in people.strangers():
        got = who.ask("/api/v1/jobs", {"jobs": [{"argv": ["true"]}], "owner": "alice"})
        assert got.status == 403
        after = who.ask("/api/v1/jobs", {"jobs": [{"argv": ["true"], "after": str(owned.done)}]})
        assert after.status == 400
        assert f"there is no job {owned.done}" in after.text
    for who in people.masters():
        got = who.ask("/api/v1/jobs", {"jobs": [{"argv": ["true"]}], "owner": "root"})
        assert (got.status, "on the manager's machine alone" in got.text) == (403, True)


def test_who_runs_it_is_who_asked(people: People) -> None:
    for who in (people.alice, people.bob, people.program):
        number = who.submit({"argv": ["id", "-un"]})
        assert who.ended(number)["state"] == "done"
        assert who.wrote(number) == f"{who.name}\n"


def test_files_of_another_are_not_read_by_a_job(people: People, owned: Owned) -> None:
    """On the nodes the kernel keeps them apart: neither home nor spool are open to others."""
    script = "cat /home/alice/.ssh/id_ed25519 /var/lib/clsh/spool/*/own/out; ls /var/lib/clsh/spool"
    number = people.bob.submit({"argv": ["sh", "-c", script], "nodes": ["node1"]})
    assert people.bob.ended(number)["state"] == "failed"
    assert people.bob.wrote(number) == ""
    assert "Permission denied" in people.bob.wrote(number, "error")


@pytest.mark.parametrize(
    ("wish", "is_one"),
    [({"page": "job"}, False), ({"page": "jobs"}, False), ({"page": "grid"}, True)],
)
def test_nothing_live_tells_of_jobs(
    tried: Tried, people: People, owned: Owned, wish: dict[str, Any], is_one: bool
) -> None:
    """The one WebSocket is of monitoring: it cannot be asked for jobs or what they write."""
    at = tried.address.replace("http", "ws") + "live"
    origin = Origin(tried.address.rstrip("/"))
    for who in [*people.strangers(), people.alice]:
        head = {"Cookie": who.cookie} if who.cookie else {"Authorization": f"Bearer {who.token}"}
        with connect(at, additional_headers=head, origin=origin, proxy=None) as viewer:
            viewer.send(json.dumps({**wish, "job": owned.runs}))
            try:
                told = str(viewer.recv(timeout=20))
            except ConnectionClosed as closed:
                told = str(closed)
        assert ("page must be one of: grid, cluster, node" in told) != is_one
        assert NAME not in told
        assert SAID not in told


def test_every_route_of_jobs_refuses_who_is_not_known(tried: Tried, owned: Owned) -> None:
    nobody = Visitor(tried.address, "")
    for entry in JOBS:
        path = entry.path.format(job=owned.done)
        got = nobody.ask(path, {} if entry.method == "POST" else None)
        assert got.status == 401, path
        says_nothing(got)
    for path in ("/jobs", "/jobs/new", f"/jobs/{owned.done}", f"/jobs/{owned.done}/0/output"):
        assert nobody.ask(path).status == 401, path


def test_root_and_an_administrator_see_and_handle_all(people: People, owned: Owned) -> None:
    for who in people.masters():
        for number in owned.all():
            assert who.job(number)["name"] == NAME
            assert NAME in who.ask(f"/jobs/{number}").text
        assert SAID in who.wrote(owned.runs)
        assert SAID in who.wrote(owned.runs, "error")
        assert SAID in who.ask(f"/jobs/{owned.done}/0/output").text
        assert who.ask(f"/api/v1/jobs/{owned.held}/release", {}).status == 200
        eventually(lambda: people.alice.job(owned.held)["state"] == "running", 40)
        assert who.ask(f"/api/v1/jobs/{owned.held}/cancel", {}).status == 200
        assert people.alice.ended(owned.held)["state"] == "cancelled"
        assert who.ask(f"/api/v1/jobs/{owned.held}/requeue", {}).status == 200
        assert who.ask(f"/api/v1/jobs/{owned.held}/hold", {}).status == 200
        assert who.ask(f"/api/v1/jobs/{owned.held}/cancel", {}).status == 200
        people.alice.ended(owned.held)
        assert who.ask(f"/api/v1/jobs/{owned.held}/requeue", {}).status == 200
        assert who.ask(f"/api/v1/jobs/{owned.held}/hold", {}).status == 200


def test_cl_of_root_sees_all(tried: Tried, people: People, owned: Owned) -> None:
    rows = [
        json.loads(line) for line in tried.person.cl("jobs", "-a", "--json").stdout.splitlines()
    ]
    assert {row["owner"] for row in rows} >= {"alice", "bob"}
    assert SAID in tried.person.cl("job", str(owned.done), "--output").stdout


# What a process of another user of this machine gets, over the Unix socket. It becomes that user
# when all is loaded: others may not enter where our Python is.
AS_USER = """
import json, os, pwd, socket, sys
path, name = sys.argv[1:3]
user = pwd.getpwnam(name)
os.setgroups([])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
for ask in sys.argv[3:]:
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(path)
    except PermissionError as error:
        sys.exit(print(error.strerror))
    peer.sendall(f"{ask} HTTP/1.0\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n".encode())
    got = b"".join(iter(lambda: peer.recv(65536), b""))
    print(json.dumps([int(got.split()[1]), got.decode(errors="replace")]))
"""


def as_nobody(tried: Tried, *asks: str) -> str:
    argv = [sys.executable, "-c", AS_USER, str(tried.person.socket), "nobody", *asks]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_another_user_of_the_machine_is_who_the_kernel_says(
    tried: Tried, people: People, owned: Owned
) -> None:
    """What `cl` of somebody else gets, should the manager's directory be open to others."""
    number = owned.runs
    asks = ["GET /api/v1/jobs/{}", "GET /api/v1/jobs/{}/output"]
    asks += [f"POST /api/v1/jobs/{{}}/{act}" for act in ACTS]
    words = [ask.format(number) for ask in asks]
    assert as_nobody(tried, *words) == "Permission denied\n"
    places = [(tried.person.run, 0o711), (tried.person.run / "clsh", 0o711)]
    places.append((tried.person.socket, 0o666))
    before = [(path, path.stat().st_mode & 0o7777) for path, _ in places]
    try:
        for path, mode in places:
            path.chmod(mode)
        told: list[Any] = [json.loads(line) for line in as_nobody(tried, *words).splitlines()]
        ((status, listed),) = [
            json.loads(line) for line in as_nobody(tried, "GET /api/v1/jobs").splitlines()
        ]
    finally:
        for path, mode in before:
            path.chmod(mode)
    assert [one for one, _ in told] == [404] * len(words)
    assert (status, '"total":0' in listed.replace(" ", "")) == (200, True)
    assert not [text for _, text in [*told, (0, listed)] if NAME in text or SAID in text]
