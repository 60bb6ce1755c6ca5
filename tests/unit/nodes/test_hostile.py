"""Hostile names through every way in: refused by our own error, at once, and nothing is made."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from clsh.base import config
from clsh.base.errors import ClshError
from clsh.nodes import inventory
from clsh.nodes.choose import Asked, choose
from tests.support.hostile import ARGUMENTS, NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TABLES = (
    "[groups]\ng = %s",
    "[nodes.%s]",
    "[nodes.n]\naddress = %s",
    "[clusters.c]\nnodes = [%s]",
    "[clusters.%s]",
    "[groups]\n%s = 'x'",
    "default = %s",
    "[defaults]\njump = %s",
)


def refused(asked: Asked, environ: Mapping[str, str], cwd: Path) -> None:
    book = inventory.Inventory({}, {"known": ()}, {})
    before = sorted(cwd.iterdir())
    start = time.process_time()
    with pytest.raises(ClshError) as caught:
        choose(asked, environ, book, cwd)
    assert caught.value.exit_code == 2
    assert time.process_time() - start < 0.5
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()
    assert sorted(cwd.iterdir()) == before


def test_the_list() -> None:
    assert len(set(ARGUMENTS)) >= 60
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
class TestRefused:
    def test_by_options(self, name: str, tmp_path: Path) -> None:
        for hosts in (name, f"node1,{name}", f"@{name}"):
            refused(Asked(hosts=(hosts,)), {}, tmp_path)
        for engine in ("podman", "docker", "local"):
            refused(Asked(hosts=(f"{engine}://{name}",)), {}, tmp_path)
        refused(Asked(hosts=("node[1-9]",), exclude=(name,)), {}, tmp_path)
        refused(Asked(groups=(name,)), {}, tmp_path)

    def test_by_the_environment(self, name: str, tmp_path: Path) -> None:
        for text in (name, f"node1:{name}", f"[{name}]"):
            refused(Asked(), {"CLSH_HOSTS": text}, tmp_path)

    def test_by_host_files(self, name: str, tmp_path: Path) -> None:
        written = name.encode("utf-8", "surrogateescape")
        for text in (b"node1\n" + written + b"\n", b"node1 jump=" + written):
            (tmp_path / "hosts").write_bytes(text)
            refused(Asked(hostfile="hosts"), {}, tmp_path)
            refused(Asked(), {"CLSH_HOSTFILE": "hosts"}, tmp_path)
        (tmp_path / "hosts").rename(tmp_path / "hostfile")
        refused(Asked(), {}, tmp_path)

    def test_by_the_inventory(self, name: str, tmp_path: Path) -> None:
        file = tmp_path / "clsh.toml"
        for table in TABLES:
            text = table % json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007F")
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
            with pytest.raises(ClshError) as caught:
                inventory.load(config.load({"CLSH_CONFIG": str(file)}))
            assert caught.value.exit_code in {2, 10}
            assert str(file) in str(caught.value)
