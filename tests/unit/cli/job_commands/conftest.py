"""A manager with jobs that runs while a test does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.job_manager import managed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.job_manager import Managed


@pytest.fixture
def manager() -> Iterator[Managed]:
    with managed() as running:
        yield running


@pytest.fixture
def running() -> Iterator[Managed]:
    """One whose jobs are processes of this machine."""
    with managed(runs=True) as found:
        yield found
