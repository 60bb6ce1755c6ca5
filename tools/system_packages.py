"""Install what tests or bench need of the system: `system_packages.py [bench]`.

As root with apt-get the missing packages are installed, quietly; elsewhere they are named.
Nothing is asked and nothing is said when all of them are there.
"""

import os
import shutil
import subprocess
import sys

# what is looked for -> the Debian package that has it
TESTS = {
    "/usr/sbin/sshd": "openssh-server",
    "ssh": "openssh-client",
    "ip": "iproute2",
    "iptables": "iptables",
    "tc": "iproute2",
    "podman": "podman",
    "busybox": "busybox-static",
    "sudo": "sudo",
    "tmux": "tmux",
    "jq": "jq",
    "ps": "procps",
    "nsenter": "util-linux",
    "zsh": "zsh",
    "fish": "fish",
    "csh": "tcsh",
}
# clush is in the environment: clsh needs the same package
BENCH = {
    "/usr/sbin/sshd": "openssh-server",
    "ssh": "openssh-client",
    "pdsh": "pdsh",
    "parallel-ssh": "pssh",
}


def apt_get(*words: str) -> bool:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-qq", *words], env=env, stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode(errors="replace"))
    return done.returncode == 0


def install(packages: list[str]) -> bool:
    options = ["install", "--yes", "--no-install-recommends", *packages]
    # A list of packages may be as old as the image, or absent: then it is read again.
    return apt_get(*options) or (apt_get("update") and apt_get(*options))


def main(wanted: dict[str, str]) -> int:
    missing = sorted({package for name, package in wanted.items() if not shutil.which(name)})
    if not missing:
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing", *missing, flush=True)
        return 0 if install(missing) else 1
    print("clsh: not installed:", *missing, file=sys.stderr)
    print("  what needs them is left out; install them as root to have it", file=sys.stderr)
    return 0


sys.exit(main(BENCH if sys.argv[1:] == ["bench"] else TESTS))
