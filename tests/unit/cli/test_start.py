"""What `clsh` may load before it knows what to do: `clsh --version` takes at most 60 ms."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from clsh import __version__
from clsh.cli import main

START = "from clsh.cli.{file} import main; main({argv!r}); import sys; print(*sys.modules)"
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
    *("http", "jinja2", "starlette", "uvicorn", "wcwidth", "websockets"),
}
CL = (OURS - {"clsh.cli.clsh", "clsh.cli.options"}) | {"clsh.cli.main"}
CL_HELP = CL | {
    *("clsh.base.paths", "clsh.base.plugins", "clsh.cli.monitoring", *main.ROOMS),
    *("clsh.cli.monitoring.reaching", "clsh.cli.options", "clsh.nodes", "clsh.nodes.nodeset"),
    *("clsh.cli.jobs", "clsh.cli.jobs.acting", "clsh.cli.jobs.options"),
    *("clsh.jobs", "clsh.jobs.forms", "clsh.jobs.forms.fields", "clsh.jobs.forms.sbatch_options"),
}


@pytest.fixture(autouse=True)
def not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep coverage out of the processes that are started: it imports, and takes its time."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


def loaded(file: str, argv: list[str]) -> set[str]:
    """Return the modules that a command has loaded when it ends."""
    told = subprocess.run(
        [sys.executable, "-I", "-c", START.format(file=file, argv=argv)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.splitlines()[-1]
    return set(told.split())


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "clsh"}


@pytest.mark.parametrize("argv", [["--version"], ["--help"]])
def test_the_start_loads_little(argv: list[str]) -> None:
    modules = loaded("clsh", argv)
    assert ours(modules) == OURS
    assert not modules & HEAVY


def test_cl_loads_the_words_of_its_commands_and_no_more() -> None:
    assert ours(loaded("main", ["--version"])) == CL
    modules = loaded("main", ["--help"])
    commands = modules & set(main.commands().values())
    assert ours(modules) - commands == CL_HELP
    assert modules & HEAVY == {"inspect"}  # by pkgutil, which finds the commands


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
