"""Commands that only act as Slurm's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.jobs.engines import slurm
from tests.support.fake_slurm import FakeSlurm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.setattr(slurm, "POLL_S", 0.02)
    return FakeSlurm(tmp_path / "fake")
