"""The wheel has all that the program reads, not only what it imports."""

from __future__ import annotations

import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"


def test_the_scripts_that_nodes_run_are_in_the_wheel(wheel: Path) -> None:
    scripts = {str(one.relative_to(SOURCE)) for one in SOURCE.rglob("*.sh")}
    assert "clsh/jobs/engines/_remote/runner.sh" in scripts
    with zipfile.ZipFile(wheel) as built:
        assert scripts <= set(built.namelist())
