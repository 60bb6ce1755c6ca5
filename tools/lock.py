"""Renew the lock files from pyproject.toml with `uv pip compile`.

    python3 tools/lock.py UV

Every platform's files are in it, each with its hash, from the public index alone; no host
and no path of the machine it is made on. requirements.lock is what clsh runs on,
requirements-dev.lock adds what checks, tests, builds and documents it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

LOCKS = {"requirements.lock": (), "requirements-dev.lock": ("dev", "docs", "onefile")}


def compile_lock(uv: str, target: str, extras: tuple[str, ...]) -> None:
    # Settings of this machine (more indexes, local folders) must not leak into the hashes.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_"))}
    env |= {"UV_NO_CONFIG": "1", "UV_CUSTOM_COMPILE_COMMAND": "make lock"}
    command = [uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--no-emit-index-url", "--python-version", "3.11", "--upgrade"]
    command += [word for extra in extras for word in ("--extra", extra)]
    subprocess.run([*command, "pyproject.toml", "-o", target], env=env, check=True)
    if found := re.findall(r"\S*(?:://|/opt/|/home/)\S*", Path(target).read_text()):
        sys.exit(f"clsh: {target} names places of this machine: {found[:3]}")


for name, wanted in LOCKS.items():
    compile_lock(sys.argv[1], name, wanted)
