from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, UsageError
from clsh.cli import last_run
from clsh.nodes.model import Node, node_name

if TYPE_CHECKING:
    from pathlib import Path

NODES = [
    Node(node_name("n1:2222"), "n1", "bob", 2222, "openssh", "gate", {"identity": "/k"}),
    Node(node_name("web"), "web", transport="container", options={"engine": "podman"}),
]


def test_the_failed_nodes_come_back_as_they_were(tmp_path: Path) -> None:
    state = tmp_path / "state" / "clsh"
    last_run.save(state, NODES)
    assert last_run.load(state) == NODES
    file = state / "last-run.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in state.iterdir()] == ["last-run.json"]


def test_a_run_without_failure_leaves_none(tmp_path: Path) -> None:
    last_run.save(tmp_path, NODES)
    last_run.save(tmp_path, [])
    with pytest.raises(UsageError, match="no node failed in the last run"):
        last_run.load(tmp_path)


def test_without_a_run_there_is_nothing_to_repeat(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there was no run before"):
        last_run.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"failed": 1}',
        '{"failed": ["n1"]}',
        '{"failed": [{}]}',
        '{"failed": [{"name": "-oX", "host": "h"}]}',
        '{"failed": [{"name": "n1", "host": "h", "more": 1}]}',
    ],
)
def test_a_damaged_file_is_told_and_never_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "last-run.json").write_text(text)
    with pytest.raises(ClshError) as caught:
        last_run.load(tmp_path)
    assert caught.value.hint


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    last_run.save(state, NODES)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("json.dump", full)
    with pytest.raises(OSError, match="No space"):
        last_run.save(state, [])
    assert last_run.load(state) == NODES
    assert len(list(state.iterdir())) == 1
