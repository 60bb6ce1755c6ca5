"""Build dist/clsh with PyInstaller, one executable for machines without Python.

`cl` is the same file by another name: dist/cl is a link to it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hatch_build import compile_catalogues

ROOT = Path(__file__).parents[1]


def build(folder: Path) -> Path:
    """Build `folder`/clsh and return it."""
    compile_catalogues(ROOT)
    work = str(ROOT / "build/onefile")
    options = ["--onefile", "--name=clsh", "--log-level=ERROR", "--noconfirm"]
    # Much of clsh is found by its file name at run time: all of it is packed.
    options += ["--collect-submodules=clsh", "--collect-data=clsh"]
    options += [f"--distpath={folder}", f"--workpath={work}", f"--specpath={work}"]
    start = str(ROOT / "tools/onefile_start.py")
    subprocess.run([sys.executable, "-m", "PyInstaller", *options, start], check=True)
    link = folder / "cl"
    link.unlink(missing_ok=True)
    link.symlink_to("clsh")
    return folder / "clsh"


if __name__ == "__main__":
    made = build(ROOT / "dist")
    subprocess.run(["env", "-i", made, "--version"], check=True)
    print(f"{made}: {made.stat().st_size / 1e6:.0f} MB")
