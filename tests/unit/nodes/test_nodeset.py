from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import UsageError
from clsh.nodes.nodeset import LIMIT, expand, fold, is_range, split

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node1", "node1"),
        ("b,a,b", "b a"),
        ("web[01-03,20]", "web01 web02 web03 web20"),
        ("n[08-11]", "n08 n09 n10 n11"),
        ("n[9-10]", "n9 n10"),
        ("n[1,01,001]", "n1 n01 n001"),
        ("n[00-02]", "n00 n01 n02"),
        ("n[1-9/4]", "n1 n5 n9"),
        ("r[1-2]n[01-02]-ib0", "r1n01-ib0 r1n02-ib0 r2n01-ib0 r2n02-ib0"),
        ("[1-2]", "1 2"),
        ("10.0.0.[1-2]", "10.0.0.1 10.0.0.2"),
        ("fe80::[1-2]%eth0", "fe80::1%eth0 fe80::2%eth0"),
        (" a ,\tb", "a b"),
    ],
)
def test_expand(text: str, names: str) -> None:
    assert expand(text) == names.split()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty name"),
        ("a,,b", "empty name"),
        ("a,", "empty name"),
        ("n[1-", "without its partner"),
        ("n]1[", "without its partner"),
        ("n[]", "not a range"),
        ("n[a]", "not a range"),
        ("n[-1-3]", "not a range"),
        ("n[1,]", "not a range"),
        ("n[3-1]", "is empty"),
        ("n[1-3/0]", "is empty"),
        ("n[01-100]", "write 001-100 for 01-100"),
        ("n[0-09]", "write 00-09 for 0-09"),
        ("n[1-010]", "write 001-010 for 1-010"),
        ("n[[1]]", "a character"),
        ("n[1][2]", "illegal reopening bracket"),
        ("n[1-2]!n1", "a character"),
        ("@all", "a character"),
    ],
)
def test_bad_sets(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(text)
    assert why in str(caught.value)
    assert caught.value.hint


def test_a_bad_character_without_brackets_is_a_bad_host_name() -> None:
    with pytest.raises(UsageError, match="bad host name 'a b'"):
        expand("a b")


@pytest.mark.parametrize(
    "text", ["n[1-100001]", "n[1-999][1-999]", "n[1-9999999999]", "n[1-60000],m[1-60000]"]
)
def test_too_many_are_refused_before_they_are_made(text: str) -> None:
    start = time.process_time()
    with pytest.raises(UsageError, match="more than 100,000 nodes"):
        expand(text)
    assert time.process_time() - start < 1


def test_as_many_as_the_limit() -> None:
    assert len(expand(f"n[1-{LIMIT}]")) == LIMIT


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([], ""),
        (["node1"], "node1"),
        (["node3", "node1", "node2", "web01", "node1"], "node[1-3],web01"),
        (["n9", "n10", "n01"], "n[9,01,10]"),
        (["r1n1", "r1n2", "r2n1", "r2n2"], "r[1-2]n[1-2]"),
        (["::1", "::2"], "::[1-2]"),
        (["fe80::1%eth0", "fe80::1%eth1"], "fe80::1%eth[0-1]"),
        (["h:2201", "h:2202"], "h:[2201-2202]"),
        (["a", "b"], "a,b"),
    ],
)
def test_fold(names: list[str], folded: str) -> None:
    assert fold(names) == folded


def test_many_addresses_without_order_fold_in_time() -> None:
    names = [f"10.{i * 7919 % 251}.{i * 104729 % 241}.{i % 239}" for i in range(1000)]
    start = time.process_time()
    folded = fold(names)
    assert time.process_time() - start < 1.5  # 4 s when ClusterShell folds all numbers
    assert set(expand(folded)) == set(names)


def test_the_users_clustershell_settings_do_not_change_folding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "defaults.conf").write_text("[nodeset]\nfold_axis: 0\n")
    monkeypatch.setenv("CLUSTERSHELL_CFGDIR", str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("ClusterShell")]:
        monkeypatch.delitem(sys.modules, name)
    assert fold(["r1n1", "r1n2", "r2n1", "r2n2"]) == "r[1-2]n[1-2]"


def test_split_and_is_range() -> None:
    assert split("a[1,2],b", ",") == ["a[1,2]", "b"]
    assert split("[::1]:a:b", ":") == ["[::1]", "a", "b"]
    assert is_range("1-3,07")
    assert not is_range("::1")
    assert not is_range("")
