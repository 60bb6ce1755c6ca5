"""`cl alerts`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clsh.cli.client import NoManagerError
from clsh.cli.main import main

if TYPE_CHECKING:
    from tests.unit.cli.monitoring.manager import FakeManager


def test_one_line_each(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["SINCE", "SEVERITY", "CLUSTER", "NODE", "RULE", "TEXT"]
    assert line.split()[2:] == ["warning", "lab", "node1", "disk", "below", "10", "%"]


def test_as_json(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["since"] == 1.7e9


def test_none(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    manager.answers["/api/v1/alerts"] = {"alerts": []}
    assert main(["alerts"]) == 0
    assert tuple(capsys.readouterr()) == ("", "No alerts.\n")


def test_without_a_manager() -> None:
    with pytest.raises(NoManagerError):
        main(["alerts"])
