from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.alerts import Alert, kept

if TYPE_CHECKING:
    from pathlib import Path

ALERTS = [
    Alert("disk", "c", "n1", "disk_free_percent", 8.5, 1e9, "warning", "is 8.5, below 10"),
    Alert("silent", "c", "n2", "", None, 1e9, "critical", "silent: gone"),
    Alert("os", "c", "n3", "os_name", "한글", 1e9, "info", "os_name is 한글"),
]


def test_alerts_come_back(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    assert kept.load(file) == []
    kept.save(file, ALERTS)
    assert kept.load(file) == ALERTS
    assert file.stat().st_mode & 0o777 == 0o600
    kept.save(file, [])
    assert kept.load(file) == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["alerts.json"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    kept.save(file, ALERTS)
    (tmp_path / "alerts.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"alerts\.new"):
        kept.save(file, [])
    assert kept.load(file) == ALERTS
    assert not (tmp_path / "elsewhere").exists()


def row(**changes: object) -> dict[str, object]:
    fields = ("rule", "cluster", "node", "metric", "value", "since", "severity", "text")
    return {name: getattr(ALERTS[0], name) for name in fields} | changes


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "firing": []}',
        '{"version": 1, "firing": {}}',
        '{"version": 1, "firing": [1]}',
        json.dumps({"version": 1, "firing": [row(more=1)]}),
        json.dumps({"version": 1, "firing": [row(node=None)]}),
        json.dumps({"version": 1, "firing": [row(since="now")]}),
        json.dumps({"version": 1, "firing": [row(value=[])]}),
        json.dumps({"version": 1, "firing": [row(severity="worst")]}),
        json.dumps({"version": 1, "firing": [{"rule": "x"}]}),
        "\udcff",
    ],
)
def test_a_damaged_file_is_said(tmp_path: Path, content: str) -> None:
    file = tmp_path / "alerts.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"."):
        kept.load(file)
