"""The examples in docs/reference/configuration.md mean what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from clsh.base import config
from clsh.nodes import hostfile, inventory
from clsh.nodes.choose import Asked, choose
from clsh.nodes.settings import KEYS

PAGE = (Path(__file__).parents[3] / "docs/reference/configuration.md").read_text(encoding="utf-8")


def block(begin: str) -> str:
    found = re.search(rf"```{begin}(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_examples(tmp_path: Path) -> None:
    file = tmp_path / "clsh.toml"
    file.write_text(block("toml\n"))
    book = inventory.load(config.load({"CLSH_CONFIG": str(file)}))
    assert book is not None
    assert len(book.default()) == 128
    assert [node.name for node in book.nodes()][-2:] == ["box", "db1"]
    hosts = hostfile.parse(block("\n# the lab"), "hosts", book.group)
    assert len(hosts) == 13
    variable = re.search(r"`(node1:\[.*?)`", PAGE)
    assert variable
    chosen = choose(Asked(), {"CLSH_HOSTS": variable[1]}, book, tmp_path).nodes
    names = [node.name for node in chosen]
    assert names[:5] == ["node1", "node2", "::1", "::1.2222", "web"]
    assert names[5:] == ["node001", "node002", "node003", "node004"]


def test_every_setting_and_option_is_on_the_page(tmp_path: Path) -> None:
    empty = config.Config(tmp_path)
    for key in [key[1] for key, _ in config.settings(empty)] + list(KEYS):
        assert f"`{key}`" in PAGE, key
