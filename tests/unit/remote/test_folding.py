from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from clsh.remote.folding import differences, groups


def test_the_largest_group_comes_first_then_the_first_seen() -> None:
    found = groups([("n1", "a"), ("n2", "b"), ("n3", "b"), ("n4", "c")])
    assert found == [("b", ["n2", "n3"]), ("a", ["n1"]), ("c", ["n4"])]


def test_a_difference_names_both_and_counts_lines_from_the_top() -> None:
    one = b"".join(b"%d\n" % n for n in range(100))
    other = one.replace(b"50\n", b"fifty\n")
    assert differences(one, other, "node[1-3]", "node4").decode() == (
        "--- node[1-3]\n+++ node4\n@@ -48,7 +48,7 @@\n 47\n 48\n 49\n-50\n+fifty\n 51\n 52\n 53\n"
    )


def test_equal_texts_do_not_differ() -> None:
    assert differences(b"a\nb\n", b"a\nb\n", "x", "y") == b""


def test_a_missing_newline_is_told() -> None:
    shown = differences(b"a\nb\n", b"a\nb", "x", "y").decode()
    assert shown.endswith("-b\n+b\n\\ No newline at end of output\n")


def test_an_empty_output_differs_from_one_line() -> None:
    assert differences(b"", b"a\n", "x", "y") == b"--- x\n+++ y\n@@ -0,0 +1 @@\n+a\n"


def test_long_texts_that_differ_everywhere_are_told_in_bounded_time() -> None:
    one = b"head\n" + b"".join(b"%d\n" % n for n in range(100_000))
    other = b"head\n" + b"".join(b"%d\n" % -n for n in range(1, 100_000))
    began = time.monotonic()
    assert differences(one, other, "x", "y") == b"--- x\n+++ y\n@@ differ from line 2 on @@\n"
    assert time.monotonic() - began < 2


LINES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=30)


@given(LINES, LINES)
def test_a_difference_leads_from_one_text_to_the_other(one: list[str], other: list[str]) -> None:
    old, new = ("".join(f"{line}\n" for line in lines).encode() for lines in (one, other))
    shown = differences(old, new, "x", "y").decode().splitlines()
    made, at = [], 0
    for line in shown[2:]:
        if line.startswith("@@"):
            start, _, count = line.split()[1][1:].partition(",")
            upto = int(start) - 1 + (count == "0")
            made += one[at:upto]
            at = upto
        elif line.startswith("+"):
            made.append(line[1:])
        else:
            assert one[at] == line[1:]
            at += 1
            made += line[1:] if line.startswith(" ") else []
    assert made + one[at:] == other
