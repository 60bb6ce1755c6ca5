"""The limits of the house that no linter holds: sizes, the one printer, the one door."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src/clsh"
OURS = [
    path
    for folder in ("src", "tests", "bench", "tools", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_files_are_found() -> None:
    assert {"src/clsh/base/errors.py", "tests/unit/test_house.py"} <= set(map(name, OURS))


def test_no_file_is_over_600_lines_and_nine_of_ten_are_under_400() -> None:
    sizes = {name(path): lines(path) for path in OURS}
    assert {path: size for path, size in sizes.items() if size > 600} == {}
    for folder in ("src/", "tests/"):
        counts = sorted(size for path, size in sizes.items() if path.startswith(folder))
        assert counts[len(counts) * 9 // 10] < 400


def test_no_function_is_over_60_lines() -> None:
    functions = {
        f"{name(path)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in OURS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {where: size for where, size in functions.items() if size > 60} == {}


def test_no_folder_of_the_package_has_over_16_files() -> None:
    folders = [SRC, *(path for path in SRC.rglob("*") if path.is_dir())]
    counts = {name(folder): len([p for p in folder.iterdir() if p.is_file()]) for folder in folders}
    assert {folder: count for folder, count in counts.items() if count > 16} == {}


def test_a_package_file_only_says_what_the_room_is_and_re_exports() -> None:
    allowed = ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.Expr | ast.If
    for path in SRC.rglob("__init__.py"):
        if path.parent != SRC:
            assert all(isinstance(node, allowed) for node in tree(path).body), name(path)


def test_the_assembly_stays_small() -> None:
    assert lines(SRC / "assembly.py") < 200


def calls(path: Path) -> set[str]:
    """Return the dotted names of what a file calls: `os.fork`, `asyncio.create_subprocess_exec`."""
    found = (ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call))
    return {text for text in found if re.fullmatch(r"[\w.]+", text)}


PRINTS = re.compile(r"(print|(.*\.)?(stdout|stderr)(\.buffer)?\.(write|writelines))")


@pytest.mark.parametrize("call", ["print", "sys.stderr.write", "sys.stdout.buffer.write"])
def test_what_counts_as_printing(call: str) -> None:
    assert PRINTS.fullmatch(call)


def test_only_render_prints() -> None:
    printing = {name(p) for p in SRC.rglob("*.py") if any(map(PRINTS.fullmatch, calls(p)))}
    assert printing <= {"src/clsh/cli/render.py"}


STARTS = re.compile(
    r"(.*\.)?(create_subprocess_(exec|shell)|subprocess_(exec|shell)|Popen|fork|forkpty"
    r"|posix_spawnp?|exec[lv]p?e?|spawn[lv]p?e?|popen|system)"
)


@pytest.mark.parametrize("call", ["asyncio.create_subprocess_exec", "os.fork", "os.execvp"])
def test_what_counts_as_starting_a_process(call: str) -> None:
    assert STARTS.fullmatch(call)


# The manager goes into the background, and a child of ours kills slow nodes after we have left.
OURSELVES = {
    "src/clsh/cli/daemon.py": {"os.fork", "os.execvpe"},
    "src/clsh/cli/lingering.py": {"os.fork"},
}


def test_only_transports_and_the_demo_start_processes() -> None:
    doors = ("src/clsh/remote/transports/", "src/clsh/demo/")
    starting = {name(p): set(filter(STARTS.fullmatch, calls(p))) for p in SRC.rglob("*.py")}
    found = {path: how for path, how in starting.items() if how and not path.startswith(doors)}
    assert found == OURSELVES


SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:|pragma: no cover)")


def test_what_is_silenced_names_its_rule_and_its_reason() -> None:
    """As `# noqa: S102 - why`; a bare marker hides more than it was meant for."""
    explained = re.compile(r"(noqa: [A-Z]+\d+(, [A-Z]+\d+)*|ignore\[[^]]+\]|no cover)\W+\w")
    bare = [
        f"{name(path)}: {line.strip()}"
        for path in [*OURS, ROOT / "hatch_build.py"]
        if path != Path(__file__)
        for line in path.read_text(encoding="utf-8").splitlines()
        if (found := SILENCED.search(line)) and not explained.search(line[found.start() :])
    ]
    assert bare == []
