"""Logins for real: PAM with users of a machine, TLS beyond loopback, and what curl sees of it.

The machine is this one in namespaces of its own: its users and services are files of the
test's, and the address that others would reach is on its own loopback.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clsh.access import pam
from tests.support.manager import CL, HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "of the machine"
FAR = "10.99.0.1"
CONFIG = HERE.replace("127.0.0.1:0", f"{FAR}:8650")
# Kept open: all commands of a test run where it runs.
HOLD = """
set -e
mount --make-rprivate /
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/shadow" /etc/shadow
mount --bind "$1/pam.d" /etc/pam.d
ip link set lo up
ip addr add 10.99.0.1/24 dev lo
ip addr add 10.99.0.2/24 dev lo
echo ready
cat
"""
CHECK = """
import sys
from clsh.access.pam import Pam
print(Pam(sys.argv[1]).check(sys.argv[2], sys.stdin.read(), "10.0.0.7"))
"""


class Machine:
    """Namespaces with a manager in them."""

    def __init__(self, home: Path, holder: subprocess.Popen[str]) -> None:
        self.home = home
        self.run = Path(tempfile.mkdtemp(prefix="clsh-"))
        self._holder = holder
        self.environ = {
            **os.environ,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_RUNTIME_DIR": str(self.run),
            "CLSH_CONFIG": str(home / "clsh.toml"),
            "LC_ALL": "C.UTF-8",
        }

    def __call__(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        inside = ["nsenter", "-t", str(self._holder.pid), "-m", "-n", "--", *words]
        return subprocess.run(
            inside, input=text, capture_output=True, text=True, env=self.environ, timeout=50
        )

    def cl(self, *words: str) -> str:
        done = self(CL, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def curl(self, path: str, *words: str, form: str = "") -> subprocess.CompletedProcess[str]:
        """Ask by TLS, trusting the kept certificate; what is sent is in no argv."""
        trusted = str(self.home / "state/clsh/certificate.pem")
        given = ["--data-binary", "@-"] if form else []
        url = f"https://{FAR}:8650{path}"
        return self("curl", "-s", "-i", "--cacert", trusted, *given, *words, url, text=form)

    def log_in(self, name: str, password: str) -> subprocess.CompletedProcess[str]:
        form = f"name={name}&password={password.replace(' ', '+')}"
        return self.curl("/login", form=form)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("namespaces are for root")
    home = tmp_path_factory.mktemp("machine")
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip
    users = {"erin": f"{hashed}:19000:0:99999:7:::", "gone": f"{hashed}:19000:0:99999:7::2:"}
    passwd, shadow = Path("/etc/passwd").read_text(), Path("/etc/shadow").read_text()
    for number, (name, rest) in enumerate(users.items(), 7001):
        passwd += f"{name}:x:{number}:65534::/nonexistent:/bin/sh\n"
        shadow += f"{name}:{rest}\n"
    (home / "passwd").write_text(passwd)
    (home / "shadow").write_text(shadow)
    (home / "shadow").chmod(0o600)
    shutil.copytree("/etc/pam.d", home / "pam.d")
    shutil.copy(pam.EXAMPLE, home / "pam.d/clsh")
    (home / "pam.d/permit").write_text(
        "auth required pam_permit.so\naccount required pam_permit.so\n"
    )
    (home / "pam.d/deny").write_text("auth required pam_permit.so\naccount required pam_deny.so\n")
    (home / "pam.d/broken").write_text("auth required pam_that_is_not_there.so\n")
    (home / "clsh.toml").write_text(CONFIG)
    words = ["unshare", "--mount", "--net", "sh", "-c", HOLD, "hold", str(home)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "ready\n"
        made = Machine(home, holder)
        try:
            yield made
        finally:
            made(CL, "down")
            holder.stdin.close()
            shutil.rmtree(made.run, ignore_errors=True)


@pytest.fixture(scope="module")
def told(machine: Machine) -> str:
    """What `cl up` said."""
    return machine.cl("up")


@pytest.mark.parametrize(
    ("service", "name", "password", "known"),
    [
        ("clsh", "erin", PASSWORD, "erin"),
        ("clsh", "erin", "wrong", "None"),
        ("clsh", "erin", "", "None"),
        ("clsh", "nobody-of-that-name", PASSWORD, "None"),
        ("clsh", "gone", PASSWORD, "None"),  # the account has expired
        ("clsh", "root", "", "None"),
        ("permit", "erin", "anything", "erin"),
        ("deny", "erin", PASSWORD, "None"),
    ],
)
def test_pam_itself(machine: Machine, service: str, name: str, password: str, known: str) -> None:
    done = machine(sys.executable, "-c", CHECK, service, name, text=password)
    assert done.stdout.strip() == known, done.stderr


def test_a_service_that_is_broken_is_no_wrong_password(machine: Machine) -> None:
    done = machine(sys.executable, "-c", CHECK, "broken", "erin", text=PASSWORD)
    assert "PAM cannot check erin" in done.stderr, done.stdout


def test_a_person_sees_the_fingerprint_and_where_to_log_in(machine: Machine, told: str) -> None:
    pem = machine.home / "state/clsh/certificate.pem"
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(pem)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert shown.partition("=")[2] in told
    assert f"https://{FAR}:8650/login?link=" in told
    assert machine.cl("status").count(shown.partition("=")[2]) == 1
    key = machine.home / "state/clsh/key.pem"
    assert oct(key.stat().st_mode & 0o777) == "0o600"


def test_a_user_of_the_machine_logs_in_and_out(machine: Machine, told: str) -> None:
    got = machine.log_in("erin", PASSWORD).stdout
    assert got.startswith("HTTP/1.1 303")
    found = re.search(r"set-cookie: (__Host-clsh-\w+=[\w-]+); (.*)", got)
    assert found, got
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(found[2].strip().split("; "))
    me = machine.curl("/api/v1/me", "-b", found[1]).stdout
    assert json.loads(me.splitlines()[-1])["name"] == "erin"
    ours = ("-H", f"Origin: https://{FAR}:8650")
    out = machine.curl("/logout", "-b", found[1], *ours, "-X", "POST").stdout
    assert "Max-Age=0" in out
    assert machine.curl("/api/v1/me", "-b", found[1]).stdout.startswith("HTTP/1.1 401")


@pytest.mark.parametrize("name", ["erin", "gone", "nobody-of-that-name", "-x"])
def test_who_is_not_let_in_is_told_alike(machine: Machine, told: str, name: str) -> None:
    password = PASSWORD if name == "gone" else "wrong"
    got = machine.log_in(name, password).stdout
    assert got.startswith("HTTP/1.1 403")
    assert "The name or the password is wrong." in got
    assert "set-cookie" not in got.lower()


def test_there_is_no_plain_http(machine: Machine, told: str) -> None:
    done = machine("curl", "-s", "-i", f"http://{FAR}:8650/login")
    assert "200" not in done.stdout.partition("\n")[0]
    untrusting = machine("curl", "-s", f"https://{FAR}:8650/")
    assert untrusting.returncode == 60, "without its certificate nobody is fooled"


def test_200_wrong_logins_cost_others_nothing(machine: Machine, told: str) -> None:
    """Another page and another login are answered while they are made."""
    trusted = str(machine.home / "state/clsh/certificate.pem")
    many = (
        "for n in $(seq 200); do echo 'name=u'$n'&password=x' | curl -s -o /dev/null"
        f" --interface 10.99.0.2 --cacert {trusted} --data-binary @- -w '%{{http_code}}\\n'"
        f" https://{FAR}:8650/login & done; wait"
    )
    inside = ["nsenter", "-t", str(machine._holder.pid), "-m", "-n", "--", "sh", "-c", many]
    with subprocess.Popen(inside, stdout=subprocess.PIPE, text=True) as storm:
        assert storm.stdout
        first = storm.stdout.readline()
        assert machine.curl("/api/v1/grid", "-m", "20").stdout.startswith("HTTP/1.1 200")
        form = f"name=erin&password={PASSWORD.replace(' ', '+')}"
        got = machine.curl("/login", "-m", "20", form=form).stdout
        codes = [first, *storm.stdout.readlines()]
    assert {code.strip() for code in codes} <= {"403", "429"}
    assert len(codes) == 200
    assert got.startswith("HTTP/1.1 303")
    assert machine.curl("/", "-m", "20").stdout.startswith("HTTP/1.1 200")


def test_the_audit_tells_all_of_it(machine: Machine, told: str) -> None:
    lines: list[Any] = [json.loads(one) for one in machine.cl("audit", "--json").splitlines()]
    acts = {(one["who"], one["act"], one["outcome"], one["address"]) for one in lines}
    machine.log_in("erin", PASSWORD)
    lines = [json.loads(one) for one in machine.cl("audit", "--json").splitlines()]
    acts |= {(one["who"], one["act"], one["outcome"], one["address"]) for one in lines}
    assert ("erin", "login", "done", FAR) in acts
    assert PASSWORD not in json.dumps(lines)
