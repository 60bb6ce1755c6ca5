"""Node sets against a plain model: what goes in comes out, and padding is never touched."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clsh.base.errors import UsageError
from clsh.nodes.entry import parse
from clsh.nodes.model import node_name
from clsh.nodes.nodeset import expand, fold

NUMBERS = st.from_regex(r"0{0,3}[0-9]{1,4}", fullmatch=True)
PREFIX = st.from_regex(r"[a-z_][a-z._-]{0,5}", fullmatch=True)
NAMES = st.one_of(
    st.builds("".join, st.tuples(PREFIX, NUMBERS)),
    st.builds("".join, st.tuples(PREFIX, NUMBERS, PREFIX, NUMBERS)),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,12}", fullmatch=True),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"{address}%eth0"),
)


@given(st.lists(NAMES, max_size=40))
def test_folding_and_expanding_gives_the_same_names(names: list[str]) -> None:
    folded = fold(names)
    assert set(expand(folded) if folded else []) == set(names)


@given(st.lists(NAMES, min_size=1, max_size=40))
def test_a_list_keeps_its_order_and_each_name_once(names: list[str]) -> None:
    assert expand(",".join(names)) == list(dict.fromkeys(names))


@given(PREFIX, st.integers(0, 900), st.integers(0, 99), st.integers(1, 9), st.integers(1, 5))
def test_a_range_counts_as_python_does(
    prefix: str, first: int, more: int, step: int, width: int
) -> None:
    last = first + more
    width = width if len(str(last)) <= width else 1
    wanted = [f"{prefix}{number:0{width}}" for number in range(first, last + 1, step)]
    assert expand(f"{prefix}[{first:0{width}}-{last:0{width}}/{step}]") == wanted


@given(st.lists(NAMES, min_size=1, max_size=20, unique=True))
def test_every_name_can_be_typed_again(names: list[str]) -> None:
    assert [node.name for node in parse(",".join(names))] == names


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab1:[]-,/@.%0$\n é"), max_size=30))
def test_any_text_gives_checked_names_or_a_usage_error(text: str) -> None:
    try:
        nodes = parse(text)
    except UsageError:
        return
    assert all(node_name(node.name) == node.name for node in nodes)
    assert not any(mark in node.host for node in nodes for mark in "/$ \n[]@")
