"""What `clsh` may load before it knows what to do: `clsh --version` takes at most 60 ms."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from clsh import __version__

START = "from clsh.cli.clsh import main; main({argv!r}); import sys; print(*sys.modules)"
OURS = {
    "clsh",
    "clsh.base",
    "clsh.base.errors",
    "clsh.base.messages",
    "clsh.cli",
    "clsh.cli.clsh",
    "clsh.cli.options",
    "clsh.cli.render",
}
HEAVY = {
    *("asyncio", "asyncssh", "ClusterShell", "concurrent", "cryptography", "hashlib", "inspect"),
    *("json", "logging", "multiprocessing", "prompt_toolkit", "resource", "selectors", "signal"),
    *("socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "tomllib"),
}


@pytest.fixture(autouse=True)
def not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep coverage out of the processes that are started: it imports, and takes its time."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("argv", [["--version"], ["--help"]])
def test_the_start_loads_little(argv: list[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-I", "-c", START.format(argv=argv)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.splitlines()[-1]
    loaded = set(told.split())
    assert {name for name in loaded if name.partition(".")[0] == "clsh"} == OURS
    assert not loaded & HEAVY


def test_the_version_is_said_at_once() -> None:
    argv = [sys.executable, "-I", "-c", "from clsh.cli.clsh import entry; entry()", "--version"]
    took: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        told = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
        took.append(time.perf_counter() - began)
        assert told.stdout == f"clsh {__version__}\n"
        if took[-1] <= 0.060:
            return  # other work on the machine can only make it slower
    pytest.fail(f"the fastest of {len(took)} took {min(took) * 1000:.0f} ms")
