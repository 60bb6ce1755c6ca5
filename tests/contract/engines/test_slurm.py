"""The suite over the engine `slurm`, but for what it tells in words of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.jobs.engines import slurm
from tests.contract.engines.others import slurm_bench
from tests.contract.engines.test_engines import (
    test_a_cancel_ends_all_of_it,
    test_a_cancel_while_it_starts_ends_it,
    test_a_head_that_is_killed_in_the_middle_of_starts_starts_none_twice,
    test_an_attempt_runs_and_its_end_is_told,
    test_files_and_patterns,
    test_hostile_bytes_in_output_are_only_output,
    test_many_starts_of_one_attempt_start_one_process,
    test_one_that_is_cancelled_before_its_start_never_starts,
    test_output_is_read_from_an_offset,
    test_what_nodes_have,
    test_what_was_started_goes_on_without_us_and_is_found_again,
    test_words_arrive_as_they_are,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.contract.engines.conftest import Bench

__all__ = [
    "test_a_cancel_ends_all_of_it",
    "test_a_cancel_while_it_starts_ends_it",
    "test_a_head_that_is_killed_in_the_middle_of_starts_starts_none_twice",
    "test_an_attempt_runs_and_its_end_is_told",
    "test_files_and_patterns",
    "test_hostile_bytes_in_output_are_only_output",
    "test_many_starts_of_one_attempt_start_one_process",
    "test_one_that_is_cancelled_before_its_start_never_starts",
    "test_output_is_read_from_an_offset",
    "test_what_nodes_have",
    "test_what_was_started_goes_on_without_us_and_is_found_again",
    "test_words_arrive_as_they_are",
]


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(slurm, "POLL_S", 0.05)
    async with slurm_bench(tmp_path) as made:
        made.run()
        yield made
        await made.stop()
