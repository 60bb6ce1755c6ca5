"""In CI a skip of any kind fails the run, and elsewhere it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPS = {
    "in the test": "import pytest\ndef test_it(): pytest.skip('why')",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='why')\ndef test_it(): pass",
    "of a file": "import pytest\npytest.skip('why', allow_module_level=True)",
    "by a fixture": "import pytest\n@pytest.fixture\ndef it(): pytest.skip('why')\n"
    "def test_it(it): pass",
}


def run_pytest(folder: Path, source: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.no_skips"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [*command, str(folder)], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("kind", SKIPS)
def test_a_skip_fails_in_ci(tmp_path: Path, kind: str) -> None:
    done = run_pytest(tmp_path, SKIPS[kind], ci="true")
    assert done.returncode in {1, 2}, done.stdout
    assert "CI does not allow" in done.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    assert "1 skipped" in run_pytest(tmp_path, SKIPS["in the test"], ci="").stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False"
    assert run_pytest(tmp_path, source, ci="true").returncode == 0
