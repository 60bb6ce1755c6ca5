"""Make .venv, install what a lock file names, and the project itself, editable.

    python3 tools/environment.py LOCKFILE

Its words run on every Python since 3.6, so that an old one is told what it is.
"""

import subprocess
import sys
from pathlib import Path

VENV = Path(".venv")


def explain(problem: str, remedy: str) -> None:
    sys.exit(f"clsh: {problem}\n  {remedy}")


def check_python() -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells it
        explain(
            f"Python 3.11 or newer is needed, and {sys.executable} is {version}",
            "name another one: make PYTHON=python3.12 ...",
        )
    try:
        import ensurepip  # noqa: F401 - only whether it is there; Debian's python3 has none
        import venv  # noqa: F401 - the same
    except ImportError:
        explain(
            "this Python cannot make a virtual environment",
            f"on Debian and Ubuntu: apt-get install python{version}-venv",
        )


def pip(*words: str) -> None:
    command = [str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", *words]
    if subprocess.call(command, stdin=subprocess.DEVNULL) != 0:
        explain(
            "pip could not install what is needed", "its words are above; then the same make again"
        )


def main(lock: str) -> None:
    check_python()
    if not Path(VENV, "bin/pip").exists():
        print(f"making {VENV}", flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", str(VENV)])
    print(f"installing {lock}", flush=True)
    pip("--require-hashes", "--requirement", lock)
    pip("--no-deps", "--editable", ".")


main(*sys.argv[1:])
