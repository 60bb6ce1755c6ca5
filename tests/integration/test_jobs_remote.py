"""The engine `remote` over real sshd: as root for others, as a user, and Open MPI."""

from __future__ import annotations

import hashlib
from shlex import quote
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.attempts import Driver, sleepers, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.demo import Demo

SPOOL = "/var/lib/clsh/spool"
SUM = """
#include <mpi.h>
#include <stdio.h>
int main(int c, char **v) {
  int rank, size, sum; char name[MPI_MAX_PROCESSOR_NAME]; int n;
  MPI_Init(&c, &v);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank); MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Get_processor_name(name, &n);
  printf("%d of %d on %s: %d\\n", rank, size, name, sum);
  MPI_Finalize(); return 0;
}
"""


def hand_in(demo: Demo, *files: tuple[str, str, bool]) -> list[str]:
    """Put files where the engine finds them; return what a request names them by."""
    found: list[str] = []
    for name, text, executable in files:
        digest = hashlib.sha256(text.encode()).hexdigest()
        demo.on("node1", f"mkdir -p /shared/sent; printf %s {quote(text)} >/shared/sent/{digest}")
        found.append(f"{digest}{'+x' * executable}:{name}")
    return found


@pytest.fixture
def root(demo4: Demo) -> Iterator[Driver]:
    with Driver(demo4, "root") as driver:
        yield driver


@pytest.fixture
def alice(demo4: Demo) -> Iterator[Driver]:
    with Driver(demo4, "alice") as driver:
        yield driver


def test_root_runs_it_as_its_owner_with_groups_and_home(demo4: Demo, root: Driver) -> None:
    one = ["as-owner", "alice", {"argv": ["sh", "-c", "id -un; echo $HOME $USER; pwd; umask"]}]
    said = root.ask("start", *one, [["node1", 1]])
    assert said["phase"] == "running", said["reason"]
    assert root.end_of("as-owner")["status"] == 0
    text = root.ask("read", [*one, [["node1", 1]]], "output", 0, 1000)
    assert text == "alice\n/home/alice alice\n/home/alice\n0022\n"
    seen = demo4.on("node1", f"stat -c '%U %a' {SPOOL}/as-owner {SPOOL}")
    assert seen == "root 700\nroot 711\n"
    assert root.ask("forget", [*one, [["node1", 1]]]) is None
    assert demo4.on("node1", f"ls -d {SPOOL}/as-owner; true", check=False) == ""


def test_a_node_without_setpriv_does_the_same_by_runuser(demo4: Demo) -> None:
    demo4.on("node2", "mount --bind /bin/false /usr/bin/setpriv")
    try:
        with Driver(demo4, "root") as root:
            script = "id -un; id -Gn; grep CapEff /proc/self/status; echo $HOME; sleep 4714 & wait"
            one = ["plain", "alice", {"argv": ["sh", "-c", script]}, [["node2", 1]]]
            assert root.ask("start", *one)["phase"] == "running"
            until(lambda: sleepers(demo4, "node2", "4714") == 1)
            assert "runuser" in demo4.on("node2", "ps -e -o comm=")
            groups = demo4.on("node2", "id -Gn alice")
            text = root.ask("read", one, "output", 0, 1000)
            assert text == f"alice\n{groups}CapEff:\t{0:016x}\n/home/alice\n"
            root.ask("cancel", *one)
            assert root.end_of("plain")["signal"] == "TERM"
            assert sleepers(demo4, "node2", "4714") == 0
            same = ["plain-ends", "alice", {"argv": ["sh", "-c", "exit 6"]}, [["node2", 1]]]
            root.ask("start", *same)
            assert root.end_of("plain-ends")["status"] == 6
    finally:
        demo4.on("node2", "umount /usr/bin/setpriv")


def test_root_starts_it_without_pam_and_gives_nothing_of_its_own(demo4: Demo, root: Driver) -> None:
    script = "id -Gn; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status; ps -e -o comm="
    one = ["caps", "alice", {"argv": ["sh", "-c", script]}, [["node2", 1]]]
    root.ask("start", *one)
    assert root.end_of("caps")["status"] == 0
    groups = demo4.on("node2", "id -Gn alice")
    text = root.ask("read", one, "output", 0, 1000)
    none = "".join(f"Cap{name}:\t{0:016x}\n" for name in ("Inh", "Prm", "Eff", "Amb"))
    assert text.startswith(groups + none)
    assert "runuser" not in text


def test_root_starts_parallel_jobs_in_a_session_of_pam(demo4: Demo, root: Driver) -> None:
    request = {"argv": ["ps", "-e", "-o", "comm="], "kind": "parallel"}
    one: list[Any] = ["mpi-root", "alice", request, [["node1", 1]]]
    said = root.ask("start", *one)
    assert said["phase"] == "running", said
    ended = root.end_of("mpi-root")
    assert ended["status"] == 0, root.ask("read", one, "error", 0, 2000)
    assert "runuser" in root.ask("read", one, "output", 0, 4000)
    seen = demo4.on("node1", f"stat -c '%U %a' {SPOOL}/mpi-root {SPOOL}/mpi-root/own")
    assert seen == "root 711\nalice 700\n"


@pytest.mark.parametrize(
    ("owner", "reason"),
    [("sshd", "a user of the system"), ("nobody", "of the system"), ("dora", "no user dora")],
)
def test_users_of_the_system_and_unknown_ones_are_refused(
    root: Driver, owner: str, reason: str
) -> None:
    said = root.ask("start", f"no-{owner}", owner, {"argv": ["id"]}, [["node2", 1]])
    assert said["phase"] == "refused"
    assert reason in said["reason"]


def test_a_user_runs_nothing_for_others(alice: Driver) -> None:
    said = alice.ask("start", "for-bob", "bob", {"argv": ["id"]}, [["node1", 1]])
    assert said["phase"] == "refused"
    assert "need a login as bob or root, not as alice" in said["reason"]


def test_links_of_a_user_do_not_make_root_read_or_write(demo4: Demo, root: Driver) -> None:
    script = "rm -f $1/out; ln -s /etc/shadow $1/out; ln -s /etc/evil $1/status; ls $1; echo >$1/x"
    one = ["links", "alice", {"argv": ["sh", "-c", script, "sh", f"{SPOOL}/links"]}, [["node3", 1]]]
    root.ask("start", *one)
    assert root.end_of("links")["status"] == 2  # the directory is not hers
    assert root.ask("read", one, "output", 0, 100) == ""
    assert root.ask("read", one, "error", 0, 2000).count("Permission denied") == 5
    assert demo4.on("node3", "ls /etc/evil; true", check=False) == ""


def test_an_owner_opens_the_output_again_and_nobody_else_comes_to_it(
    demo4: Demo, root: Driver
) -> None:
    script = "echo one; echo two >>/dev/stdout; echo three >>/dev/stderr; sleep 60"
    one = ["again", "alice", {"argv": ["sh", "-c", script]}, [["node3", 1]]]
    root.ask("start", *one)
    until(lambda: root.ask("read", one, "error", 0, 99) == "three\n")
    assert root.ask("read", one, "output", 0, 99) == "one\ntwo\n"
    bob = f"runuser -u bob -- cat {SPOOL}/again/out; runuser -u bob -- ls {SPOOL}"
    assert demo4.on("node3", f"{bob}; true", check=False) == ""
    root.ask("cancel", *one)


def test_a_cancel_reaches_what_it_left_in_the_background(demo4: Demo, root: Driver) -> None:
    script = "timeout 600 sleep 4711 & sleep 4711 & trap '' TERM; wait; wait; sleep 4712"
    one = ["many", "alice", {"argv": ["sh", "-c", script]}, [["node4", 1]]]
    assert root.ask("start", *one)["phase"] == "running"
    until(lambda: sleepers(demo4, "node4", "4711") == 2)
    root.ask("cancel", *one)
    ended = root.end_of("many")
    assert (ended["phase"], ended["reason"]) == ("ended", "cancelled")
    assert ended["signal"] == "KILL"  # it would not go by itself
    assert sleepers(demo4, "node4", "4711") == 0


def test_the_home_is_shared_and_each_node_has_its_own(alice: Driver) -> None:
    places = [["node1", 1]], [["node2", 1]]
    script = {"argv": ["sh", "-c", "uname -n; exit 7"]}
    for number, place in enumerate(places):
        alice.ask("start", f"shared-{number}", "alice", script, place)
        assert alice.end_of(f"shared-{number}")["status"] == 7
        text = alice.ask("read", [f"shared-{number}", "alice", script, place], "output", 0, 99)
        assert text == f"{place[0][0]}\n"
    # one that runs on node1 cannot be told by node2
    sleep: list[Any] = ["elsewhere", "alice", {"argv": ["sleep", "60"]}]
    alice.ask("start", *sleep, places[0])
    (said,) = alice.ask("ask", [*sleep, places[1]])
    assert (said["phase"], said["reason"]) == ("unknown", "it is of the node node1")
    alice.ask("cancel", *sleep, places[0])


def test_open_mpi_sums_over_four_nodes(demo4: Demo, alice: Driver) -> None:
    demo4.on("node1", f"cat >/shared/sum.c <<'E'\n{SUM}E\nmpicc -o /shared/sum /shared/sum.c")
    places = [[name, 2] for name in demo4.names]
    one = ["mpi", "alice", {"argv": ["/shared/sum"], "kind": "parallel", "tasks": 8}, places]
    said = alice.ask("start", *one)
    assert said["phase"] == "running", said
    ended = alice.end_of("mpi")
    text = alice.ask("read", one, "output", 0, 4000)
    errors = alice.ask("read", one, "error", 0, 4000)
    assert ended["status"] == 0, errors
    assert sorted(line.split()[4] for line in text.splitlines()) == sorted(
        f"{name}:" for name in demo4.names for _ in range(2)
    )
    assert {line.split()[-1] for line in text.splitlines()} == {"28"}


def test_files_are_sent_along_to_whom_they_belong(demo4: Demo, root: Driver, alice: Driver) -> None:
    send = hand_in(demo4, ("go", "#!/bin/sh\npwd; id -un; cat data; echo x >made", True))
    send += hand_in(demo4, ("data", "DATA", False))
    one = ["sent-root", "alice", {"argv": ["./go"], "send": send}, [["node2", 1]]]
    assert root.ask("start", *one)["phase"] == "running"
    assert root.end_of("sent-root")["status"] == 0
    folder = f"{SPOOL}/sent/sent-root"
    assert root.ask("read", one, "output", 0, 999) == f"{folder}\nalice\nDATA"
    seen = demo4.on("node2", f"stat -c '%U %a' {SPOOL}/sent {folder} {folder}/data {folder}/go")
    assert seen == "root 711\nalice 700\nalice 600\nalice 700\n"
    digest = send[0].partition("+")[0]
    kept = demo4.on("node2", f"stat -c '%U %a' {SPOOL}/files/alice {SPOOL}/files/alice/{digest}")
    assert kept == "root 700\nroot 600\n"
    assert root.ask("forget", one) is None
    assert demo4.on("node2", f"ls -d {folder}; true", check=False) == ""
    own = ["sent-alice", "alice", {"argv": ["./go"], "send": send}, [["node3", 1]]]
    assert alice.ask("start", *own)["phase"] == "running"
    assert alice.end_of("sent-alice")["status"] == 0


def test_killed_while_it_brings_a_file_nothing_begins_beside_half_of_it(demo4: Demo) -> None:
    size = 200 << 20
    digest = "a" * 64  # the content is not looked at again: its length is
    demo4.on("node1", f"mkdir -p /shared/sent; truncate -s {size} /shared/sent/{digest}")
    script = "stat -c %s big"
    one = ["sent-half", "alice", {"argv": ["sh", "-c", script], "send": [f"{digest}:big"]}]
    place = [["node4", 1]]
    files = f"{SPOOL}/files/alice"
    with Driver(demo4, "root") as dying:
        dying.send("start", *one, place)
        until(lambda: demo4.on("node4", f"find {files} -name '.{digest}.*'; true", check=False))
    until(lambda: not demo4.on("node4", f"find {files} -type f -name '*{digest}*'; true"))
    assert (
        demo4.on("node4", f"ls -d {SPOOL}/sent-half {SPOOL}/sent/*half*; true", check=False) == ""
    )
    with Driver(demo4, "root") as driver:
        assert [said["phase"] for said in driver.ask("ask", [*one, place])] == ["absent"]
        assert driver.answer(driver.send("start", *one, place), 90)["phase"] == "running"
        assert driver.end_of("sent-half")["status"] == 0
        assert driver.ask("read", [*one, place], "output", 0, 99) == f"{size}\n"
        driver.ask("forget", [*one, place])
    demo4.on("node4", f"rm -rf {files}; rm /shared/sent/{digest}")


@pytest.mark.parametrize("owner", ["sshd", "dora"])
def test_nothing_is_sent_to_who_may_run_nothing(demo4: Demo, root: Driver, owner: str) -> None:
    send = hand_in(demo4, ("go", "#!/bin/sh", True))
    said = root.ask("start", f"sent-{owner}", owner, {"argv": ["x"], "send": send}, [["node2", 1]])
    assert said["phase"] == "refused"
    assert owner in said["reason"]
    assert demo4.on("node2", f"ls -d {SPOOL}/files/{owner}; true", check=False) == ""


def test_ranks_of_mpi_find_their_program_on_each_node(demo4: Demo, root: Driver) -> None:
    script = "#!/bin/sh\necho $(uname -n) $(cat data) $CLSH_SENT"
    send = [*hand_in(demo4, ("go", script, True)), *hand_in(demo4, ("data", "D", False))]
    places = [[name, 1] for name in demo4.names]
    request = {"argv": ["./go"], "send": send, "kind": "parallel", "tasks": 4}
    one = ["sent-mpi", "alice", request, places]
    said = root.ask("start", *one)
    assert said["phase"] == "running", said
    ended = root.end_of("sent-mpi")
    assert ended["status"] == 0, root.ask("read", one, "error", 0, 4000)
    lines = sorted(root.ask("read", one, "output", 0, 4000).splitlines())
    assert lines == [f"{name} D {SPOOL}/sent/sent-mpi" for name in sorted(demo4.names)]


def test_a_node_that_cannot_be_reached_is_named(demo4: Demo, alice: Driver) -> None:
    with demo4.without_sshd("node3"):
        places = [["node1", 1], ["node2", 1], ["node3", 1]]
        request = {"argv": ["true"], "kind": "parallel", "tasks": 3}
        said = alice.ask("start", "mpi-away", "alice", request, places)
    assert said["phase"] == "refused"
    assert said["reason"] == "node3 cannot be reached from node1 within 10 s"
