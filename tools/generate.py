"""Renew what is made from other files and kept: man pages, completion scripts.

    python -m tools.generate [--check]

With --check nothing is written; the files that are out of date are named, exit 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import completions

ROOT = Path(__file__).parents[1]


def man_pages() -> dict[str, str]:
    """Return the man pages that Sphinx makes of docs/reference."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "-E", "-b", "man", "docs", folder]
        subprocess.run(command, cwd=ROOT, check=True)
        # Which docutils wrote it is not worth a change of the page.
        return {
            page.name: re.sub(r"(?m)^\.\\\" by the Docutils .*\n", "", page.read_text())
            for page in Path(folder).glob("*.1")
        }


def main(*words: str) -> int:
    wanted = {ROOT / "docs/man" / name: text for name, text in man_pages().items()}
    folder = ROOT / "src/clsh/cli/completions"
    wanted |= {folder / name: text for name, text in completions.scripts().items()}
    old = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in words:
        for path in old:
            print(f"{path.relative_to(ROOT)} is out of date: make docs", file=sys.stderr)
        return 1 if old else 0
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


sys.exit(main(*sys.argv[1:]))
