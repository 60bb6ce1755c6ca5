"""A manager that runs while a test does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.monitoring.manager import FakeManager

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def manager() -> Iterator[FakeManager]:
    with FakeManager() as running:
        yield running
