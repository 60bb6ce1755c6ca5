from __future__ import annotations

import pytest

from clsh.base import units


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("4096", 4096), ("10G", 10 << 30), ("1.5k", 1536), ("512 MiB", 512 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    assert units.size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1e9", "10 GG", "1G\n", "１0G", "9" * 30])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="such as 10G"):
        units.size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30s", 30), ("1.5m", 90), ("2 h", 7200), ("7d", 604800)]
)
def test_times(text: str, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5m", "5 minutes", "1e3", "nan", "inf"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30s"):
        units.duration(text)
