"""Install what tests or bench need of the system: `system_packages.py [bench]`.

As root with apt-get the missing packages are installed, quietly; elsewhere they are named.
Nothing is asked and nothing is said when all of them are there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# what is looked for -> the Debian package that has it
TESTS = {
    "/usr/sbin/sshd": "openssh-server",
    "ssh": "openssh-client",
    "ip": "iproute2",
    "iptables": "iptables",
    "tc": "iproute2",
    "podman": "podman",
    "runc": "runc",
    "busybox": "busybox-static",
    "sudo": "sudo",
    "tmux": "tmux",
    "curl": "curl",
    "openssl": "openssl",
    "jq": "jq",
    "ps": "procps",
    "nsenter": "util-linux",
    "systemd-analyze": "systemd",
    "zsh": "zsh",
    "fish": "fish",
    "csh": "tcsh",
    "gmond": "ganglia-monitor",
    "gmetad": "gmetad",
    "victoria-metrics": "victoria-metrics",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "chromium": "chromium",
    "mpirun": "openmpi-bin",
    "mpicc": "libopenmpi-dev",
    "gcc": "gcc",
    "/usr/sbin/slurmctld": "slurm-wlm",
    "/usr/sbin/munged": "munge",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc": "fonts-noto-cjk",
}
# clush is in the environment: clsh needs the same package. HyperQueue is none of Debian's: the
# bench makes an environment with it.
BENCH = {
    "/usr/sbin/sshd": "openssh-server",
    "ssh": "openssh-client",
    "pdsh": "pdsh",
    "parallel-ssh": "pssh",
    "gmond": "ganglia-monitor",
    "gmetad": "gmetad",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "ip": "iproute2",
    "/usr/sbin/slurmctld": "slurm-wlm",
    "/usr/sbin/munged": "munge",
    "tsp": "task-spooler",
}
# The peers among them are daemons; a test starts its own. What Debian's policy asks before
# it starts a daemon answers no while we install.
POLICY = Path("/usr/sbin/policy-rc.d")


def apt_get(*words: str) -> bool:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-qq", *words], env=env, stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode(errors="replace"))
    return done.returncode == 0


@contextlib.contextmanager
def no_daemons() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def install(packages: list[str]) -> bool:
    options = ["install", "--yes", "--no-install-recommends", *packages]
    with no_daemons():
        # A list of packages may be as old as the image, or absent: then it is read again.
        return apt_get(*options) or (apt_get("update") and apt_get(*options))


def is_there(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else shutil.which(name) is not None


def main(wanted: dict[str, str]) -> int:
    missing = sorted({package for name, package in wanted.items() if not is_there(name)})
    if not missing:
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing", *missing, flush=True)
        return 0 if install(missing) else 1
    print("clsh: not installed:", *missing, file=sys.stderr)
    print("  what needs them is left out; install them as root to have it", file=sys.stderr)
    return 0


sys.exit(main(BENCH if sys.argv[1:] == ["bench"] else TESTS))
