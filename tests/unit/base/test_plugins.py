from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from clsh.base import plugins
from clsh.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "clsh.monitor.sources"


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package installed by somebody else, with a source of its own."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{PACKAGE}]\nredfish = clsh_other:make\nprocfs = clsh_other:never\n"
    )
    (tmp_path / "clsh_other.py").write_text("def make(context):\n    return context\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "clsh_other", raising=False)


def test_a_built_in_is_a_file() -> None:
    assert plugins.names(PACKAGE) == [
        "gmetad", "gmetric", "gmond", "memory", "node_exporter", "procfs",
    ]  # fmt: skip
    assert plugins.find(PACKAGE, "memory").__module__ == "clsh.monitor.sources.memory"


@pytest.mark.usefixtures("third_party")
def test_what_others_registered_is_found_after_the_built_in() -> None:
    assert plugins.is_registered(PACKAGE, "redfish")
    assert not plugins.is_registered(PACKAGE, "other")
    assert "clsh_other" not in sys.modules
    assert plugins.find(PACKAGE, "redfish")(42) == 42
    assert plugins.find(PACKAGE, "procfs").__module__ == "clsh.monitor.sources.procfs"


@pytest.mark.parametrize("name", ["nothing", "_format", "no.dots", "../up", ""])
def test_an_unknown_name_is_told_with_those_that_exist(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no source named") as caught:
        plugins.find(PACKAGE, name)
    assert "procfs" in caught.value.hint
